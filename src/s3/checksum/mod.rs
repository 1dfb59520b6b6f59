//! What S3 says that an object's content is, and whether it came so.

mod crc;
mod etags;

pub(super) use self::etags::Etags;

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use hyper::header::{ETAG, HeaderMap};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

use self::crc::{CRC32C, CRC64_NVME, Crc};
use super::error::Cause;

/// An object's content on its way, compared at its end with what S3 announced.
pub(super) struct Verification {
    algorithm: &'static str,
    expected: Vec<u8>,
    state: State,
}

enum State {
    Crc32(crc32fast::Hasher),
    /// With the check's length in bytes.
    Crc(Crc, usize),
    Sha1(Sha1),
    Sha256(Sha256),
    Md5(Md5),
}

/// A checksum's name in S3's headers, and how it begins.
type Algorithm = (&'static str, fn() -> State);

impl Verification {
    /// What the head of an answer promises about the whole object, by the checksum that is cheapest
    /// to compute; None where it promises nothing.
    pub(super) fn promised(headers: &HeaderMap, etags: &Etags) -> Option<Self> {
        // A checksum of the parts' checksums would need to know where the parts were.
        let composite = headers
            .get("x-amz-checksum-type")
            .is_some_and(|kind| !kind.as_bytes().eq_ignore_ascii_case(b"FULL_OBJECT"));
        let algorithms: [Algorithm; 5] = [
            ("crc32", || State::Crc32(crc32fast::Hasher::new())),
            ("crc64nvme", || State::Crc(Crc::new(&CRC64_NVME), 8)),
            ("crc32c", || State::Crc(Crc::new(&CRC32C), 4)),
            ("sha256", || State::Sha256(Sha256::new())),
            ("sha1", || State::Sha1(Sha1::new())),
        ];
        for (algorithm, begin) in algorithms {
            // Where it is one of parts, `-` and their number follow: that is no base64.
            if let Some(value) = headers.get(format!("x-amz-checksum-{algorithm}"))
                && let Ok(expected) = BASE64.decode(value.as_bytes())
                && !composite
            {
                return Some(Self { algorithm, expected, state: begin() });
            }
        }
        let expected = content_md5(headers).filter(|_| etags.may_be_digests())?;
        Some(Self { algorithm: "md5", expected, state: State::Md5(Md5::new()) })
    }

    /// Takes the next part of the content.
    pub(super) fn update(&mut self, data: &[u8]) {
        match &mut self.state {
            State::Crc32(crc) => crc.update(data),
            State::Crc(crc, _) => crc.update(data),
            State::Sha1(hash) => hash.update(data),
            State::Sha256(hash) => hash.update(data),
            State::Md5(hash) => hash.update(data),
        }
    }

    /// Compares, now that all of the content was taken.
    pub(super) fn finish(self, etags: &Etags) -> Result<(), Cause> {
        let is_etag = matches!(self.state, State::Md5(_));
        let computed = match self.state {
            State::Crc32(crc) => crc.finalize().to_be_bytes().to_vec(),
            State::Crc(crc, length) => crc.finish().to_be_bytes()[8 - length..].to_vec(),
            State::Sha1(hash) => hash.finalize().to_vec(),
            State::Sha256(hash) => hash.finalize().to_vec(),
            State::Md5(hash) => hash.finalize().to_vec(),
        };
        if computed == self.expected || (is_etag && etags.are_refuted_by(&self.expected, &computed))
        {
            return Ok(());
        }
        Err(Cause::Checksum {
            algorithm: self.algorithm,
            expected: HEXLOWER.encode(&self.expected),
            computed: HEXLOWER.encode(&computed),
        })
    }
}

/// The content's MD5, where the ETag is that: not for what was uploaded in parts, nor for what is
/// encrypted with a key of KMS or of the customer (S3 API reference, "Object", `ETag`).
fn content_md5(headers: &HeaderMap) -> Option<Vec<u8>> {
    let encryption = headers.get("x-amz-server-side-encryption");
    if encryption.is_some_and(|kind| kind.as_bytes().starts_with(b"aws:kms"))
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm")
    {
        return None;
    }
    md5_of_etag(headers.get(ETAG)?.to_str().ok()?)
}

/// The MD5 that an ETag holds, where it has the form of one.
pub(super) fn md5_of_etag(etag: &str) -> Option<Vec<u8>> {
    let hex = etag.strip_prefix('"')?.strip_suffix('"')?;
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok().filter(|md5| md5.len() == 16)
}

/// The ETag of an object that was uploaded in parts with these ETags: the MD5 of their MD5s, and
/// their number. None where they are not MD5s.
pub(super) fn etag_of_parts(parts: &[String]) -> Option<String> {
    let mut hash = Md5::new();
    for etag in parts {
        hash.update(md5_of_etag(etag)?);
    }
    Some(format!("\"{}-{}\"", HEXLOWER.encode(&hash.finalize()), parts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "\"25f9e794323b453885f5181f1b624d0b\"";

    fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn outcome(given: &[(&'static str, &str)], content: &[u8]) -> Option<Result<(), Cause>> {
        let etags = Etags::default();
        let mut verification = Verification::promised(&headers(given), &etags)?;
        content.chunks(4).for_each(|part| verification.update(part));
        Some(verification.finish(&etags))
    }

    #[test]
    fn each_algorithm() {
        // Of "123456789"; computed with Python's zlib and hashlib, the others as in the catalogue.
        for (name, value) in [
            ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ("x-amz-checksum-crc32c", "4waSgw=="),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
            ("etag", MD5),
        ] {
            assert!(matches!(outcome(&[(name, value)], b"123456789"), Some(Ok(()))), "{name}");
            let Some(Err(Cause::Checksum { algorithm, expected, computed })) =
                outcome(&[(name, value)], b"123456788")
            else {
                panic!("{name}")
            };
            assert!(name == "etag" || name.ends_with(algorithm), "{algorithm}");
            assert_ne!(expected, computed);
        }
    }

    #[test]
    fn the_cheapest_is_taken() {
        let all = [
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
            ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("etag", MD5),
        ];
        assert_eq!(
            Verification::promised(&headers(&all), &Etags::default()).unwrap().algorithm,
            "crc32"
        );
    }

    #[test]
    fn what_is_no_promise_about_the_content() {
        for given in [
            &[][..],
            &[("x-amz-checksum-crc32", "y/Q5Jg==-3")],
            &[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-type", "COMPOSITE")],
            &[("etag", "\"25f9e794323b453885f5181f1b624d0b-2\"")],
            &[("etag", "W/\"25f9e794323b453885f5181f1b624d0b\"")],
            &[("etag", "\"abc\"")],
            &[("etag", MD5), ("x-amz-server-side-encryption", "aws:kms")],
            &[("etag", MD5), ("x-amz-server-side-encryption", "aws:kms:dsse")],
            &[("etag", MD5), ("x-amz-server-side-encryption-customer-algorithm", "AES256")],
        ] {
            assert!(outcome(given, b"").is_none(), "{given:?}");
        }
        let encrypted = [("etag", MD5), ("x-amz-server-side-encryption", "AES256")];
        assert!(matches!(outcome(&encrypted, b"123456789"), Some(Ok(()))));
    }

    #[test]
    fn an_etag_that_is_something_else() {
        let (etags, headers) = (Etags::default(), headers(&[("etag", MD5)]));
        let read = |content: &[u8]| {
            let mut verification = Verification::promised(&headers, &etags)?;
            verification.update(content);
            Some(verification.finish(&etags).is_ok())
        };
        // Corrupted in two ways, then twice the same.
        assert_eq!(read(b"one"), Some(false));
        assert_eq!(read(b"two"), Some(false));
        assert_eq!(read(b"123456789"), Some(true));
        assert_eq!(read(b"two"), Some(true));
        // No ETag is compared any more.
        assert_eq!(read(b"three"), None);
    }

    #[test]
    fn the_etag_of_parts() {
        // Computed with Python's hashlib.
        let parts = [MD5.to_owned(), MD5.to_uppercase()];
        let etag = etag_of_parts(&parts).unwrap();
        assert_eq!(etag, "\"4f2908c19b573e50b194e208c928de17-2\"");
        assert_eq!(etag_of_parts(&[MD5.to_owned(), "\"abc\"".to_owned()]), None);
    }
}
