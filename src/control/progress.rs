//! How far a command is, on a terminal or in lines.

use std::time::{Duration, Instant};

use serde_json::Value;

/// Where there is no terminal a line is written this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

const BAR: u64 = 24;

/// Shows progress.
pub(super) struct Display {
    terminal: bool,
    last_line: Option<Instant>,
    shown: bool,
}

impl Display {
    pub(super) fn new(terminal: bool) -> Self {
        Self { terminal, last_line: None, shown: false }
    }

    /// What to write for `params` of a progress message, if anything.
    pub(super) fn show(&mut self, params: &Value) -> String {
        if !self.terminal {
            if self.last_line.is_some_and(|last| last.elapsed() < LINE_EVERY) {
                return String::new();
            }
            self.last_line = Some(Instant::now());
            return progress(params, false) + "\n";
        }
        self.shown = true;
        // Back to the beginning of the line, and what was longer erased.
        format!("\r{}\x1b[K", progress(params, true))
    }

    /// What to write when nothing is to be shown any more.
    pub(super) fn clear(&self) -> &'static str {
        if self.shown { "\r\x1b[K" } else { "" }
    }
}

/// `pulling [############------------]  50%  12.0 of 24.0 MiB  3.1 MiB/s`
fn progress(params: &Value, bar: bool) -> String {
    let number = |name| params.get(name).and_then(Value::as_u64);
    let mut line = params.get("phase").and_then(Value::as_str).unwrap_or_default().to_owned();
    let bytes = number("bytes").unwrap_or(0);
    match number("total").filter(|total| *total > 0) {
        Some(total) => {
            let part = |of: u64| {
                (u128::from(bytes.min(total)) * u128::from(of) / u128::from(total)) as u64
            };
            if bar {
                line += " [";
                line.extend((0..BAR).map(|place| if place < part(BAR) { '#' } else { '-' }));
                line.push(']');
            }
            line += &format!(" {:3}%  {} of {} MiB", part(100), mebibytes(bytes), mebibytes(total));
        }
        None if bytes > 0 => line += &format!("  {} MiB", mebibytes(bytes)),
        None => {}
    }
    if let Some(rate) = number("rate") {
        line += &format!("  {} MiB/s", mebibytes(rate));
    }
    line
}

/// With one decimal.
fn mebibytes(bytes: u64) -> String {
    format!("{}.{}", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bytes_percent_and_rate() {
        let pulling = json!({"phase": "pulling", "bytes": 12 << 20, "total": 24 << 20,
                             "rate": 3_250_586});
        assert_eq!(
            progress(&pulling, true),
            "pulling [############------------]  50%  12.0 of 24.0 MiB  3.1 MiB/s"
        );
        assert_eq!(progress(&pulling, false), "pulling  50%  12.0 of 24.0 MiB  3.1 MiB/s");
        let pulling = json!({"phase": "pulling", "bytes": u64::MAX, "total": u64::MAX});
        assert!(progress(&pulling, true).contains("[########################] 100%"));
        let unknown = json!({"phase": "pulling", "bytes": 1 << 19, "total": null, "rate": null});
        assert_eq!(progress(&unknown, true), "pulling  0.5 MiB");
        assert_eq!(progress(&json!({"phase": "loading", "bytes": 0, "total": 0}), true), "loading");
    }

    #[test]
    fn a_terminal_has_one_line_and_a_file_few() {
        let params = json!({"phase": "loading"});
        for (terminal, expected) in
            [(true, "\rloading\x1b[K\rloading\x1b[K\r\x1b[K"), (false, "loading\n")]
        {
            let mut display = Display::new(terminal);
            let shown = [display.show(&params), display.show(&params)].concat();
            assert_eq!(shown + display.clear(), expected);
        }
    }
}
