//! Archives of all kinds, good and hostile, into a store in a temporary directory.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use super::*;

pub(super) struct Place {
    _directory: tempfile::TempDir,
    pub(super) store: Store,
}

impl Place {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("models")).unwrap();
        Self { _directory: directory, store }
    }

    pub(super) fn root(&self) -> &Path {
        self.store.root()
    }

    fn extract(&self, archive: &[u8]) -> Result<(Staging, Extracted), Error> {
        let mut staging = self.store.stage(&name("demo"), Origin::default()).unwrap();
        let extracted = staging.extract(archive)?;
        Ok((staging, extracted))
    }

    /// Installs and keeps what is in the archive, and says where it is.
    fn install(&self, archive: &[u8]) -> PathBuf {
        let (staging, _) = self.extract(archive).unwrap();
        staging.install().unwrap().keep().unwrap();
        self.store.model_path(&name("demo"))
    }

    /// Nothing is in the root but the store's own directory, and nothing unfinished is in that.
    pub(super) fn assert_clean(&self) {
        assert_eq!(names(self.root()), [".sapt"]);
        self.assert_nothing_unfinished();
    }

    pub(super) fn assert_nothing_unfinished(&self) {
        for directory in ["staging", "previous", "trash"] {
            let left = names(&self.root().join(".sapt").join(directory));
            assert!(left.is_empty(), "{directory}: {left:?}");
        }
    }

    pub(super) fn refusal(&self, archive: &[u8]) -> (String, Refusal) {
        match self.extract(archive) {
            Err(Error::Refused { entry, reason }) => {
                self.assert_clean();
                (entry, reason)
            }
            Err(other) => panic!("another error: {other}"),
            Ok(_) => panic!("extracted"),
        }
    }
}

pub(super) fn name(text: &str) -> ModelName {
    ModelName::parse(text).unwrap()
}

pub(super) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// One entry, its header written byte by byte: names as no well-behaved writer writes them.
pub(super) fn entry(kind: EntryType, name: &[u8], link: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub(super) fn file(name: &str, content: &[u8]) -> Vec<u8> {
    entry(EntryType::Regular, name.as_bytes(), b"", content)
}

pub(super) fn directory(name: &str) -> Vec<u8> {
    entry(EntryType::Directory, name.as_bytes(), b"", b"")
}

pub(super) fn link(name: &str, target: &str) -> Vec<u8> {
    entry(EntryType::Symlink, name.as_bytes(), target.as_bytes(), b"")
}

pub(super) fn hard_link(name: &str, target: &str) -> Vec<u8> {
    entry(EntryType::Link, name.as_bytes(), target.as_bytes(), b"")
}

/// A pax header for the next entry; each record is given as `key=value`.
pub(super) fn pax(kind: EntryType, records: &[&str]) -> Vec<u8> {
    let mut content = String::new();
    for record in records {
        // The length counts its own digits, a space and the newline.
        let length = (1..)
            .find(|length: &usize| length.to_string().len() + record.len() + 2 == *length)
            .unwrap();
        content.push_str(&format!("{length} {record}\n"));
    }
    entry(kind, b"pax", b"", content.as_bytes())
}

pub(super) fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.extend_from_slice(&[0; 1024]);
    bytes
}

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A small archive with one file, as the tar crate's own builder makes it.
pub(super) fn model(content: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    builder.append_data(&mut header, "model.onnx", content.as_bytes()).unwrap();
    gzip(&builder.into_inner().unwrap())
}

