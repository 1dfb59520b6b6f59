//! Words of a line: names, values in their quotes, and the one condition that there is.

use super::Wrong;

/// A place in a line.
pub(super) struct Cursor<'a> {
    line: &'a str,
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self { line, rest: line }
    }

    /// The column that comes next, counted in characters from 1.
    pub(super) fn column(&self) -> usize {
        self.column_of(self.rest)
    }

    fn column_of(&self, rest: &str) -> usize {
        let before = self.line.len() - rest.len();
        self.line.get(..before).map_or(0, |before| before.chars().count()) + 1
    }

    /// No line has control characters, or quotes as only texts for people have them.
    pub(super) fn check_characters(&self) -> Result<(), Wrong> {
        let strange =
            |c: char| c.is_control() && c != '\t' || ('\u{2018}'..='\u{201f}').contains(&c);
        let Some((at, character)) = self.line.char_indices().find(|(_, c)| strange(*c)) else {
            return Ok(());
        };
        let column = self.column_of(self.line.get(at..).unwrap_or_default());
        Err(if character.is_control() {
            Wrong::Control(column)
        } else if self.line.trim_start().starts_with('#') {
            return Ok(());
        } else {
            Wrong::TypographicQuote(column)
        })
    }

    pub(super) fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    pub(super) fn is_at(&self, character: char) -> bool {
        self.rest.starts_with(character)
    }

    /// Whether nothing follows but a comment.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty() || self.is_at('#')
    }

    pub(super) fn is_at_word_end(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with([' ', '\t', ';'])
    }

    pub(super) fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes a word that ends there.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let here = self.rest;
        let taken = self.take(word) && self.is_at_word_end();
        if !taken {
            self.rest = here;
        }
        taken
    }

    /// A variable's name (XBD 3.235 Name).
    pub(super) fn name(&mut self) -> Option<String> {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.rest = rest;
        Some(name.to_owned())
    }

    /// `[ -z "${NAME}" ]`, where `if` is taken already; the variable that it asks for.
    pub(super) fn condition(&mut self) -> Result<String, Wrong> {
        self.skip_blanks();
        let bracket = self.take_word("[");
        if !bracket && !self.take_word("test") {
            return Err(Wrong::Condition);
        }
        self.skip_blanks();
        if !self.take_word("-z") {
            return Err(Wrong::Condition);
        }
        self.skip_blanks();
        let quoted = self.take("\"");
        let variable = self.variable().ok_or(Wrong::Condition)?;
        if quoted && !self.take("\"") || !self.is_at_word_end() {
            return Err(Wrong::Condition);
        }
        self.skip_blanks();
        if bracket && !self.take_word("]") {
            return Err(Wrong::Condition);
        }
        self.skip_blanks();
        if self.is_at_end() || self.is_at(';') { Ok(variable) } else { Err(Wrong::Condition) }
    }

    /// `$NAME`, `${NAME}`, `${NAME:-}` or `${NAME-}`.
    fn variable(&mut self) -> Option<String> {
        if !self.take("$") {
            return None;
        }
        if !self.take("{") {
            return self.name();
        }
        let name = self.name()?;
        let _ = self.take(":-") || self.take("-");
        self.take("}").then_some(name)
    }

    /// A value, up to the blank or semicolon after it.
    pub(super) fn value(&mut self) -> Result<String, Wrong> {
        let mut value = String::new();
        let mut may_be_home = true;
        while !self.is_at_word_end() {
            let here = self.rest;
            let column = self.column_of(here);
            let Some(next) = self.next() else { break };
            let was_start = std::mem::replace(&mut may_be_home, next == ':');
            match next {
                '\'' => {
                    let (quoted, rest) =
                        self.rest.split_once('\'').ok_or(Wrong::QuoteNotClosed(column))?;
                    value.push_str(quoted);
                    self.rest = rest;
                }
                '"' => self.in_double_quotes(&mut value, column)?,
                '\\' => value.push(self.next().ok_or(Wrong::Continued)?),
                '`' => return Err(Wrong::Backquote(column)),
                // `$'…'` and `$"…"` mean what differs between shells.
                '$' if self.expands() || self.rest.starts_with(['\'', '"']) => {
                    return Err(Wrong::Dollar(column));
                }
                '~' if was_start => return Err(Wrong::Home(column)),
                '&' | '|' | '<' | '>' | '(' | ')' => return Err(Wrong::Operator(column)),
                other => value.push(other),
            }
        }
        Ok(value)
    }

    fn in_double_quotes(&mut self, value: &mut String, start: usize) -> Result<(), Wrong> {
        loop {
            let column = self.column();
            match self.next().ok_or(Wrong::QuoteNotClosed(start))? {
                '"' => return Ok(()),
                '`' => return Err(Wrong::Backquote(column)),
                '$' if self.expands() => return Err(Wrong::Dollar(column)),
                // Only these lose their backslash (XCU 2.2.3).
                '\\' => match self.next().ok_or(Wrong::Continued)? {
                    escaped @ ('$' | '`' | '"' | '\\') => value.push(escaped),
                    other => value.extend(['\\', other]),
                },
                other => value.push(other),
            }
        }
    }

    /// Whether a shell would put something in the place of the `$` before this (XCU 2.6).
    fn expands(&self) -> bool {
        let special = |c: char| c.is_ascii_alphanumeric() || "_{(@*#?-$!".contains(c);
        self.rest.starts_with(special)
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }
}
