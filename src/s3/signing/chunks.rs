//! Signatures of a body that is sent in chunks: each is chained to the one before it.

use super::signature::{SigningKey, hex_sha256};
use super::string_to_sign::{ALGORITHM, Scope};

/// Signs the chunks of one body, in order ("Signature calculations for the authorization header:
/// transferring a payload in multiple chunks", S3 API reference).
#[derive(Debug, Clone)]
pub struct ChunkSigner {
    key: SigningKey,
    scope: Scope,
    previous: String,
}

impl ChunkSigner {
    /// Begins with the seed: the signature of the request's headers.
    pub(super) fn new(key: SigningKey, scope: Scope, seed: String) -> Self {
        Self { key, scope, previous: seed }
    }

    /// The signature of the next chunk; the last one is empty.
    pub fn chunk(&mut self, data: &[u8]) -> &str {
        // The second of the two hashes is of the chunk's metadata, which S3 has none of.
        let hashes = format!("{}\n{}", hex_sha256(b""), hex_sha256(data));
        self.next("PAYLOAD", &hashes)
    }

    /// The signature of the trailer after the last chunk: lines `name:value`, each ended by a
    /// newline.
    pub fn trailer(&mut self, lines: &str) -> &str {
        self.next("TRAILER", &hex_sha256(lines.as_bytes()))
    }

    fn next(&mut self, part: &str, hashes: &str) -> &str {
        let string_to_sign = format!(
            "{ALGORITHM}-{part}\n{}\n{}\n{}\n{hashes}",
            self.scope.date_time(),
            self.scope,
            self.previous
        );
        self.previous = self.key.sign(&string_to_sign);
        &self.previous
    }
}