#[test]
fn files_directories_and_links_as_they_were_packed() {
    let place = Place::new();
    let mut special = entry(EntryType::Regular, b"setuid", b"", b"x");
    special[100..108].copy_from_slice(b"0006755\0");
    let mut header = Header::from_byte_slice(&special[..512]).clone();
    header.set_cksum();
    special[..512].copy_from_slice(header.as_bytes());
    let bytes = archive(&[
        directory("./"),
        file("./compiled.so", b"code"),
        directory("sub/"),
        file("sub/params", &[7; 70_000]),
        file("implied/parents/here", b""),
        link("latest", "sub/params"),
        link("sub/up", "../compiled.so"),
        hard_link("again", "./compiled.so"),
        special,
        // As the oldest archives mark a directory.
        entry(EntryType::Regular, b"old/", b"", b""),
        directory("sub/"),
    ]);
    for bytes in [gzip(&bytes), bytes] {
        let (staging, extracted) = place.extract(&bytes).unwrap();
        assert_eq!(extracted, Extracted { files: 4, bytes: 4 + 70_000 + 1 });
        staging.install().unwrap().keep().unwrap();
        let model = place.store.model_path(&name("demo"));
        assert_eq!(
            names(&model),
            ["again", "compiled.so", "implied", "latest", "old", "setuid", "sub"]
        );
        assert_eq!(fs::read(model.join("sub/params")).unwrap(), [7; 70_000]);
        assert_eq!(fs::read(model.join("latest")).unwrap(), [7; 70_000]);
        assert_eq!(fs::read(model.join("sub/up")).unwrap(), b"code");
        let mode = |path: &str| fs::metadata(model.join(path)).unwrap().permissions().mode();
        assert_eq!(mode("") & 0o7777, 0o755);
        assert_eq!(mode("implied/parents") & 0o7777, 0o755);
        assert_eq!(mode("compiled.so") & 0o7777, 0o644);
        assert_eq!(mode("setuid") & 0o7777, 0o755);
        let inode = |path: &str| fs::metadata(model.join(path)).unwrap().ino();
        assert_eq!(inode("again"), inode("compiled.so"));
        place.assert_nothing_unfinished();
    }
}

#[test]
fn a_single_directory_at_the_top_stays() {
    let place = Place::new();
    let model = place.install(&gzip(&archive(&[directory("m/"), file("m/x", b"1")])));
    assert_eq!(names(&model), ["m"]);
}

#[test]
fn the_top_as_python_names_it() {
    let place = Place::new();
    let model = place.install(&gzip(&archive(&[directory("/"), file("x", b"1")])));
    assert_eq!(names(&model), ["x"]);
}

#[test]
fn long_and_strange_names() {
    let place = Place::new();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o644);
    // The GNU way, and for the link both of them.
    builder.append_data(&mut header, &long, &b"gnu"[..]).unwrap();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "by-gnu", &long).unwrap();
    let mut bytes = builder.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024);
    let long_by_pax = "p".repeat(250);
    bytes.extend(archive(&[
        pax(EntryType::XGlobalHeader, &["comment=0123456789abcdef"]),
        pax(EntryType::XHeader, &[&format!("path={long_by_pax}"), "mtime=1.5", "size=3"]),
        file("short", b"pax"),
        pax(EntryType::XHeader, &[&format!("linkpath={long}")]),
        link("by-pax", "short"),
        entry(EntryType::Regular, b"\xff\xfe \n\\", b"", b"raw"),
    ]));
    let model = place.install(&gzip(&bytes));
    assert_eq!(fs::read(model.join(&long)).unwrap(), b"gnu");
    assert_eq!(fs::read(model.join("by-gnu")).unwrap(), b"gnu");
    assert_eq!(fs::read(model.join("by-pax")).unwrap(), b"gnu");
    assert_eq!(fs::read(model.join(long_by_pax)).unwrap(), b"pax");
    let raw = std::ffi::OsStr::from_bytes(b"\xff\xfe \n\\");
    assert_eq!(fs::read(model.join(raw)).unwrap(), b"raw");
}

