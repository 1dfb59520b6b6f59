//! Makes the requests of gRPC's C core acceptable, which Python, C++ and others are built on.
//!
//! On a unix socket its `:authority` is the socket's path, percent-encoded: `tmp%2Fagent.sock`.
//! RFC 3986 section 3.2.2 allows that, the HTTP library below refuses it and resets the stream. So
//! the percent signs are replaced before the library sees them. The agent has one authority and
//! never looks at it; a replacement of the same length leaves everything else as it is, HPACK's
//! dynamic table too.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// A connection whose requests are made acceptable.
#[derive(Debug)]
pub(crate) struct Acceptable<Connection> {
    connection: Connection,
    filter: Filter,
}

impl<Connection> Acceptable<Connection> {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, filter: Filter::new() }
    }
}

impl<Connection: AsyncRead + Unpin> AsyncRead for Acceptable<Connection> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.connection).poll_read(context, buffer);
        if let Some(new) = buffer.filled_mut().get_mut(before..) {
            self.filter.apply(new);
        }
        result
    }
}

impl<Connection: AsyncWrite + Unpin> AsyncWrite for Acceptable<Connection> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}

impl<Connection> Connected for Acceptable<Connection> {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

/// Follows a client's HTTP/2 bytes, however they are cut, as far as it takes to find authorities.
/// What is not HTTP/2 passes: to refuse it is the library's part.
#[derive(Debug)]
struct Filter {
    position: Position,
    headers: Headers,
}

/// RFC 9113 section 3.4: bytes that a client sends before any frame.
const PREFACE: usize = 24;

/// Where in the frames.
#[derive(Debug)]
enum Position {
    /// In bytes that do not matter; so many are left.
    Skip(usize),
    /// In a frame's header, of which so many bytes have come.
    Frame([u8; 9], usize),
    /// In the fields of a HEADERS frame before its header block.
    Prefix { left: usize, padded: bool, padding: usize, block: usize },
    /// In a header block.
    Block { left: usize, padding: usize },
}

impl Filter {
    fn new() -> Self {
        Self { position: Position::Skip(PREFACE), headers: Headers::Representation }
    }

    fn apply(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let bytes = std::mem::take(&mut rest);
            if let Position::Skip(left) = &mut self.position {
                // Most of what comes are tensors, which are not looked at.
                let (skipped, behind) = bytes.split_at_mut((*left).min(bytes.len()));
                *left -= skipped.len();
                if *left == 0 {
                    self.position = Position::Frame([0; 9], 0);
                }
                rest = behind;
            } else if let Some((byte, behind)) = bytes.split_first_mut() {
                self.step(byte);
                rest = behind;
            }
        }
    }

    fn step(&mut self, byte: &mut u8) {
        match &mut self.position {
            Position::Skip(_) => {}
            Position::Frame(header, count) => {
                if let Some(place) = header.get_mut(*count) {
                    *place = *byte;
                }
                *count += 1;
                if *count == header.len() {
                    self.position = Position::in_frame(*header);
                }
            }
            Position::Prefix { left, padded, padding, block } => {
                if std::mem::take(padded) {
                    *padding = usize::from(*byte);
                    *block = block.saturating_sub(*padding);
                }
                *left -= 1;
                if *left == 0 {
                    self.position = Position::in_block(*block, *padding);
                }
            }
            Position::Block { left, padding } => {
                self.headers.step(byte);
                *left -= 1;
                if *left == 0 {
                    self.position = Position::Skip(*padding);
                }
            }
        }
    }
}

impl Position {
    /// RFC 9113 sections 4.1, 6.2 and 6.10.
    fn in_frame([a, b, c, kind, flags, ..]: [u8; 9]) -> Self {
        const HEADERS: u8 = 1;
        const CONTINUATION: u8 = 9;
        const PADDED: u8 = 0x08;
        const PRIORITY: u8 = 0x20;

        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let padded = flags & PADDED != 0;
        let prefix = usize::from(padded) + if flags & PRIORITY != 0 { 5 } else { 0 };
        match kind {
            HEADERS if prefix == 0 => Self::in_block(length, 0),
            HEADERS if prefix <= length => {
                Self::Prefix { left: prefix, padded, padding: 0, block: length - prefix }
            }
            CONTINUATION => Self::in_block(length, 0),
            _ => Self::Skip(length),
        }
    }

