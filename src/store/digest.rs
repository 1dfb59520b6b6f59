//! SHA-256 of an archive, as it is given, computed and written down.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};

use data_encoding::HEXLOWER;
use miniserde::de::{Deserialize, Visitor};
use miniserde::make_place;
use miniserde::ser::{Fragment, Serialize};
use sha2::Digest;

/// A SHA-256: 64 hexadecimal digits, held in lower case.
#[derive(Clone, PartialEq, Eq)]
pub struct Sha256(String);

impl Sha256 {
    /// Reads 64 hexadecimal digits of any case.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        valid.then(|| Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Sha256 {
    fn begin(&self) -> Fragment<'_> {
        Fragment::Str(Cow::Borrowed(&self.0))
    }
}

make_place!(Slot);

impl Visitor for Slot<Sha256> {
    fn string(&mut self, text: &str) -> miniserde::Result<()> {
        self.out = Some(Sha256::parse(text).ok_or(miniserde::Error)?);
        Ok(())
    }
}

impl Deserialize for Sha256 {
    fn begin(out: &mut Option<Self>) -> &mut dyn Visitor {
        Slot::new(out)
    }
}

/// Passes an archive on and computes its digest where that is asked for: on small processors it takes
/// as long as half of the decompression. Once the archive is read to its end, the digest is whole.
pub(super) struct Hashing<R> {
    inner: R,
    digest: Option<sha2::Sha256>,
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(inner: R, wanted: bool) -> Self {
        Self { inner, digest: wanted.then(sha2::Sha256::new) }
    }

    /// Of all that was read.
    pub(super) fn finish(self) -> Option<Sha256> {
        self.digest.map(|digest| Sha256(HEXLOWER.encode(&digest.finalize())))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if let Some(digest) = &mut self.digest {
            digest.update(buffer.get(..length).unwrap_or_default());
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_of_any_case() {
        let lower = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest = Sha256::parse(&lower.to_ascii_uppercase()).unwrap();
        assert_eq!(digest.to_string(), lower);
        for wrong in ["", &lower[1..], &format!("{lower}0"), &lower.replace('b', "g")] {
            assert_eq!(Sha256::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Sha256::parse(&"é".repeat(32)), None);
    }

    #[test]
    fn what_is_read_is_hashed() {
        // FIPS 180-2, appendix B.1.
        let mut hashing = Hashing::new(&b"abc"[..], true);
        io::copy(&mut hashing, &mut io::sink()).unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hashing.finish(), Sha256::parse(known));
    }

    #[test]
    fn written_down_and_read_again() {
        let digest = Sha256::parse(&"Aa".repeat(32)).unwrap();
        let text = miniserde::json::to_string(&digest);
        assert_eq!(text, format!("\"{}\"", "aa".repeat(32)));
        assert_eq!(miniserde::json::from_str::<Sha256>(&text).unwrap(), digest);
        assert!(miniserde::json::from_str::<Sha256>("\"aa\"").is_err());
    }
}
