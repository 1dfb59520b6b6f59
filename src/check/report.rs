//! What was found, for people and for programs. Pure.

use miniserde::json::{self, Value};

use crate::command::{object, text};

/// What came of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is as it should be.
    Good,
    /// It is not.
    Failed,
    /// It was not looked at, or cannot be told.
    Skipped,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// The colour of its word (ECMA-48, SGR).
    fn colour(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Failed => "1;31",
            Self::Skipped => "33",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was checked.
    pub name: &'static str,
    /// What came of it.
    pub state: State,
    /// What was seen.
    pub seen: String,
    /// What to do about it; empty where there is nothing to do.
    pub fix: String,
}

impl Row {
    pub(super) fn good(name: &'static str, seen: String) -> Self {
        Self { name, state: State::Good, seen, fix: String::new() }
    }

    pub(super) fn failed(name: &'static str, seen: String, fix: &str) -> Self {
        Self { name, state: State::Failed, seen, fix: fix.to_owned() }
    }

    /// Failed, as an error tells: what was seen and, after a semicolon, what to do.
    pub(super) fn told(name: &'static str, error: &str) -> Self {
        let (seen, fix) = error.split_once("; ").unwrap_or((error, ""));
        Self::failed(name, seen.to_owned(), fix)
    }

    pub(super) fn skipped(name: &'static str, why: &str, fix: &str) -> Self {
        Self { state: State::Skipped, ..Self::failed(name, why.to_owned(), fix) }
    }
}

/// All checks, in the order in which they are shown.
#[derive(Debug, Default)]
pub struct Report(pub Vec<Row>);

impl Report {
    /// Whether nothing failed.
    pub fn is_good(&self) -> bool {
        self.0.iter().all(|row| row.state != State::Failed)
    }

    /// Lines for people.
    pub fn table(&self, coloured: bool) -> String {
        let width = self.0.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let mut table = String::new();
        for Row { name, state, seen, fix } in &self.0 {
            let word = format!("{:<7}", state.word());
            let word = match coloured {
                true => format!("\x1b[{}m{word}\x1b[0m", state.colour()),
                false => word,
            };
            table += &format!("{name:<width$}  {word}  {}\n", on_a_line(seen));
            if !fix.is_empty() {
                table += &format!("{:1$}-> {2}\n", "", width + 11, on_a_line(fix));
            }
        }
        let failed = self.0.iter().filter(|row| row.state == State::Failed).count();
        table += &match failed {
            0 => "nothing failed\n".to_owned(),
            failed => format!("{failed} of {} failed\n", self.0.len()),
        };
        table
    }

    /// One line for programs.
    pub fn json(&self) -> String {
        let rows = self.0.iter().map(|row| {
            object([
                ("name", text(row.name)),
                ("state", text(row.state.word())),
                ("seen", text(&row.seen)),
                ("fix", text(&row.fix)),
            ])
        });
        let (ok, rows) = (Value::Bool(self.is_good()), Value::Array(rows.collect()));
        json::to_string(&object([("ok", ok), ("checks", rows)])) + "\n"
    }
}

/// What a server says is not trusted with the terminal.
fn on_a_line(text: &str) -> String {
    text.replace(|character: char| character.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report(vec![
            Row::good("one", "1".to_owned()),
            Row::told("eleven", "it is \"off\"\x1b[2J; switch\nit on"),
            Row::skipped("two", "not now", ""),
        ])
    }

    #[test]
    fn a_table_is_aligned_and_cannot_be_written_over() {
        let table = "\
one     ok       1
eleven  failed   it is \"off\" [2J
                 -> switch it on
two     skipped  not now
1 of 3 failed
";
        assert_eq!(report().table(false), table);
        let coloured = report().table(true);
        assert!(coloured.contains("eleven  \x1b[1;31mfailed \x1b[0m  it is"), "{coloured}");
        assert!(Report(vec![Row::skipped("x", "", "")]).table(false).ends_with("nothing failed\n"));
    }

    #[test]
    fn json_has_all_of_it() {
        let report: serde_json::Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(report["ok"], false);
        assert_eq!(report["checks"][0]["state"], "ok");
        assert_eq!(report["checks"][1]["seen"], "it is \"off\"\x1b[2J");
        assert_eq!(report["checks"][1]["fix"], "switch\nit on");
    }
}
