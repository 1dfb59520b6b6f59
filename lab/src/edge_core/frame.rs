//! WebSocket frames (RFC 6455, section 5), as the server sees and sends them.

use std::io::{self, Read};

/// One frame of a client, unmasked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Whether this is the last, or only, frame of its message.
    pub(super) last: bool,
    /// What the frame carries.
    pub(super) opcode: Opcode,
    /// The bytes, with the mask taken off.
    pub(super) payload: Vec<u8>,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// Why no frame came.
#[derive(Debug)]
pub(super) enum FrameError {
    /// The connection ended between two frames.
    Ended,
    /// The client broke the framing.
    Broken(String),
}

impl From<io::Error> for FrameError {
    /// A connection that breaks is one that ended: Edge Core makes no difference.
    fn from(_: io::Error) -> Self {
        FrameError::Ended
    }
}

/// Larger than anything that a translator has a reason to send.
const LARGEST_FRAME: u64 = 64 << 20;

/// Reads the next frame, blocking until it is whole.
pub(super) fn read_frame(stream: &mut impl Read) -> Result<Frame, FrameError> {
    let broken = |what: String| Err(FrameError::Broken(what));
    let [first, second] = read_array(stream)?;
    if first & 0x70 != 0 {
        return broken("a frame had RSV bits set, though no extension was agreed on".to_owned());
    }
    let opcode = match first & 0x0f {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        other => return broken(format!("a frame had the unknown opcode {other}")),
    };
    if second & 0x80 == 0 {
        return broken("a frame was not masked".to_owned());
    }
    let length = match second & 0x7f {
        126 => u64::from(u16::from_be_bytes(read_array(stream)?)),
        127 => u64::from_be_bytes(read_array(stream)?),
        short => u64::from(short),
    };
    if length > LARGEST_FRAME {
        return broken(format!("a frame announced {length} bytes"));
    }
    let last = first & 0x80 != 0;
    if matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong) && (length > 125 || !last) {
        return broken(format!("a control frame had {length} bytes, or was fragmented"));
    }
    let mask: [u8; 4] = read_array(stream)?;
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload)?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok(Frame { last, opcode, payload })
}

/// The bytes of an unfragmented frame from the server, which never masks.
pub(super) fn server_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let opcode = match opcode {
        Opcode::Continuation => 0,
        Opcode::Text => 1,
        Opcode::Binary => 2,
        Opcode::Close => 8,
        Opcode::Ping => 9,
        Opcode::Pong => 10,
    };
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..126 => frame.push(short as u8),
        middle @ 126..65_536 => {
            frame.push(126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

fn read_array<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455, section 5.7.
    #[test]
    fn the_examples_of_the_standard() {
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let frame = read_frame(&mut masked.as_slice()).unwrap();
        assert_eq!(frame, Frame { last: true, opcode: Opcode::Text, payload: b"Hello".to_vec() });
        assert_eq!(
            server_frame(Opcode::Text, b"Hello"),
            [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
        );
        assert_eq!(server_frame(Opcode::Binary, &[0; 256])[..4], [0x82, 0x7e, 0x01, 0x00]);
        assert_eq!(
            server_frame(Opcode::Binary, &[0; 65_536])[..10],
            [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]
        );
    }

    #[test]
    fn broken_framing_is_told_from_an_end() {
        let broken =
            |bytes: &[u8]| matches!(read_frame(&mut { bytes }), Err(FrameError::Broken(_)));
        assert!(broken(&[0x81, 0x05, 0x48]), "not masked");
        assert!(broken(&[0xc1, 0x80, 0, 0, 0, 0]), "RSV1");
        assert!(broken(&[0x83, 0x80, 0, 0, 0, 0]), "opcode 3");
        assert!(broken(&[0x09, 0x80, 0, 0, 0, 0]), "fragmented ping");
        assert!(broken(&[0x89, 0xfe, 0, 126, 0, 0, 0, 0]), "long ping");
        assert!(matches!(read_frame(&mut [].as_slice()), Err(FrameError::Ended)));
        assert!(matches!(read_frame(&mut [0x81].as_slice()), Err(FrameError::Ended)));
    }
}