#[test]
fn limits_hold_before_anything_is_written_above_them() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 1000, entries: 5, depth: 3 };
    let store = Store::open(directory.path().to_owned()).unwrap().with_limits(limits);
    let extract = |entries: &[Vec<u8>]| {
        let mut staging = store.stage(&name("demo"), Origin::default()).unwrap();
        staging.extract(&gzip(&archive(entries))[..])
    };
    let half = || vec![0; 500];
    assert!(extract(&[file("a", &half()), file("b", &half())]).is_ok());
    let too_many = extract(&[file("a", &half()), file("b", &half()), file("c", b"1")]);
    assert!(matches!(too_many, Err(Error::TooManyBytes { limit: 1000 })));
    // The size that is claimed is enough.
    let claim = pax(EntryType::XHeader, &["size=1099511627776"]);
    let claimed = extract(&[file("a", b"1"), claim, file("b", b"")]);
    assert!(matches!(claimed, Err(Error::TooManyBytes { .. })));
    // What nothing is made of counts, during the archive and after its end.
    let padded = entry(EntryType::Directory, b"d/", b"", &vec![0; 600_000]);
    assert!(matches!(extract(&[padded]), Err(Error::TooManyBytes { .. })));
    let padding = vec![0; 600_000];
    assert!(matches!(extract(&[file("a", b""), padding]), Err(Error::TooManyBytes { .. })));
    assert!(extract(&[file("a/b/c", b""), file("d", b""), link("e", "d")]).is_ok());
    assert!(matches!(
        extract(&[file("a/b/c", b""), file("d/e/f", b"")]),
        Err(Error::TooManyEntries { limit: 5 })
    ));
    assert!(matches!(
        extract(&[file("a/b/c/d", b"")]),
        Err(Error::Refused { reason: Refusal::TooDeep { limit: 3 }, .. })
    ));
}

#[test]
fn what_describes_an_entry_cannot_fill_the_memory() {
    let place = Place::new();
    // A name of 1 GiB, of which nothing but zeros has to be sent.
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_path("././@LongLink").unwrap();
    header.set_size(1 << 30);
    header.set_cksum();
    let start = header.as_bytes().to_vec();
    let mut staging = place.store.stage(&name("demo"), Origin::default()).unwrap();
    let mut read = 0;
    let endless = std::io::repeat(b'a').take(1 << 30);
    let mut source = start.chain(endless);
    let counted = Counted { inner: &mut source, read: &mut read };
    let error = staging.extract(counted).unwrap_err();
    assert!(error.to_string().contains("description"), "{error}");
    assert!(read < 4 << 20, "{read}");
}

struct Counted<'a> {
    inner: &'a mut dyn Read,
    read: &'a mut u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        *self.read += length as u64;
        Ok(length)
    }
}

trait ChainBytes {
    fn chain<R: Read>(self, next: R) -> std::io::Chain<std::io::Cursor<Vec<u8>>, R>;
}

impl ChainBytes for Vec<u8> {
    fn chain<R: Read>(self, next: R) -> std::io::Chain<std::io::Cursor<Vec<u8>>, R> {
        Read::chain(std::io::Cursor::new(self), next)
    }
}

#[test]
fn an_archive_without_files_is_an_error() {
    let place = Place::new();
    for entries in [vec![], vec![directory("./")], vec![link("a", "b")]] {
        for bytes in [archive(&entries), gzip(&archive(&entries))] {
            assert!(matches!(place.extract(&bytes), Err(Error::Empty)));
        }
    }
    assert!(matches!(place.extract(b""), Err(Error::UnknownFormat { .. })));
    assert!(matches!(place.extract(&gzip(b"")), Err(Error::Empty)));
    let error = place.extract(&gzip(b"not a tar")).unwrap_err();
    assert!(matches!(error, Error::CutOff), "{error}");
    let error = place.extract(&gzip(&[b'x'; 2000])).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    place.assert_clean();
}

/// An archive with every feature, small enough for a try with every length.
fn varied() -> Vec<u8> {
    archive(&[
        directory("d/"),
        pax(EntryType::XHeader, &["path=d/long"]),
        file("x", b"content"),
        link("l", "d"),
        file("last", b"more"),
    ])
}

