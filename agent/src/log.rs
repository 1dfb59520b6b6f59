//! Lines on standard error, for the journal.

use std::fmt;
use std::io::Write;

/// Writes log lines. A line that cannot be written is lost: serving goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    /// Whether [`Log::debug`] writes anything: `sagemaker_edge_log_verbose`.
    pub(crate) verbose: bool,
}

impl Log {
    pub(crate) fn info(self, message: impl fmt::Display) {
        line("INFO", message);
    }

    pub(crate) fn warning(self, message: impl fmt::Display) {
        line("WARNING", message);
    }

    pub(crate) fn debug(self, message: impl fmt::Display) {
        if self.verbose {
            line("DEBUG", message);
        }
    }
}

fn line(level: &str, message: impl fmt::Display) {
    // One write for one line, so that threads do not mix theirs.
    let line = format!("{level} {message}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
