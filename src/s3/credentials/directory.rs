//! A directory with one file for each part of the credentials.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Credentials, Reason};
use crate::secret::Secret;

/// The names that a part's file can have; the first one that is there is read.
type Names = [&'static str; 3];

const ACCESS_KEY_ID: Names = ["SAPT_AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID", "aws_access_key_id"];
const SECRET_ACCESS_KEY: Names =
    ["SAPT_AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"];
const SESSION_TOKEN: Names = ["SAPT_AWS_SESSION_TOKEN", "AWS_SESSION_TOKEN", "aws_session_token"];

/// No part is larger, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Reads the credentials as they are now. Blocks.
///
/// A Secret volume has its files in a directory of their own that the link `..data` leads to, and a
/// new version is put in place by replacing that link. It is followed once, so that all parts are of
/// one version; where that version is deleted meanwhile, the next one is read.
pub(super) fn read(directory: &Path) -> Result<Credentials, Reason> {
    let mut version = resolve(directory)?;
    loop {
        let result = read_version(&version);
        let now = resolve(directory)?;
        if result.is_ok() || now == version {
            return result;
        }
        version = now;
    }
}

fn resolve(directory: &Path) -> Result<PathBuf, Reason> {
    match fs::canonicalize(directory.join("..data")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::canonicalize(directory).map_err(|error| Reason::Read(directory.to_owned(), error))
        }
        result => result.map_err(|error| Reason::Read(directory.join("..data"), error)),
    }
}

fn read_version(directory: &Path) -> Result<Credentials, Reason> {
    let missing = |names: Names| Reason::Missing(format!("there is no file {} in it", names[0]));
    Ok(Credentials {
        access_key_id: part(directory, ACCESS_KEY_ID)?.ok_or_else(|| missing(ACCESS_KEY_ID))?,
        secret_access_key: part(directory, SECRET_ACCESS_KEY)?
            .map(Secret::new)
            .ok_or_else(|| missing(SECRET_ACCESS_KEY))?,
        session_token: part(directory, SESSION_TOKEN)?.map(Secret::new),
    })
}

/// An empty file counts as none.
fn part(directory: &Path, names: Names) -> Result<Option<String>, Reason> {
    for name in names {
        let path = directory.join(name);
        match read_file(&path) {
            Ok(text) if text.trim_ascii().is_empty() => {}
            // Editors and `echo` end a file with a line break.
            Ok(text) => return Ok(Some(text.trim_ascii().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Reason::Read(path, error)),
        }
    }
    Ok(None)
}

/// A small file of text.
pub(super) fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if read as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 64 KiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn write(directory: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(directory).unwrap();
        for (name, content) in files {
            fs::write(directory.join(name), content).unwrap();
        }
    }

    fn directory(files: &[(&str, &str)]) -> TempDir {
        let directory = TempDir::new().unwrap();
        write(directory.path(), files);
        directory
    }

    fn error(directory: &Path) -> Reason {
        read(directory).unwrap_err()
    }

    #[test]
    fn one_file_for_each_part() {
        for (id, secret, token) in [
            ("SAPT_AWS_ACCESS_KEY_ID", "SAPT_AWS_SECRET_ACCESS_KEY", "SAPT_AWS_SESSION_TOKEN"),
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
            ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
        ] {
            let files = directory(&[(id, "AKID\n"), (secret, " s \r\n"), (token, "t")]);
            let credentials = read(files.path()).unwrap();
            assert_eq!(credentials.access_key_id, "AKID");
            assert_eq!(credentials.secret_access_key.reveal(), "s");
            assert_eq!(credentials.session_token.unwrap().reveal(), "t");
            fs::write(files.path().join(token), "\n").unwrap();
            assert_eq!(read(files.path()).unwrap().session_token, None);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let nowhere = directory(&[]).path().to_owned();
        assert!(matches!(error(&nowhere), Reason::Read(path, _) if path == nowhere));
        let files = directory(&[]);
        assert!(
            matches!(error(files.path()), Reason::Missing(what) if what.contains("ACCESS_KEY_ID"))
        );
        write(files.path(), &[("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "")]);
        assert!(matches!(
            error(files.path()),
            Reason::Missing(what) if what.contains("SAPT_AWS_SECRET_ACCESS_KEY")
        ));
        let large = "x".repeat(1 << 17);
        write(files.path(), &[("AWS_SECRET_ACCESS_KEY", &large)]);
        assert!(
            matches!(error(files.path()), Reason::Read(path, _) if path.ends_with("AWS_SECRET_ACCESS_KEY"))
        );
    }

    #[test]
    fn all_parts_are_of_one_version() {
        let volume = directory(&[]);
        let root = volume.path();
        let version = |name: &str| {
            let files = [("AWS_ACCESS_KEY_ID", name), ("AWS_SECRET_ACCESS_KEY", name)];
            write(&root.join(name), &files);
            // As kubelet does it: a new link is moved over the old one.
            symlink(name, root.join("..data_tmp")).unwrap();
            fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        };
        version("..1");
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            symlink(Path::new("..data").join(name), root.join(name)).unwrap();
        }
        let first = resolve(root).unwrap();
        version("..2");
        // Whoever had followed the link before goes on to read the first version.
        assert_eq!(read_version(&first).unwrap().secret_access_key.reveal(), "..1");
        let credentials = read(root).unwrap();
        assert_eq!(credentials.access_key_id, "..2");
        assert_eq!(credentials.secret_access_key.reveal(), "..2");
        fs::remove_file(root.join("..2/AWS_SECRET_ACCESS_KEY")).unwrap();
        assert!(matches!(error(root), Reason::Missing(_)));
    }
}