#[test]
fn no_cut_archive_is_taken_for_a_whole_one() {
    let place = Place::new();
    let plain = varied();
    let packed = gzip(&plain);
    for length in 0..packed.len() {
        assert!(place.extract(&packed[..length]).is_err(), "{length}");
    }
    // In a plain one the last two blocks are zeros. One of them is enough.
    for length in 0..plain.len() - 512 {
        if length % 512 < 3 || length % 512 > 509 {
            assert!(place.extract(&plain[..length]).is_err(), "{length}");
        }
    }
    place.assert_clean();
    assert!(place.extract(&plain[..plain.len() - 512]).is_ok());
    // Behind a checksum, an archive may lack its end; but not the end of an entry.
    assert!(place.extract(&gzip(&plain[..plain.len() - 1024])).is_ok());
    for length in [1, 511, 513, 1024, 1025, 1536, plain.len() - 1025] {
        let error = place.extract(&gzip(&plain[..length])).unwrap_err();
        assert!(matches!(error, Error::CutOff), "{length}: {error}");
    }
    place.assert_clean();
}

#[test]
fn no_changed_byte_makes_it_panic_or_write_elsewhere() {
    let place = Place::new();
    let plain = varied();
    // Of the zeros, which are most of it, a few.
    for index in (0..plain.len()).filter(|index| plain[*index] != 0 || index % 16 == 0) {
        let mut changed = plain.clone();
        changed[index] ^= 0x41;
        // Changed padding or content is nobody's business but the checksum's.
        let _ = place.extract(&changed);
    }
    let packed = gzip(&plain);
    for index in 0..packed.len() {
        let mut changed = packed.clone();
        changed[index] ^= 0x41;
        let _ = place.extract(&changed);
    }
    place.assert_clean();
    assert_eq!(names(place.root().parent().unwrap()), ["models"]);
}

#[test]
fn the_sources_own_words_are_the_error() {
    let place = Place::new();
    let archive = model(&"x".repeat(300_000));
    for sent in [0, 1, 100, archive.len()] {
        let (feed, reader) = pipe(4);
        let content = archive[..sent].to_vec();
        let sending = std::thread::spawn(move || {
            smol::block_on(async {
                for piece in content.chunks(97) {
                    feed.send(bytes::Bytes::copy_from_slice(piece)).await.unwrap();
                }
                feed.fail("S3 answered 503 SlowDown".to_owned()).await
            })
        });
        let mut staging = place.store.stage(&name("demo"), Origin::default()).unwrap();
        let error = staging.extract(reader).unwrap_err();
        assert!(matches!(error, Error::Source(_)));
        assert_eq!(error.to_string(), "reading the archive failed: S3 answered 503 SlowDown");
        sending.join().unwrap().unwrap();
    }
    place.assert_clean();
}

#[test]
fn a_refused_archive_stops_its_sender() {
    let place = Place::new();
    let mut bytes = file("../x", b"");
    bytes.resize(1 << 20, 0);
    let (feed, reader) = pipe(2);
    let sending = std::thread::spawn(move || {
        smol::block_on(async {
            for piece in bytes.chunks(1024) {
                feed.send(bytes::Bytes::copy_from_slice(piece)).await?;
            }
            feed.finish().await
        })
    });
    let mut staging = place.store.stage(&name("demo"), Origin::default()).unwrap();
    assert!(matches!(staging.extract(reader), Err(Error::Refused { .. })));
    assert_eq!(sending.join().unwrap(), Err(Closed));
}

#[test]
fn a_second_try_starts_over() {
    let place = Place::new();
    let mut staging = place.store.stage(&name("demo"), Origin::default()).unwrap();
    let cut = archive(&[file("a", b"1"), file("../b", b"")]);
    assert!(staging.extract(&cut[..]).is_err());
    staging.extract(&archive(&[file("c", b"1")])[..]).unwrap();
    staging.install().unwrap().keep().unwrap();
    assert_eq!(names(&place.store.model_path(&name("demo"))), ["c"]);
}
