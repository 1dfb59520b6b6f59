//! What is wrong with a line, and what to write instead. Never a part of it, which could be a secret.

use std::fmt;

/// A line that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// What it is.
    pub wrong: Wrong,
}

/// What is wrong with a line. Columns are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// So many bytes.
    TooLong(usize),
    /// Bytes that are no text.
    NotUtf8,
    /// A control character at this column.
    Control(usize),
    /// A curly quote, where a value was copied from a text.
    TypographicQuote(usize),
    /// Neither an assignment nor a part of a block.
    NotUnderstood(usize),
    /// More words after a value.
    AfterValue(usize),
    /// Blanks around the equals sign.
    Spaces,
    /// A quote that is not closed on its line.
    QuoteNotClosed(usize),
    /// A backslash at the line's end.
    Continued,
    /// Something that a shell would replace by a variable or a command's output.
    Dollar(usize),
    /// A command whose output a shell would put there.
    Backquote(usize),
    /// A home directory.
    Home(usize),
    /// A character that a shell would end the value at.
    Operator(usize),
    /// An `if` with any other condition.
    Condition,
    /// An `if` in an `if`.
    Nested,
    /// An assignment between `if` and `then`.
    NoThen,
    /// A `then` or `fi` without its `if`.
    Stray(&'static str),
    /// An `if` without its `fi`.
    NotClosed,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.wrong.column() {
            write!(f, ", column {column}")?;
        }
        f.write_str(": ")?;
        match self.wrong {
            Wrong::TooLong(bytes) => write!(f, "has {bytes} bytes; a line may have 65536"),
            Wrong::Stray(word) => write!(f, "{word} without its if"),
            _ => f.write_str(self.wrong.reason()),
        }
    }
}

impl Wrong {
    fn column(&self) -> Option<usize> {
        match self {
            Self::Control(column)
            | Self::TypographicQuote(column)
            | Self::NotUnderstood(column)
            | Self::AfterValue(column)
            | Self::QuoteNotClosed(column)
            | Self::Dollar(column)
            | Self::Backquote(column)
            | Self::Home(column)
            | Self::Operator(column) => Some(*column),
            _ => None,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotUtf8 => "is not UTF-8; write it anew in an editor for text",
            Self::Control(_) => "a control character; take it out",
            Self::TypographicQuote(_) => "a quote as printed texts have it; write \" or '",
            Self::NotUnderstood(_) => {
                "neither NAME=value nor export NAME=value: this file is read, and not run as a \
                 script; leave the line out, or put # before it"
            }
            Self::AfterValue(_) => "the value has ended before this; put all of it in quotes",
            Self::Spaces => "blanks around the =; write NAME=value without them",
            Self::QuoteNotClosed(_) => {
                "the quote is not closed on its line; a value has one line: close it, or write \\\" \
                 for a quote that is meant"
            }
            Self::Continued => "goes on on the next line; write it on one",
            Self::Dollar(_) => {
                "variables and commands are not replaced here; write the value itself, or \\$ where \
                 the $ is meant"
            }
            Self::Backquote(_) => {
                "commands are not run here; write the value itself, or \\` where the ` is meant"
            }
            Self::Home(_) => "~ is not replaced here; write the whole path, or put ~ in quotes",
            Self::Operator(_) => "put the value in quotes",
            Self::Condition => {
                "the only condition that is understood is: if [ -z \"${NAME}\" ]; then"
            }
            Self::Nested => "an if in another one; end that one with fi first",
            Self::NoThen => "then is missing before this",
            Self::NotClosed => "fi is missing for this if",
            Self::TooLong(_) | Self::Stray(_) => "",
        }
    }
}
