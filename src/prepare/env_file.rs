//! The operator's env file, read without a shell. Pure.
//!
//! It has the forms that the files of this product have always had: `NAME=value`,
//! `export NAME="value"`, and blocks that leave a variable alone which is set already:
//!
//! ```sh
//! if [ -z "${NAME}" ]; then
//!     export NAME="value"
//! fi
//! ```
//!
//! A value is what a shell would make of it (POSIX.1-2017, XCU 2.2 Quoting), as far as that takes no
//! shell; all else is refused by its line. Nothing of a value is ever part of what is told.

mod word;
mod wrong;

pub use wrong::{Problem, Wrong};

use crate::secret::Secret;
use word::Cursor;

/// More is on no line that somebody wrote.
const LONGEST_LINE: usize = 64 * 1024;

/// One `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The line that it is on, counted from 1.
    pub line: usize,
    /// The variable.
    pub name: String,
    /// Its value.
    pub value: Secret,
    /// It counts only where this variable is not set, or empty.
    pub unless: Option<String>,
}

/// Reads a file, in the order in which it is written.
pub fn parse(file: &[u8]) -> Result<Vec<Assignment>, Vec<Problem>> {
    let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
    let mut reader = Reader::default();
    for line in file.split(|byte| *byte == b'\n') {
        reader.number += 1;
        if let Err(wrong) = reader.line(line.strip_suffix(b"\r").unwrap_or(line)) {
            reader.problems.push(Problem { line: reader.number, wrong });
            // What else is wrong with a block is told when this is mended.
            if let Some(block) = &mut reader.block {
                block.has_then = true;
            }
        }
    }
    if let Some(block) = reader.block {
        reader.problems.push(Problem { line: block.line, wrong: Wrong::NotClosed });
    }
    if reader.problems.is_empty() { Ok(reader.assignments) } else { Err(reader.problems) }
}

#[derive(Default)]
struct Reader {
    number: usize,
    block: Option<Block>,
    assignments: Vec<Assignment>,
    problems: Vec<Problem>,
}

/// What began with `if`.
struct Block {
    line: usize,
    variable: String,
    has_then: bool,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        if line.len() > LONGEST_LINE {
            return Err(Wrong::TooLong(line.len()));
        }
        let line = std::str::from_utf8(line).map_err(|_| Wrong::NotUtf8)?;
        let mut cursor = Cursor::new(line);
        cursor.check_characters()?;
        loop {
            cursor.skip_blanks();
            if cursor.is_at_end() {
                return Ok(());
            }
            let goes_on = self.statement(&mut cursor)?;
            cursor.skip_blanks();
            if !goes_on && !cursor.take(";") && !cursor.is_at_end() {
                return Err(Wrong::AfterValue(cursor.column()));
            }
        }
    }

    /// One statement. Whether the next one follows without a semicolon.
    fn statement(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Wrong> {
        if cursor.take_word("if") {
            let nested = self.block.is_some();
            let condition = cursor.condition();
            // Even one that is not understood has its end.
            let variable = condition.clone().unwrap_or_default();
            self.block = Some(Block { line: self.number, variable, has_then: false });
            return if nested { Err(Wrong::Nested) } else { condition.map(|_| false) };
        }
        if cursor.take_word("then") {
            return match &mut self.block {
                Some(block) if !block.has_then => {
                    block.has_then = true;
                    Ok(true)
                }
                _ => Err(Wrong::Stray("then")),
            };
        }
        if cursor.take_word("fi") {
            return match self.block.take() {
                Some(block) if block.has_then => Ok(false),
                _ => Err(Wrong::Stray("fi")),
            };
        }
        let exported = cursor.take_word("export");
        self.assignments(cursor, exported)?;
        Ok(false)
    }

    /// One or more of them, as a shell has them too; with `export` also names alone, which is said of
    /// all variables here.
    fn assignments(&mut self, cursor: &mut Cursor<'_>, exported: bool) -> Result<(), Wrong> {
        let mut any = false;
        loop {
            cursor.skip_blanks();
            if any && (cursor.is_at_end() || cursor.is_at(';')) {
                return Ok(());
            }
            let column = cursor.column();
            let unknown =
                if any { Wrong::AfterValue(column) } else { Wrong::NotUnderstood(column) };
            let Some(name) = cursor.name() else {
                return Err(if any && cursor.is_at('=') { Wrong::Spaces } else { unknown });
            };
            if cursor.take("=") {
                let value = Secret::new(cursor.value()?);
                let unless = match &self.block {
                    Some(block) if !block.has_then => return Err(Wrong::NoThen),
                    Some(block) => Some(block.variable.clone()),
                    None => None,
                };
                let assignment = Assignment { line: self.number, name, value, unless };
                self.assignments.push(assignment);
            } else if !exported || !cursor.is_at_word_end() {
                cursor.skip_blanks();
                return Err(if cursor.is_at('=') { Wrong::Spaces } else { unknown });
            }
            any = true;
        }
    }
}

#[cfg(test)]
mod tests;