    fn in_block(left: usize, padding: usize) -> Self {
        if left == 0 { Self::Skip(padding) } else { Self::Block { left, padding } }
    }
}

/// Where in a header block: RFC 7541. Strings with Huffman codes pass: the C core sends none.
#[derive(Debug)]
enum Headers {
    Representation,
    /// In an integer of several bytes.
    Integer {
        of: Integer,
        value: usize,
        shift: u32,
    },
    /// Before a string.
    Text(Text),
    /// In a string.
    Characters {
        text: Text,
        left: usize,
    },
}

#[derive(Debug, Clone, Copy)]
enum Integer {
    /// Nothing follows: an indexed field, or a table's size.
    Whole,
    /// A literal field's name, 0 where the name follows as a string.
    Name,
    Length {
        text: Text,
        huffman: bool,
    },
}

#[derive(Debug, Clone, Copy)]
enum Text {
    /// With what of it is still to come, if it is to be [`AUTHORITY`].
    Name {
        authority: Option<&'static [u8]>,
    },
    Value {
        authority: bool,
    },
}

impl Text {
    const NAME: Self = Self::Name { authority: Some(AUTHORITY) };

    /// Takes a character; replaces it where it must be.
    fn step(self, byte: &mut u8) -> Self {
        match self {
            Self::Name { authority } => {
                Self::Name { authority: authority.and_then(|wanted| wanted.strip_prefix(&[*byte])) }
            }
            Self::Value { authority } => {
                if authority && *byte == b'%' {
                    *byte = b'-';
                }
                self
            }
        }
    }
}

/// The C core sends the name in full.
const AUTHORITY: &[u8] = b":authority";
/// Others send its index: RFC 7541 appendix A.
const AUTHORITY_INDEX: usize = 1;

impl Headers {
    fn step(&mut self, byte: &mut u8) {
        *self = match *self {
            // Sections 6.1, 6.2.1, 6.3, then 6.2.2 and 6.2.3.
            Self::Representation => match *byte {
                0x80.. => Self::integer(*byte, 7, Integer::Whole),
                0x40.. => Self::integer(*byte, 6, Integer::Name),
                0x20.. => Self::integer(*byte, 5, Integer::Whole),
                _ => Self::integer(*byte, 4, Integer::Name),
            },
            // Section 5.1.
            Self::Integer { of, value, shift } => {
                let digits = usize::from(*byte & 0x7f);
                let value = value.saturating_add(digits.checked_shl(shift).unwrap_or(usize::MAX));
                if *byte & 0x80 == 0 {
                    Self::behind(of, value)
                } else {
                    let shift = shift.saturating_add(7);
                    Self::Integer { of, value, shift }
                }
            }
            // Section 5.2.
            Self::Text(text) => {
                let huffman = *byte & 0x80 != 0;
                Self::integer(*byte, 7, Integer::Length { text, huffman })
            }
            Self::Characters { text, left } => {
                Self::characters(text.step(byte), left.saturating_sub(1))
            }
        };
    }

    /// An integer whose first byte has so many bits of it.
    fn integer(byte: u8, bits: u32, of: Integer) -> Self {
        let all = (1_u8 << bits) - 1;
        let value = usize::from(byte & all);
        if byte & all < all {
            Self::behind(of, value)
        } else {
            Self::Integer { of, value, shift: 0 }
        }
    }

    fn behind(integer: Integer, value: usize) -> Self {
        match (integer, value) {
            (Integer::Whole, _) => Self::Representation,
            (Integer::Name, 0) => Self::Text(Text::NAME),
            (Integer::Name, index) => {
                Self::Text(Text::Value { authority: index == AUTHORITY_INDEX })
            }
            (Integer::Length { text, huffman }, length) => {
                let text = match text {
                    text if !huffman => text,
                    Text::Name { .. } => Text::Name { authority: None },
                    Text::Value { .. } => Text::Value { authority: false },
                };
                Self::characters(text, length)
            }
        }
    }

