//! AWS's shared credentials file.

use std::fmt;
use std::path::PathBuf;

use super::directory::read_file;
use super::{Credentials, Reason};
use crate::secret::Secret;

/// A profile in a shared credentials file (AWS SDKs and Tools Reference Guide, "Using shared config
/// and credentials files").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The file.
    pub file: PathBuf,
    /// The profile's name.
    pub name: String,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the profile {:?} in {}", self.name, self.file.display())
    }
}

impl Profile {
    /// Reads the credentials as they are now. Blocks.
    pub(super) fn read(&self) -> Result<Credentials, Reason> {
        let text = read_file(&self.file).map_err(|error| Reason::Read(self.file.clone(), error))?;
        find(&text, &self.name).map_err(|missing| Reason::Missing(format!("it has no {missing}")))
    }
}

/// Takes a profile's credentials from the text of a file, or tells what it has not. Where something
/// is given twice the later one counts.
fn find(text: &str, profile: &str) -> Result<Credentials, &'static str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut found, mut inside) = (false, false);
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(without_comment) {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.split(']').next().is_some_and(|name| is_named(name, profile));
            found |= inside;
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| inside) else { continue };
        let (key, value) = (key.trim(), Some(value.trim()).filter(|value| !value.is_empty()));
        if key.eq_ignore_ascii_case("aws_access_key_id") {
            id = value;
        } else if key.eq_ignore_ascii_case("aws_secret_access_key") {
            secret = value;
        } else if key.eq_ignore_ascii_case("aws_session_token") {
            token = value;
        }
    }
    if !found {
        return Err("section for it");
    }
    Ok(Credentials {
        access_key_id: id.ok_or("aws_access_key_id")?.to_owned(),
        secret_access_key: Secret::new(secret.ok_or("aws_secret_access_key")?),
        session_token: token.map(Secret::new),
    })
}

/// A line without white space around it and without its comment. One that follows a value has white
/// space before it; no part of a key has that.
fn without_comment(line: &str) -> &str {
    let line = line.trim();
    let mut before = ' ';
    for (index, character) in line.char_indices() {
        if matches!(character, '#' | ';') && before.is_whitespace() {
            return line.get(..index).unwrap_or(line).trim_end();
        }
        before = character;
    }
    line
}

/// `[name]`, or `[profile name]` as in the other shared file.
fn is_named(section: &str, profile: &str) -> bool {
    let section = section.trim();
    let prefixed = section
        .strip_prefix("profile")
        .filter(|rest| rest.starts_with(char::is_whitespace))
        .map(str::trim_start);
    section == profile || prefixed == Some(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\u{feff}# a comment
aws_access_key_id = OUTSIDE
[default]
aws_access_key_id=AKID1
aws_secret_access_key = s/1+=
; another = comment
region = eu-west-1

[ profile  two ]\r
  AWS_ACCESS_KEY_ID\t=\tAKID2 # which one\r
  aws_secret_access_key = s#2;x ;why\r
  aws_session_token = t==\r

[profiles]
aws_access_key_id = AKID3
[half] # comment
aws_access_key_id = AKID4
aws_secret_access_key =
s3 =
  max_concurrent_requests = 20
[default]
aws_secret_access_key = later
";

    fn shown(profile: &str) -> Result<(String, String, Option<String>), &'static str> {
        find(FILE, profile).map(|credentials| {
            (
                credentials.access_key_id,
                credentials.secret_access_key.reveal().to_owned(),
                credentials.session_token.map(|token| token.reveal().to_owned()),
            )
        })
    }

    #[test]
    fn profiles() {
        assert_eq!(shown("default"), Ok(("AKID1".into(), "later".into(), None)));
        assert_eq!(shown("two"), Ok(("AKID2".into(), "s#2;x".into(), Some("t==".into()))));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(shown("profiles"), Err("aws_secret_access_key"));
        assert_eq!(shown("half"), Err("aws_secret_access_key"));
        assert_eq!(shown("three"), Err("section for it"));
        assert_eq!(shown("s"), Err("section for it"));
        assert!(find("", "default").is_err());
        assert!(find("[default", "default").is_err());
    }

    #[test]
    fn the_file_is_read_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let profile = Profile { file: directory.path().join("credentials"), name: "two".into() };
        assert!(matches!(profile.read(), Err(Reason::Read(..))));
        std::fs::write(&profile.file, FILE).unwrap();
        assert_eq!(profile.read().unwrap().access_key_id, "AKID2");
        std::fs::write(&profile.file, FILE.replace("AKID2", "AKID5")).unwrap();
        assert_eq!(profile.read().unwrap().access_key_id, "AKID5");
    }
}
