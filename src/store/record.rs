//! What is known of one model: which versions there are, where they came from, and whether the model
//! should be loaded. Pure.

use miniserde::json;

use super::Sha256;

/// What is known of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq, miniserde::Serialize, miniserde::Deserialize)]
pub struct Record {
    /// It should be loaded, now and after every restart.
    pub wanted: bool,
    /// The agent may have a version loaded that was taken back.
    pub unsettled: bool,
    /// The version in place.
    pub current: Option<Version>,
    /// A version that is being tried: see the table in `swap.rs`.
    pub trial: Option<Version>,
    /// Earlier versions, the newest first.
    pub kept: Vec<Version>,
}

/// One version of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, miniserde::Serialize, miniserde::Deserialize)]
pub struct Version {
    /// Names its directory. No other version has it; a later one has a larger one.
    pub id: u64,
    /// `s3://bucket/key`, or `file:///archive.tar.gz`; empty where it is not known.
    pub url: String,
    /// The archive's state at that place, as its ETag tells it.
    pub etag: Option<String>,
    /// Of the archive, where it was asked for.
    pub sha256: Option<Sha256>,
    /// When it was pulled, in seconds since 1970.
    pub pulled: u64,
    /// Files that it was unpacked to.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Where a version comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// `s3://bucket/key`, or `file:///archive.tar.gz`.
    pub url: String,
    /// The archive's state at that place.
    pub etag: Option<String>,
    /// What the archive's SHA-256 has to be, where that was told.
    pub sha256: Option<Sha256>,
    /// When it was asked for, in seconds since 1970.
    pub pulled: u64,
}

impl Record {
    /// Reads what [`Record::write`] wrote.
    pub(super) fn read(text: &str) -> Option<Self> {
        json::from_str(text).ok()
    }

    /// As it is kept on the disk.
    pub(super) fn write(&self) -> String {
        json::to_string(self)
    }

    /// Nothing is known that would have to be kept on the disk.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the model's place is the store's.
    pub(super) fn is_installed(&self) -> bool {
        self.current.is_some() || self.trial.is_some()
    }

    /// Whether an earlier version has this id.
    pub(super) fn keeps(&self, id: u64) -> bool {
        self.kept.iter().any(|version| version.id == id)
    }

    /// The version on trial is the current one now, and wanted, as it was asked for. The one before
    /// it is kept where it was put `aside` and not thrown away.
    pub(super) fn promote(&mut self, aside: bool) {
        let Some(trial) = self.trial.take() else { return };
        self.kept.retain(|version| version.id != trial.id);
        let previous = self.current.replace(trial);
        if let Some(previous) = previous.filter(|_| aside) {
            self.kept.insert(0, previous);
        }
        self.wanted = true;
        self.unsettled = false;
    }

    /// All versions, also one on trial.
    pub(super) fn versions(&self) -> impl Iterator<Item = &Version> {
        self.current.iter().chain(&self.trial).chain(&self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: u64) -> Version {
        Version { id, url: format!("s3://b/{id}"), ..Version::default() }
    }

    #[test]
    fn written_and_read() {
        let record = Record {
            wanted: true,
            unsettled: false,
            current: Some(Version {
                etag: Some("\"e\"".to_owned()),
                sha256: Sha256::parse(&"ab".repeat(32)),
                bytes: u64::MAX,
                ..version(3)
            }),
            trial: None,
            kept: vec![version(2), version(1)],
        };
        assert_eq!(Record::read(&record.write()), Some(record));
        for wrong in ["", "{}", "[]", "{\"wanted\":true", "\0\0\0"] {
            assert_eq!(Record::read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_promoted_version_is_wanted_and_the_one_before_is_kept() {
        let mut record = Record {
            current: Some(version(2)),
            trial: Some(version(1)),
            kept: vec![version(1)],
            ..Record::default()
        };
        record.promote(true);
        assert_eq!(record.current, Some(version(1)));
        assert_eq!(record.kept, [version(2)]);
        assert!(record.wanted && record.trial.is_none());
        record.trial = Some(version(5));
        record.promote(false);
        assert_eq!((record.current, record.kept), (Some(version(5)), vec![version(2)]));
    }
}
