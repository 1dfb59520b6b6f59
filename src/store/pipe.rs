//! From asynchronous code, which receives an archive, to blocking code, which extracts it.

use std::fmt;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use smol::channel::{Receiver, Sender, bounded};

/// Connects a sending side for asynchronous code with a reader for blocking code.
///
/// At most `capacity` pieces (at least one) wait in between: memory is bounded by that number times
/// the largest piece. A full pipe makes the sender wait, a slow sender makes the reader wait.
pub fn pipe(capacity: usize) -> (Feed, PipeReader) {
    let (sender, receiver) = bounded(capacity.max(1));
    let reader = PipeReader { receiver, current: Bytes::new(), ended: false };
    (Feed { sender }, reader)
}

/// The sending side.
///
/// Dropped without [`Feed::finish`], it makes the reader fail: a transfer that was given up never
/// looks like a complete one.
#[derive(Debug)]
pub struct Feed {
    sender: Sender<Piece>,
}

#[derive(Debug)]
enum Piece {
    Content(Bytes),
    End,
    Failure(String),
}

impl Feed {
    /// Hands on the next piece; waits while the pipe is full.
    pub async fn send(&self, content: Bytes) -> Result<(), Closed> {
        if content.is_empty() {
            return Ok(());
        }
        self.pass(Piece::Content(content)).await
    }

    /// All was sent: the reader comes to an end after it.
    pub async fn finish(self) -> Result<(), Closed> {
        self.pass(Piece::End).await
    }

    /// The source failed: after what was sent, the reader fails with these words.
    pub async fn fail(self, reason: String) -> Result<(), Closed> {
        self.pass(Piece::Failure(reason)).await
    }

    async fn pass(&self, piece: Piece) -> Result<(), Closed> {
        self.sender.send(piece).await.map_err(|_| Closed)
    }
}

/// The reader is gone: it failed or has all that it needs, and its own result says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing reads what is being transferred any more")
    }
}

impl std::error::Error for Closed {}

/// The reading side, for a thread that may block.
#[derive(Debug)]
pub struct PipeReader {
    receiver: Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.receiver.recv_blocking() {
                Ok(Piece::Content(content)) => self.current = content,
                Ok(Piece::End) => self.ended = true,
                Ok(Piece::Failure(reason)) => return Err(io::Error::other(reason)),
                Err(_) => return Err(io::Error::other("the transfer was given up")),
            }
        }
        let length = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::channel::TrySendError;
    use std::thread;

    #[test]
    fn everything_sent_is_read_in_order() {
        let (feed, mut reader) = pipe(2);
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        let mut sent = Vec::new();
        smol::block_on(async {
            for number in 0..1000_u32 {
                let piece = number.to_be_bytes().repeat(number as usize % 7);
                sent.extend_from_slice(&piece);
                feed.send(piece.into()).await.unwrap();
            }
            feed.finish().await.unwrap();
        });
        assert_eq!(reading.join().unwrap().unwrap(), sent);
    }

    #[test]
    fn a_full_pipe_takes_no_more_until_it_is_read() {
        let (feed, mut reader) = pipe(2);
        let piece = || Piece::Content(Bytes::from_static(b"12345678"));
        feed.sender.try_send(piece()).unwrap();
        feed.sender.try_send(piece()).unwrap();
        assert!(matches!(feed.sender.try_send(piece()), Err(TrySendError::Full(_))));
        let mut buffer = [0; 3];
        assert_eq!(reader.read(&mut buffer).unwrap(), 3);
        feed.sender.try_send(piece()).unwrap();
        assert!(matches!(feed.sender.try_send(piece()), Err(TrySendError::Full(_))));
    }

    #[test]
    fn the_reader_fails_with_the_sources_words_after_what_was_sent() {
        let (feed, mut reader) = pipe(4);
        smol::block_on(async {
            feed.send(Bytes::from_static(b"half")).await.unwrap();
            feed.fail("S3 closed the connection".to_owned()).await.unwrap();
        });
        let mut all = Vec::new();
        let error = reader.read_to_end(&mut all).unwrap_err();
        assert_eq!(all, b"half");
        assert_eq!(error.to_string(), "S3 closed the connection");
        // And it does not come to a good end when it is asked again.
        assert!(reader.read(&mut [0; 8]).is_err());
    }

    #[test]
    fn a_transfer_given_up_is_not_an_end() {
        let (feed, mut reader) = pipe(4);
        smol::block_on(feed.send(Bytes::from_static(b"half"))).unwrap();
        drop(feed);
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "the transfer was given up");
    }

    #[test]
    fn the_sender_learns_that_the_reader_is_gone() {
        let (feed, reader) = pipe(1);
        smol::block_on(async {
            feed.send(Bytes::from_static(b"1")).await.unwrap();
            drop(reader);
            assert_eq!(feed.send(Bytes::from_static(b"2")).await, Err(Closed));
            assert_eq!(feed.finish().await, Err(Closed));
        });
    }

    #[test]
    fn a_sender_that_waits_learns_it_too() {
        let (feed, reader) = pipe(1);
        let sending = thread::spawn(move || {
            smol::block_on(async {
                while feed.send(Bytes::from_static(b"again")).await.is_ok() {}
                feed.send(Bytes::from_static(b"again")).await
            })
        });
        drop(reader);
        assert_eq!(sending.join().unwrap(), Err(Closed));
    }
}
