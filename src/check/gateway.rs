//! What is on the gateway: directories and sockets. It is looked at, and nothing is opened.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Access, access};

use super::report::Row;
use crate::store::Space;

/// The models directory: is it there, and can it be written to.
pub(super) fn models_directory(path: &Path) -> Row {
    const NAME: &str = "models directory";
    let shown = path.display();
    let there = match fs::metadata(path) {
        Ok(there) => there,
        Err(error) => {
            let fix = "make it and mount it; sapt makes it too, where it may";
            return Row::failed(NAME, format!("{shown}: {error}"), fix);
        }
    };
    let seen = format!("{shown}: {}", owner(&there));
    if !there.is_dir() {
        return Row::failed(NAME, format!("{shown} is no directory"), "set SAPT_MODELS_PATH");
    }
    match access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Row::good(NAME, seen),
        Err(error) => Row::failed(
            NAME,
            format!("{seen}; it cannot be written to: {error}"),
            "chown it to the user that sapt runs as (in a Pod root, without root's powers), or \
             mount it writable",
        ),
    }
}

fn owner(there: &Metadata) -> String {
    format!("user {}, group {}, mode {:04o}", there.uid(), there.gid(), there.mode() & 0o7777)
}

/// Room for models.
pub(super) fn room(path: &Path) -> Row {
    const NAME: &str = "free space";
    let mib = |bytes: u64| bytes >> 20;
    match Space::of(path) {
        Ok(space) => {
            let (free, all) = (mib(space.available), mib(space.total));
            let reserve = mib(space.reserve());
            let seen = format!("{free} MiB of {all} MiB, of which {reserve} MiB stay free");
            if space.available > space.reserve() {
                Row::good(NAME, seen)
            } else {
                Row::failed(NAME, seen, "free some: no model can be pulled")
            }
        }
        Err(error) => Row::skipped(NAME, &format!("{}: {error}", path.display()), ""),
    }
}

/// Edge Core's socket, where nobody runs who could say more: who connects to it and says nothing
/// holds up all others.
pub(super) fn edge_core_socket(path: &Path) -> Row {
    let shown = path.display();
    let start = "start Edge Core, or set SAPT_EDGE_SOCKET to where it has its socket; in a container \
                 mount the socket's directory, not the file";
    let there = match fs::metadata(path) {
        Ok(there) => there,
        Err(error) => return Row::failed(super::EDGE_CORE, format!("{shown}: {error}"), start),
    };
    if there.is_dir() {
        return Row::failed(
            super::EDGE_CORE,
            format!("{shown} is a directory, as a container makes it that has the socket mounted"),
            "remove it, start Edge Core, and mount the directory above it instead",
        );
    }
    if !there.file_type().is_socket() {
        return Row::failed(super::EDGE_CORE, format!("{shown} is no socket"), start);
    }
    match access(path, Access::WRITE_OK) {
        Ok(()) => Row::skipped(
            super::EDGE_CORE,
            &format!(
                "its socket is at {shown} ({}); only sapt asks it, which does not run",
                owner(&there)
            ),
            "",
        ),
        Err(error) => Row::failed(
            super::EDGE_CORE,
            format!("{shown}: {} may not connect: {error}", owner(&there)),
            "run sapt as root, or with CAP_DAC_OVERRIDE",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::super::State;
    use super::*;

    #[test]
    fn sockets() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("edge.sock");
        let look = || edge_core_socket(&path);
        assert!(look().fix.contains("start Edge Core"), "{:?}", look());
        fs::create_dir(&path).unwrap();
        assert!(look().fix.contains("remove it"), "{:?}", look());
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(look().state == State::Failed && look().seen.contains("no socket"));
        fs::remove_file(&path).unwrap();
        let _listener = UnixListener::bind(&path).unwrap();
        assert_eq!(look().state, State::Skipped, "{:?}", look());
    }

    #[test]
    fn directories() {
        let directory = tempfile::tempdir().unwrap();
        let row = models_directory(directory.path());
        assert!(row.state == State::Good && row.seen.contains(", mode 0"), "{row:?}");
        assert_eq!(room(directory.path()).state, State::Good);
        let file = directory.path().join("file");
        assert_eq!(models_directory(&file).state, State::Failed);
        fs::write(&file, "").unwrap();
        assert!(models_directory(&file).seen.contains("no directory"));
        assert_eq!(room(&directory.path().join("nothing")).state, State::Skipped);
    }
}
