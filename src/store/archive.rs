//! Extraction of an archive: entry by entry as it arrives, nothing of it held in memory.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use tar::{Entry, EntryType};

use super::compression::{BLOCK, Source, Uncompressed};
use super::disk;
use super::entry::{EntryPath, Refusal};
use super::error::Error;
use super::tree::{NewFile, Tree};

/// Bytes that may describe one entry: headers, long names, extended attributes. Two long names and
/// Linux's largest set of extended attributes fit several times.
const DESCRIPTION: u64 = 1024 * 1024;

const BUFFER: usize = 64 * 1024;

/// As many bytes as the smallest reserve has: it is never used up between two looks.
const CHECK_ROOM_EVERY: u64 = 16 << 20;

/// How large an archive may be. The default is far above any model for an edge device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of content, uncompressed. Default 64 GiB.
    pub bytes: u64,
    /// Files, directories and links. Default 100,000.
    pub entries: u64,
    /// Components of a name. Default 32.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 30, entries: 100_000, depth: 32 }
    }
}

/// What was extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extracted {
    /// Regular files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Extracts a gzipped or plain tar archive into an empty directory, and flushes it to the disk.
///
/// Nothing is written outside of `directory`. When it fails, parts are left in `directory`. `room`
/// sees that so many bytes more can be written.
pub(super) fn extract(
    archive: &mut dyn Read,
    directory: &Path,
    limits: Limits,
    room: Room<'_>,
) -> Result<Extracted, Error> {
    let failure = RefCell::new(None);
    let source = Source { inner: archive, failure: &failure };
    let result = extract_from(source, directory, limits, room);
    // What the source says is the cause of whatever came after it.
    match failure.take() {
        Some(error) => Err(Error::Source(error)),
        None => result,
    }
}

/// Sees that so many bytes can be written, or says that they cannot.
type Room<'a> = &'a dyn Fn(u64) -> Result<(), Error>;

fn extract_from(
    source: Source<'_>,
    directory: &Path,
    limits: Limits,
    room: Room<'_>,
) -> Result<Extracted, Error> {
    let meter = Rc::new(Meter { allowance: Cell::new(None), ended: Cell::new(false) });
    let uncompressed = Uncompressed::recognise(source)?;
    let proves_completeness = uncompressed.proves_completeness();
    let mut archive = tar::Archive::new(Metered { inner: uncompressed, meter: Rc::clone(&meter) });
    let mut extraction = Extraction {
        tree: Tree::new(directory, limits.entries),
        limits,
        meter: Rc::clone(&meter),
        buffer: vec![0; BUFFER],
        room,
        unchecked: 0,
        skipped: 0,
        extracted: Extracted { files: 0, bytes: 0 },
    };
    let mut entries = archive.entries().map_err(|error| meter.damage(&error))?;
    loop {
        meter.allowance.set(Some(DESCRIPTION));
        let Some(entry) = entries.next() else { break };
        extraction.entry(entry.map_err(|error| meter.damage(&error))?)?;
    }
    // Two blocks of zeros end an archive (POSIX pax, "ustar Interchange Format"). Some writers omit
    // them; then only the checksum of gzip tells a whole archive from one cut between two entries.
    if meter.ended.get() && !proves_completeness {
        return Err(Error::CutOff);
    }
    meter.allowance.set(None);
    // What follows is padding; it is read so that the checksum of gzip is checked, and so that the
    // sender can send all.
    extraction.skip(&mut archive.into_inner())?;
    if extraction.extracted.files == 0 {
        return Err(Error::Empty);
    }
    disk::sync_tree(directory)?;
    Ok(extraction.extracted)
}

/// How far the uncompressed archive was read.
struct Meter {
    /// Bytes that may still be read; `None` where the reader itself keeps count.
    allowance: Cell<Option<u64>>,
    /// The end was reached.
    ended: Cell<bool>,
}

impl Meter {
    fn damage(&self, error: &io::Error) -> Error {
        if self.ended.get() || error.kind() == io::ErrorKind::UnexpectedEof {
            Error::CutOff
        } else {
            Error::Damaged { problem: error.to_string() }
        }
    }
}

/// The uncompressed archive with a limit where the tar crate reads what describes an entry, which
/// it holds in memory whatever its length.
struct Metered<'a> {
    inner: Uncompressed<'a>,
    meter: Rc<Meter>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowance = self.meter.allowance.get();
        let most = allowance.map_or(buffer.len(), |bytes| {
            buffer.len().min(usize::try_from(bytes).unwrap_or(usize::MAX))
        });
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("the description of an entry is too long"));
        }
        let length = self.inner.read(&mut buffer[..most])?;
        self.meter.allowance.set(allowance.map(|bytes| bytes.saturating_sub(length as u64)));
        if length == 0 && !buffer.is_empty() {
            self.meter.ended.set(true);
        }
        Ok(length)
    }
}

struct Extraction<'a> {
    tree: Tree<'a>,
    limits: Limits,
    meter: Rc<Meter>,
    buffer: Vec<u8>,
    room: Room<'a>,
    /// Bytes that were written since room was looked for.
    unchecked: u64,
    /// Bytes that were read past.
    skipped: u64,
    extracted: Extracted,
}

