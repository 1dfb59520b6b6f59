//! `aws-chunked` content encoding: a body in chunks that are signed one by one.
//!
//! S3 API reference, "Signature calculations for the authorization header: transferring a payload in
//! multiple chunks". Each chunk is `SIZE;chunk-signature=SIGNATURE\r\n`, the data, `\r\n`; an empty
//! one ends the body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use smol::stream::Stream;

use super::source::{Source, SourceFailed};
use crate::s3::signing::ChunkSigner;

/// The data of each chunk but the last two. S3 wants 8 KiB or more.
const CHUNK: u64 = 64 * 1024;

const SIGNATURE_LABEL: &str = ";chunk-signature=";
const SIGNATURE_LENGTH: u64 = 64;

/// The chunks of a source's content, each with its signature.
pub(super) struct AwsChunked {
    source: Source,
    signer: ChunkSigner,
    /// How much of the content is not in a chunk yet.
    remaining: u64,
    /// What the source gave last and the chunk had no room for.
    part: Bytes,
    /// The data of the chunk that is being filled.
    data: Vec<u8>,
    ended: bool,
}

impl AwsChunked {
    /// Chunks of `source`, which gives `length` bytes.
    pub(super) fn new(source: Source, length: u64, signer: ChunkSigner) -> Self {
        Self {
            source,
            signer,
            remaining: length,
            part: Bytes::new(),
            data: Vec::new(),
            ended: false,
        }
    }

    fn seal(&mut self) -> Bytes {
        let header =
            format!("{:x}{SIGNATURE_LABEL}{}\r\n", self.data.len(), self.signer.chunk(&self.data));
        let mut chunk = Vec::with_capacity(header.len() + self.data.len() + 2);
        chunk.extend_from_slice(header.as_bytes());
        chunk.append(&mut self.data);
        chunk.extend_from_slice(b"\r\n");
        Bytes::from(chunk)
    }
}

impl Stream for AwsChunked {
    type Item = Result<Bytes, SourceFailed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let size = self.remaining.min(CHUNK) as usize;
        loop {
            let room = size - self.data.len();
            if room == 0 && size > 0 {
                self.remaining -= size as u64;
                return Poll::Ready(Some(Ok(self.seal())));
            }
            if !self.part.is_empty() {
                let taken = room.min(self.part.len());
                let part = self.part.split_to(taken);
                self.data.extend_from_slice(part.chunk());
                continue;
            }
            match ready!(Pin::new(&mut self.source).poll_next(cx)) {
                Some(Ok(part)) => self.part = part,
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                // The source gives all that was announced or fails: nothing is left to send.
                None => {
                    self.ended = true;
                    return Poll::Ready(Some(Ok(self.seal())));
                }
            }
        }
    }
}

/// How long `length` bytes are in chunks: the `content-length` of the request.
pub(in crate::s3) fn encoded_length(length: u64) -> u64 {
    let chunk = |size: u64| {
        let digits = u64::from(size.checked_ilog(16).unwrap_or(0)) + 1;
        digits + SIGNATURE_LABEL.len() as u64 + SIGNATURE_LENGTH + 2 + size + 2
    };
    let last = match length % CHUNK {
        0 => 0,
        rest => chunk(rest),
    };
    length / CHUNK * chunk(CHUNK) + last + chunk(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use crate::s3::credentials::Credentials;
    use crate::s3::signing::{Scope, Signer};
    use crate::s3::upload::SourceFailure;
    use crate::secret::Secret;
    use smol::stream::{self, StreamExt};
    use std::time::{Duration, UNIX_EPOCH};

    /// The body of `content` that comes in parts of `part` bytes, and the error it ended with.
    fn body(content: &[u8], announced: usize, part: usize) -> (Vec<u8>, bool) {
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            session_token: None,
        };
        let moment = Moment::from(UNIX_EPOCH + Duration::from_secs(1_369_353_600));
        let signer = Signer::new(&credentials, Scope::new(moment, "us-east-1", "s3"));
        // The seed of the example in the API reference.
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let parts: Vec<_> =
            content.chunks(part).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
        let source =
            Source::new(Box::pin(stream::iter(parts)), announced as u64, SourceFailure::default());
        let chunked = AwsChunked::new(source, announced as u64, signer.chunks(seed.into()));
        let (mut bytes, mut failed) = (Vec::new(), false);
        for part in smol::block_on(chunked.collect::<Vec<_>>()) {
            match part {
                Ok(part) => bytes.extend_from_slice(&part),
                Err(SourceFailed) => failed = true,
            }
        }
        (bytes, failed)
    }

    #[test]
    fn the_example_of_the_reference() {
        let content = vec![b'a'; 66_560];
        let mut expected = b"10000;chunk-signature=\
            ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
            .to_vec();
        expected.extend_from_slice(&content[..65_536]);
        expected.extend_from_slice(
            b"\r\n400;chunk-signature=\
              0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n",
        );
        expected.extend_from_slice(&content[..1_024]);
        expected.extend_from_slice(
            b"\r\n0;chunk-signature=\
              b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
        );
        assert_eq!(encoded_length(66_560), 66_824);
        for part in [1_000, 65_536, 66_560, 7] {
            assert_eq!(body(&content, content.len(), part), (expected.clone(), false));
        }
    }

    #[test]
    fn the_length_is_known_before() {
        for length in [0, 1, 15, 16, 65_535, 65_536, 65_537, 131_072, 200_000] {
            let (bytes, failed) = body(&vec![7; length], length, 10_000);
            assert!(!failed);
            assert_eq!(bytes.len() as u64, encoded_length(length as u64), "{length}");
        }
    }

    #[test]
    fn a_source_of_the_wrong_length_never_gets_its_end() {
        for (has, announced) in [(10, 20), (20, 10), (1, 0), (131_073, 131_072)] {
            let (bytes, failed) = body(&vec![7; has], announced, 1_000);
            assert!(failed, "{has} {announced}");
            assert!((bytes.len() as u64) < encoded_length(announced as u64));
        }
    }
}
