//! Lines out of what comes, of bounded length.

use std::io;

use futures_lite::{AsyncRead, AsyncReadExt};

use super::LONGEST_LINE;

/// What is read at once.
const CHUNK: usize = 4096;

/// Cuts what comes into lines.
pub(super) struct Lines<R> {
    source: R,
    pending: Vec<u8>,
    /// So much of what is pending has no end of a line.
    searched: usize,
    ended: bool,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line, without its end.
    Line(Vec<u8>),
    /// More than a line may have.
    TooLong,
    /// Nothing more.
    End,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, pending: Vec::new(), searched: 0, ended: false }
    }

    /// The next line. The last one may lack its end.
    pub(super) async fn next(&mut self) -> io::Result<Next> {
        loop {
            let unseen = self.pending.iter().skip(self.searched);
            if let Some(found) = unseen.copied().position(|byte| byte == b'\n') {
                let rest = self.pending.split_off(self.searched + found + 1);
                let mut line = std::mem::replace(&mut self.pending, rest);
                self.searched = 0;
                line.pop();
                return Ok(if line.len() > LONGEST_LINE {
                    Next::TooLong
                } else {
                    Next::Line(line)
                });
            }
            self.searched = self.pending.len();
            if self.searched > LONGEST_LINE {
                return Ok(Next::TooLong);
            }
            if self.ended {
                let line = std::mem::take(&mut self.pending);
                self.searched = 0;
                return Ok(if line.is_empty() { Next::End } else { Next::Line(line) });
            }
            let mut chunk = [0; CHUNK];
            let read = self.source.read(&mut chunk).await?;
            self.ended = read == 0;
            self.pending.extend_from_slice(chunk.get(..read).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use futures_lite::io::Cursor;

    use super::*;

    fn lines(text: &[u8]) -> Vec<Next> {
        let mut lines = Lines::new(Cursor::new(text.to_vec()));
        let mut all = Vec::new();
        loop {
            all.push(block_on(lines.next()).unwrap());
            if matches!(all.last(), Some(Next::End | Next::TooLong)) {
                return all;
            }
        }
    }

    fn line(text: &[u8]) -> Next {
        Next::Line(text.to_vec())
    }

    #[test]
    fn several_and_a_last_one_without_its_end() {
        assert_eq!(lines(b""), [Next::End]);
        assert_eq!(lines(b"a\n\nb"), [line(b"a"), line(b""), line(b"b"), Next::End]);
        let long = vec![b'x'; 3 * CHUNK];
        let text = [&long[..], b"\n", &long, b"\n"].concat();
        assert_eq!(lines(&text), [line(&long), line(&long), Next::End]);
    }

    #[test]
    fn their_length_is_bounded() {
        let longest = vec![b'x'; LONGEST_LINE];
        assert_eq!(lines(&[&longest[..], b"\n"].concat()), [line(&longest), Next::End]);
        assert_eq!(lines(&[&longest[..], b"x\n"].concat()), [Next::TooLong]);
        assert_eq!(lines(&vec![b'x'; 4 * LONGEST_LINE]), [Next::TooLong]);
    }
}
