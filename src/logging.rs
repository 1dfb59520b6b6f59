//! Log lines: one JSON object each, on standard error.

use std::io::Write;
use std::time::SystemTime;

use log::{Level, LevelFilter, Log, Metadata, Record};
use miniserde::{Serialize, json};

use crate::clock::Moment;

/// Which levels are logged: any set of them, as `SAPT_LOG_LEVEL` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    enabled: [bool; 6],
}

impl Default for Levels {
    /// INFO and ERROR.
    fn default() -> Self {
        Self::none().with(Level::Info).with(Level::Error)
    }
}

impl Levels {
    /// Reads a comma list of `ERROR`, `WARN`, `INFO`, `DEBUG` and `TRACE`, or `ALL`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut levels = Self::none();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.to_ascii_uppercase().as_str() {
                "ALL" => levels.enabled = [true; 6],
                "WARNING" => levels = levels.with(Level::Warn),
                upper => match upper.parse() {
                    Ok(level) => levels = levels.with(level),
                    Err(_) => {
                        return Err(format!(
                            "{name:?} is not a level; list some of ERROR,WARN,INFO,DEBUG,TRACE"
                        ));
                    }
                },
            }
        }
        Ok(levels)
    }

    /// Logs these levels from now on. Only the first call in a process has an effect.
    pub fn install(self) {
        let highest = Level::iter().filter(|level| self.has(*level)).last();
        if log::set_boxed_logger(Box::new(self)).is_ok() {
            log::set_max_level(highest.map_or(LevelFilter::Off, |level| level.to_level_filter()));
        }
    }

    fn none() -> Self {
        Self { enabled: [false; 6] }
    }

    fn with(mut self, level: Level) -> Self {
        self.enabled[level as usize] = true;
        self
    }

    fn has(self, level: Level) -> bool {
        self.enabled[level as usize]
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: &'a str,
    part: &'a str,
    message: String,
}

impl Log for Levels {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries speak to their developers; their warnings are errors of ours when they matter.
        let ours = metadata.target().starts_with("sapt");
        self.has(metadata.level()) && (ours || metadata.level() == Level::Trace)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = Line {
            time: Moment::from(SystemTime::now()).to_string(),
            level: record.level().as_str(),
            part: record.target(),
            message: record.args().to_string(),
        };
        // One write a line, so that lines of several threads do not mix. Where standard error is
        // closed there is nobody to tell.
        let _ = std::io::stderr().write_all((json::to_string(&line) + "\n").as_bytes());
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_set() {
        let levels = Levels::parse(" debug, ERROR,").unwrap();
        assert!(levels.has(Level::Debug) && levels.has(Level::Error));
        assert!(!levels.has(Level::Info) && !levels.has(Level::Warn));
        assert_eq!(Levels::parse("INFO,ERROR").unwrap(), Levels::default());
        assert!(Levels::parse("ALL").unwrap().has(Level::Trace));
        assert!(Levels::parse("LOUD").unwrap_err().contains("LOUD"));
    }
}
