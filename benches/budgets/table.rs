//! What was measured, beside what is allowed.

use std::fmt;
use std::time::Duration;

/// Rows, in the order in which they were measured.
pub(crate) struct Table(Vec<Row>);

struct Row {
    what: String,
    budget: String,
    measured: String,
    /// None where a number is only shown.
    within: Option<bool>,
    remark: String,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// A number with its budget, both in the same unit.
    pub(crate) fn add(
        &mut self,
        what: &str,
        (budget, measured): (f64, f64),
        unit: &str,
        remark: &str,
    ) {
        let row = Row {
            what: what.to_owned(),
            budget: format!("{budget} {unit}"),
            measured: format!("{measured:.2} {unit}"),
            within: Some(measured <= budget),
            remark: remark.to_owned(),
        };
        println!("{row}");
        self.0.push(row);
    }

    /// A number without a budget.
    pub(crate) fn show(&mut self, what: &str, measured: f64, unit: &str, remark: &str) {
        let row = Row {
            what: what.to_owned(),
            budget: String::new(),
            measured: format!("{measured:.2} {unit}"),
            within: None,
            remark: remark.to_owned(),
        };
        println!("{row}");
        self.0.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<44} {:>10} {:>12}", "what", "budget", "measured")?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.within {
            Some(true) => "within",
            Some(false) => "MISSED",
            None => "",
        };
        let Self { what, budget, measured, remark, .. } = self;
        let row = format!("{what:<44} {budget:>10} {measured:>12}  {verdict:<6}  {remark}");
        f.write_str(row.trim_end())
    }
}

/// The one in the middle.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().expect("something was measured")
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
