//! What the cloud changed, kept in a file beyond the process.
//!
//! The file has the form of the command, `{"config":{…}}`, with the keys in clear: only this user
//! can read it, and nobody asked for it but the operator.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use smol::lock::Mutex;

use super::Update;
use crate::blocking::unblock;
use crate::whole_file::{self, Refused};

/// No file of ours is larger, in bytes.
const LARGEST: u64 = 64 * 1024;

/// The file, and all changes that are in it.
#[derive(Debug)]
pub struct Persisted {
    path: PathBuf,
    changes: Mutex<Update>,
}

impl Persisted {
    /// Further changes are added to these, which were read from the file.
    pub fn new(path: PathBuf, changes: Update) -> Self {
        Self { path, changes: Mutex::new(changes) }
    }

    /// Reads a file's changes; None where there is no file. Blocks.
    pub fn read(path: &Path) -> Result<Option<Update>, PersistedError> {
        let mut text = String::new();
        let read = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error),
            Ok(file) => file.take(LARGEST).read_to_string(&mut text),
        };
        read.map_err(Refused::to("read", path))?;
        let broken = |reason: String| PersistedError::Broken(path.to_owned(), reason);
        let message: Value =
            serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
        let config = message.get("config").ok_or_else(|| broken("it has no config".to_owned()))?;
        Update::parse(config).map(Some).map_err(|error| broken(error.to_string()))
    }

    /// Adds a change. When this returns, it is on the disk, or nothing has changed there.
    pub async fn keep(&self, update: &Update) -> Result<(), PersistedError> {
        let mut changes = self.changes.lock().await;
        let mut all = changes.clone();
        all.add(update.clone());
        let (path, text) = (self.path.clone(), all.encode());
        unblock(move || whole_file::replace(&path, text.as_bytes(), 0o600)).await?;
        *changes = all;
        Ok(())
    }
}

/// The file failed.
#[derive(Debug)]
pub enum PersistedError {
    /// The system refused an action on it.
    Io(Refused),
    /// It does not hold a configuration; tells why.
    Broken(PathBuf, String),
}

impl From<Refused> for PersistedError {
    fn from(refused: Refused) -> Self {
        Self::Io(refused)
    }
}

impl fmt::Display for PersistedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(refused) => refused.fmt(f),
            Self::Broken(path, reason) => {
                write!(f, "{} holds no configuration: {reason}", path.display())
            }
        }
    }
}

impl std::error::Error for PersistedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(refused) => refused.source(),
            Self::Broken(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;

    fn update(config: &Value) -> Update {
        Update::parse(config).unwrap()
    }

    #[test]
    fn changes_add_up_and_are_for_this_user_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        assert!(Persisted::read(&path).unwrap().is_none());
        // What a killed run left is in nobody's way.
        fs::write(directory.path().join("config.new"), "half").unwrap();
        let persisted = Persisted::new(path.clone(), Update::default());
        let auth =
            json!({"awsAccessKeyId": "AKID", "awsSecretAccessKey": "a\"b", "awsSessionToken": "t"});
        for change in [
            json!({"awsRegion": "eu-west-1", "awsS3ModelsDirectory": "m", "auth": auth}),
            json!({"awsS3Bucket": "bkt", "awsRegion": "eu-west-2", "awsS3DataDirectory": ""}),
        ] {
            smol::block_on(persisted.keep(&update(&change))).unwrap();
        }
        let kept: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let wanted = json!({"awsRegion": "eu-west-2", "awsS3Bucket": "bkt", "auth": auth,
                            "awsS3ModelsDirectory": "m", "awsS3DataDirectory": ""});
        assert_eq!(kept, json!({"config": wanted}));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        // What was read is what later changes are added to.
        let read = Persisted::read(&path).unwrap().unwrap();
        let next = Persisted::new(path.clone(), read);
        let bucket = update(&json!({"awsS3Bucket": "bkt2"}));
        smol::block_on(next.keep(&bucket)).unwrap();
        assert_eq!(
            Persisted::read(&path).unwrap().unwrap().encode().replace("bkt2", "bkt"),
            update(&wanted).encode()
        );
    }

    #[test]
    fn what_is_broken_is_told_without_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        for broken in [
            "",
            "hunter2",
            r#"{"config":{"auth":{"awsSecretAccessKey":"hunter2"#,
            r#"{"auth":{"awsSecretAccessKey":"hunter2"}}"#,
            r#"{"config":{"auth":{"awsSecretAccessKey":"hunter2"}}}"#,
        ] {
            fs::write(&path, broken).unwrap();
            let error = Persisted::read(&path).unwrap_err().to_string();
            assert!(error.contains("config.json") && !error.contains("hunter2"), "{error}");
        }
        let nowhere = Persisted::new(path.join("x"), Update::default());
        let error = smol::block_on(nowhere.keep(&Update::default())).unwrap_err().to_string();
        assert!(error.contains("cannot"), "{error}");
    }
}
