//! The signing key and what is computed with it.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

use super::string_to_sign::Scope;

/// The key of one scope, derived from the secret access key ("Task 3" of SigV4).
///
/// It is as secret as what it is made from, for a day: Debug does not show it.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// Derives the key for `scope`.
    pub fn derive(secret_access_key: &Secret, scope: &Scope) -> Self {
        let initial = format!("AWS4{}", secret_access_key.reveal());
        let date = hmac_sha256(initial.as_bytes(), scope.date().as_bytes());
        let region = hmac_sha256(&date, scope.region().as_bytes());
        let service = hmac_sha256(&region, scope.service().as_bytes());
        Self(hmac_sha256(&service, b"aws4_request"))
    }

    /// The signature of a string to sign: 64 lower-case hex digits.
    pub fn sign(&self, string_to_sign: &str) -> String {
        HEXLOWER.encode(&hmac_sha256(&self.0, string_to_sign.as_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey([redacted])")
    }
}

/// The SHA-256 of `bytes` in lower-case hex.
pub fn hex_sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    // RFC 2104 section 2: a key longer than a block is hashed first, a shorter one is padded with
    // zeros. Done here, the constructor takes a whole block and cannot fail.
    let mut block = [0_u8; 64];
    let hashed;
    let key = if key.len() > block.len() {
        hashed = Sha256::digest(key);
        hashed.as_slice()
    } else {
        key
    };
    block.iter_mut().zip(key).for_each(|(place, byte)| *place = *byte);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_of_rfc_4231() {
        // Test cases 2 and 6: a short key, and one longer than a block.
        assert_eq!(
            HEXLOWER.encode(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            HEXLOWER.encode(&hmac_sha256(
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            )),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn debug_hides_the_key() {
        assert_eq!(format!("{:?}", SigningKey([7; 32])), "SigningKey([redacted])");
    }
}