    fn characters(text: Text, left: usize) -> Self {
        match (left, text) {
            (0, Text::Name { authority }) => {
                Self::Text(Text::Value { authority: authority.is_some_and(<[u8]>::is_empty) })
            }
            (0, Text::Value { .. }) => Self::Representation,
            _ => Self::Characters { text, left },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [.., a, b, c] = payload.len().to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// A literal field with incremental indexing, section 6.2.1.
    fn literal(index: u8, value: &str) -> Vec<u8> {
        assert!(index < 63);
        let mut field = vec![0x40 | index];
        if value.len() < 127 {
            field.push(value.len() as u8);
        } else {
            assert!(value.len() < 255);
            field.extend([127, (value.len() - 127) as u8]);
        }
        field.extend(value.as_bytes());
        field
    }

    /// A connection: the preface, SETTINGS, and the frames.
    fn connection(frames: &[Vec<u8>]) -> Vec<u8> {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        [preface, frame(4, 0, &[0, 3, 0, 0, 0, 100]), frames.concat()].concat()
    }

    /// Filters the bytes whole, and in pieces of every size.
    fn filtered(bytes: &[u8]) -> Vec<u8> {
        let mut whole = bytes.to_vec();
        Filter::new().apply(&mut whole);
        for size in 1..bytes.len() {
            let mut filter = Filter::new();
            let mut pieces = bytes.to_vec();
            pieces.chunks_mut(size).for_each(|piece| filter.apply(piece));
            assert_eq!(pieces, whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn only_the_authority_changes() {
        let long = "tmp%2F".repeat(25);
        let block = |long: &str, short: &str| {
            [
                vec![0x83, 0x86],
                literal(4, "/AWS.SageMaker.Edge.Agent/a%2Fb"),
                literal(1, long),
                // A name of its own, without indexing: 6.2.2.
                b"\x00\x03x%x\x03%2F".to_vec(),
                // A larger table, and an index of two bytes.
                vec![0x3f, 0xe1, 0x1f, 0xff, 0x00],
                literal(1, short),
            ]
            .concat()
        };
        let data = frame(0, 0, &literal(1, "%"));
        let frames = |long: &str, short: &str| {
            connection(&[
                frame(1, 4, &block(long, short)),
                data.clone(),
                frame(1, 4, &block(long, short)),
            ])
        };
        assert_eq!(filtered(&frames(&long, "a%41")), frames(&long.replace('%', "-"), "a-41"));
    }

    #[test]
    fn the_name_may_be_sent_in_full() {
        let frames = |authority: &str| {
            let field = |name: &[u8], value: &str| {
                let name = [&[0x40, name.len() as u8], name].concat();
                [name.as_slice(), &[value.len() as u8], value.as_bytes()].concat()
            };
            let block = [
                field(b":authorit", "%"),
                field(b":authority", authority),
                field(b":authority2", "%"),
            ];
            connection(&[frame(1, 4, &block.concat())])
        };
        assert_eq!(filtered(&frames("tmp%2Fa.sock")), frames("tmp-2Fa.sock"));
    }

    #[test]
    fn padding_priority_and_continuation() {
        let frames = |authority: &str| {
            let (first, second) = authority.split_at(3);
            let field = literal(1, authority);
            let cut = field.len() - second.len();
            assert_eq!(&field[cut - 3..cut], first.as_bytes());
            let padded = [&[2, b'%', 0, 0, 0, 1], &field[..cut], b"%%"].concat();
            connection(&[
                frame(1, 0x28, &padded),
                frame(9, 4, &field[cut..]),
                frame(1, 0x2c, &[&[1, 0, 0, 0, 0, 0], field.as_slice(), b"%"].concat()),
            ])
        };
        assert_eq!(filtered(&frames("a%2Fb%2F")), frames("a-2Fb-2F"));
    }

    #[test]
    fn huffman_codes_pass() {
        // 0x25 within is no percent sign.
        let field = [0x41, 0x82, 0x25, 0x25];
        let bytes = connection(&[frame(1, 4, &field)]);
        assert_eq!(filtered(&bytes), bytes);
    }

    #[test]
    fn anything_else_passes() {
        let noise: Vec<u8> = (0..2000_u32).map(|n| (n * n % 251) as u8 | 1).collect();
        let without: Vec<u8> = noise.iter().map(|byte| byte & !0x20).collect();
        assert_eq!(filtered(&without), without);
        filtered(&noise);
        // A HEADERS frame that is shorter than its flags say.
        let bytes = connection(&[frame(1, 0x28, &[1, 2]), frame(1, 8, &[9, 0x41, 1, b'%'])]);
        filtered(&bytes);
    }
}
