//! What kind of file an archive is, recognised by content, and its bytes uncompressed.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::GzDecoder;

use super::Error;

/// Length of a block of a tar archive, in bytes (POSIX pax, "ustar Interchange Format").
pub(super) const BLOCK: usize = 512;

const BUFFER: usize = 64 * 1024;

/// The archive as it comes. Its first failure is kept, so that it can be told apart from a failure
/// of what reads it.
pub(super) struct Source<'a> {
    pub(super) inner: &'a mut dyn Read,
    pub(super) failure: &'a RefCell<Option<io::Error>>,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure.borrow_mut().get_or_insert(error);
                    return Err(io::Error::other("the source failed"));
                }
                result => return result,
            }
        }
    }
}

type Input<'a> = BufReader<Chain<Cursor<Vec<u8>>, Source<'a>>>;

/// The uncompressed archive.
pub(super) enum Uncompressed<'a> {
    Plain(Input<'a>),
    Gzip(Members<'a>),
}

impl<'a> Uncompressed<'a> {
    /// Recognises what kind of archive this is.
    pub(super) fn recognise(mut source: Source<'a>) -> Result<Self, Error> {
        let mut start = Vec::with_capacity(BLOCK);
        // The only failure is the source's, which keeps it.
        (&mut source).take(BLOCK as u64).read_to_end(&mut start).map_err(Error::Source)?;
        let kind = kind(&start);
        let input = BufReader::with_capacity(BUFFER, Cursor::new(start).chain(source));
        match kind {
            Kind::Tar => Ok(Self::Plain(input)),
            Kind::Gzip => Ok(Self::Gzip(Members::new(input))),
            Kind::Other(found) => Err(Error::UnknownFormat { found }),
        }
    }

    /// Whether the end of the bytes proves that they are all there.
    pub(super) fn proves_completeness(&self) -> bool {
        matches!(self, Self::Gzip(_))
    }
}

impl Read for Uncompressed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(buffer),
            Self::Gzip(members) => members.read(buffer),
        }
    }
}

/// The members of a gzip file, one after the other (RFC 1952, section 2.2).
///
/// After the last one, zeros are ignored, as blocks of a tape have them. Anything else there is an
/// error, as it is for `tar xzpf`: it is what remains of a longer archive that this was written over.
pub(super) struct Members<'a> {
    state: MemberState<'a>,
}

enum MemberState<'a> {
    Inside(Box<GzDecoder<Input<'a>>>),
    Ended,
    Failed,
}

impl<'a> Members<'a> {
    fn new(input: Input<'a>) -> Self {
        Self { state: MemberState::Inside(Box::new(GzDecoder::new(input))) }
    }
}

impl Read for Members<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Until the step is done: after a failure, no later call may take it for an end.
            let state = std::mem::replace(&mut self.state, MemberState::Failed);
            self.state = match state {
                MemberState::Inside(mut member) => {
                    let length = member.read(buffer)?;
                    if length > 0 || buffer.is_empty() {
                        self.state = MemberState::Inside(member);
                        return Ok(length);
                    }
                    after_member(member.into_inner())?
                }
                MemberState::Ended => {
                    self.state = MemberState::Ended;
                    return Ok(0);
                }
                MemberState::Failed => {
                    return Err(io::Error::other("reading went on after a failure"));
                }
            };
        }
    }
}