impl Extraction<'_> {
    fn entry<R: Read>(&mut self, mut entry: Entry<'_, R>) -> Result<(), Error> {
        let name = entry.path_bytes().into_owned();
        let refused =
            |reason| Error::Refused { entry: format!("\"{}\"", name.escape_ascii()), reason };
        self.check_extensions(&mut entry, &refused)?;
        self.meter.allowance.set(None);
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let path = EntryPath::parse(&name, self.limits.depth).map_err(refused)?;
        match kind {
            EntryType::Regular | EntryType::Continuous if !path.names_directory => {
                let mode = entry.header().mode().map_err(|error| self.meter.damage(&error))?;
                let size = entry.size();
                self.extracted.bytes = self.extracted.bytes.saturating_add(size);
                if self.extracted.bytes > self.limits.bytes {
                    return Err(self.too_many_bytes());
                }
                let mut file = self.tree.file(&path, mode & 0o100 != 0, &refused)?;
                self.copy(&mut entry, &mut file, size)?;
                file.finish()?;
                self.extracted.files += 1;
                Ok(())
            }
            EntryType::Directory | EntryType::Regular | EntryType::Continuous => {
                self.tree.directory(&path, &refused)?;
                // Some archives have a list of names here.
                let size = entry.size();
                if self.skip(&mut entry)? < size {
                    return Err(Error::CutOff);
                }
                Ok(())
            }
            EntryType::Symlink | EntryType::Link => {
                // Readers of archives disagree about whether a link's content is there.
                if entry.size() != 0 {
                    return Err(refused(Refusal::Ambiguous));
                }
                let target = entry.link_name_bytes().unwrap_or_default();
                if kind == EntryType::Symlink {
                    self.tree.symbolic_link(&path, &target, &refused)
                } else {
                    let target = EntryPath::parse(&target, self.limits.depth).map_err(refused)?;
                    self.tree.hard_link(&path, &target, &refused)
                }
            }
            other => Err(refused(Refusal::Kind { kind: kind_in_words(other) })),
        }
    }

    /// Refuses extended headers (POSIX pax, "pax Extended Header") that readers of archives take in
    /// different ways, so that what was inspected elsewhere is what is extracted here; and the ones
    /// that say that a file is sparse.
    fn check_extensions<R: Read>(
        &self,
        entry: &mut Entry<'_, R>,
        refused: &dyn Fn(Refusal) -> Error,
    ) -> Result<(), Error> {
        let global = entry.header().entry_type() == EntryType::XGlobalHeader;
        let extensions = entry.pax_extensions().map_err(|error| self.meter.damage(&error))?;
        let mut seen: Vec<&[u8]> = Vec::new();
        for extension in extensions.into_iter().flatten() {
            let extension = extension.map_err(|_| refused(Refusal::Ambiguous))?;
            let key = extension.key_bytes();
            if key.starts_with(b"GNU.sparse.") {
                let kind = kind_in_words(EntryType::GNUSparse);
                return Err(refused(Refusal::Kind { kind }));
            }
            if [&b"path"[..], b"linkpath", b"size"].contains(&key) {
                let number = extension.value().is_ok_and(|value| value.parse::<u64>().is_ok());
                if global || seen.contains(&key) || (key == b"size" && !number) {
                    return Err(refused(Refusal::Ambiguous));
                }
                seen.push(key);
            }
        }
        Ok(())
    }

    fn copy(&mut self, content: &mut dyn Read, file: &mut NewFile, size: u64) -> Result<(), Error> {
        let mut rest = size;
        // A file's whole length is known when it begins: what will not fit is not begun.
        if self.unchecked.saturating_add(rest) >= CHECK_ROOM_EVERY {
            self.check_room(rest)?;
        }
        while rest > 0 {
            // Others write to the same file system.
            if self.unchecked >= CHECK_ROOM_EVERY {
                self.check_room(rest)?;
            }
            let length =
                content.read(&mut self.buffer).map_err(|error| self.meter.damage(&error))?;
            if length == 0 {
                return Err(Error::CutOff);
            }
            file.write(self.buffer.get(..length).unwrap_or_default())?;
            rest = rest.saturating_sub(length as u64);
            self.unchecked += length as u64;
        }
        Ok(())
    }

    fn check_room(&mut self, bytes: u64) -> Result<(), Error> {
        self.unchecked = 0;
        (self.room)(bytes)
    }

    /// Reads to the end of what nothing is made of, and says how long it was.
    fn skip(&mut self, content: &mut dyn Read) -> Result<u64, Error> {
        let before = self.skipped;
        // The padding that archivers write is allowed whatever the limit.
        let most = self.limits.bytes.saturating_add(1024 * BLOCK as u64);
        loop {
            let length =
                content.read(&mut self.buffer).map_err(|error| self.meter.damage(&error))?;
            if length == 0 {
                return Ok(self.skipped - before);
            }
            self.skipped += length as u64;
            if self.skipped > most {
                return Err(self.too_many_bytes());
            }
        }
    }

    fn too_many_bytes(&self) -> Error {
        Error::TooManyBytes { limit: self.limits.bytes }
    }
}

fn kind_in_words(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a named pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "of an unknown kind",
    }
}