fn after_member(mut input: Input<'_>) -> io::Result<MemberState<'_>> {
    loop {
        let rest = input.fill_buf()?;
        let length = rest.len();
        match rest.first() {
            None => return Ok(MemberState::Ended),
            Some(0x1f) => return Ok(MemberState::Inside(Box::new(GzDecoder::new(input)))),
            Some(_) if rest.iter().all(|byte| *byte == 0) => input.consume(length),
            Some(_) => return Err(io::Error::other("garbage after the end of the gzip data")),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Tar,
    Gzip,
    Other(String),
}

fn kind(start: &[u8]) -> Kind {
    // zstd is told apart and not unpacked: a decoder alone (ruzstd 0.9.1) makes the program 85,504
    // bytes larger, 3 % of it, for archives that SageMaker does not make.
    let known: [(&[u8], &str); 6] = [
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x28\xb5\x2f\xfd", "zstd compressed data"),
        (b"\xfd7zXZ\0", "xz compressed data"),
        (b"BZh", "bzip2 compressed data"),
        (b"<?xml", "an XML document"),
        (b"<!DOCTYPE", "an HTML document"),
    ];
    if start.starts_with(b"\x1f\x8b") {
        return Kind::Gzip;
    }
    // Before other kinds: a tar archive starts with a file's name, which can look like anything.
    if is_tar(start) {
        return Kind::Tar;
    }
    for (magic, name) in known {
        if start.starts_with(magic) {
            return Kind::Other(name.to_owned());
        }
    }
    if start.is_empty() {
        return Kind::Other("empty".to_owned());
    }
    let shown: Vec<u8> = start.iter().copied().take(16).collect();
    Kind::Other(format!("something that starts with \"{}\"", shown.escape_ascii()))
}

/// Whether this is the first block of a tar archive: a header with the right checksum, or the zeros
/// that end an archive.
fn is_tar(start: &[u8]) -> bool {
    let Ok(block) = <[u8; BLOCK]>::try_from(start) else {
        return false;
    };
    if block.iter().all(|byte| *byte == 0) {
        return true;
    }
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(&block);
    let Ok(written) = header.cksum() else {
        return false;
    };
    header.set_cksum();
    header.cksum().is_ok_and(|computed| computed == written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// One byte with each read: no boundary may matter.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    fn uncompress(archive: &[u8]) -> Result<Vec<u8>, String> {
        let failure = RefCell::new(None);
        let source = Source { inner: &mut Slowly(archive), failure: &failure };
        let mut uncompressed = Uncompressed::recognise(source).map_err(|e| e.to_string())?;
        let mut all = Vec::new();
        match uncompressed.read_to_end(&mut all) {
            Ok(_) => Ok(all),
            Err(error) => {
                let again = uncompressed.read(&mut [0; 8]);
                assert!(again.is_err(), "an end after a failure");
                Err(error.to_string())
            }
        }
    }

    #[test]
    fn members_follow_each_other() {
        let archive = [gzip(b"one "), gzip(b""), gzip(b"three")].concat();
        assert_eq!(uncompress(&archive).unwrap(), b"one three");
    }

    #[test]
    fn zeros_after_the_last_member_are_ignored_and_garbage_is_not() {
        let archive = gzip(b"content");
        let padded = [&archive[..], &[0; 3000]].concat();
        assert_eq!(uncompress(&padded).unwrap(), b"content");
        for garbage in [&b"x"[..], b"\0\0x", b"\x1f\x8b", b"\x1f", b"\x1fx"] {
            let archive = [&archive[..], garbage].concat();
            assert!(uncompress(&archive).is_err(), "{garbage:?}");
        }
    }

    #[test]
    fn every_cut_and_every_changed_checksum_is_an_error() {
        let archive = [gzip(b"first member"), gzip(b"second member")].concat();
        let first = gzip(b"first member").len();
        for length in 1..archive.len() {
            if length != first {
                assert!(uncompress(&archive[..length]).is_err(), "{length}");
            }
        }
        for index in archive.len() - 8..archive.len() {
            let mut changed = archive.clone();
            changed[index] ^= 1;
            assert!(uncompress(&changed).is_err(), "{index}");
        }
    }

    #[test]
    fn other_kinds_are_named() {
        for (start, want) in [
            (&b""[..], "empty"),
            (b"PK\x03\x04rest", "a ZIP archive"),
            (b"\x28\xb5\x2f\xfdrest", "zstd compressed data"),
            (b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey", "an XML document"),
            (b"hi\n\xff", "something that starts with \"hi\\n\\xff\""),
        ] {
            assert_eq!(kind(start), Kind::Other(want.to_owned()));
        }
        assert_eq!(kind(&[0; BLOCK]), Kind::Tar);
        assert_eq!(kind(&[b'a'; BLOCK]), kind(&[b'a'; 16]));
    }

    #[test]
    fn a_failing_source_is_kept_apart() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("connection reset"))
            }
        }
        let failure = RefCell::new(None);
        let archive = gzip(&[7; 4000]);
        let mut inner = archive[..20].chain(Failing);
        let source = Source { inner: &mut inner, failure: &failure };
        assert!(matches!(Uncompressed::recognise(source), Err(Error::Source(_))));
        assert_eq!(failure.take().unwrap().to_string(), "connection reset");
    }
}
