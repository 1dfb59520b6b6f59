//! Changes of the configuration that the cloud sends: `{"config":{…}}`.

use std::fmt;

use serde_json::{Map, Value};

use super::Storage;
use super::environment::directory;
use crate::s3::{Bucket, Credentials, Region};
use crate::secret::Secret;

/// The keys that can be changed, as an error lists them.
const KEYS: &str = "awsRegion, awsS3Bucket, awsS3ModelsDirectory, awsS3DataDirectory, \
                    auth (awsAccessKeyId, awsSecretAccessKey, awsSessionToken)";

/// A checked change; nothing of it is applied before all of it is known to be right.
#[derive(Debug, Clone, Default)]
pub struct Update {
    region: Option<Region>,
    bucket: Option<Bucket>,
    models_directory: Option<String>,
    data_directory: Option<String>,
    credentials: Option<Credentials>,
}

impl Update {
    /// Reads a change. The keys that the configuration resource shows but that cannot be changed
    /// (`version`, `commands`) are passed over, so that what was read can be edited and written
    /// back whole.
    pub fn parse(config: &Value) -> Result<Self, InvalidUpdate> {
        let config =
            config.as_object().ok_or_else(|| InvalidUpdate::wrong("config", "an object"))?;
        let mut update = Self::default();
        for (key, value) in config {
            match key.as_str() {
                "awsRegion" => update.region = Some(parsed(key, value, Region::parse)?),
                "awsS3Bucket" => update.bucket = Some(parsed(key, value, Bucket::parse)?),
                "awsS3ModelsDirectory" => {
                    update.models_directory = Some(parsed(key, value, directory)?);
                }
                "awsS3DataDirectory" => {
                    update.data_directory = Some(parsed(key, value, directory)?);
                }
                "auth" => update.credentials = credentials(value)?,
                "version" | "commands" => {}
                unknown => return Err(InvalidUpdate::unknown(unknown)),
            }
        }
        Ok(update)
    }

    /// Makes the change.
    pub fn apply(self, storage: &mut Storage) {
        fn replace<T>(current: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *current = new;
            }
        }
        if let Some(region) = self.region {
            storage.region = region;
        }
        replace(&mut storage.bucket, self.bucket);
        replace(&mut storage.models_directory, self.models_directory);
        replace(&mut storage.data_directory, self.data_directory);
        replace(&mut storage.credentials, self.credentials);
    }
}

/// Why a change was not made, not even in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidUpdate(String);

impl InvalidUpdate {
    fn wrong(key: &str, wanted: impl fmt::Display) -> Self {
        Self(format!("config: {key} must be {wanted}"))
    }

    fn unknown(key: &str) -> Self {
        let key: String = key.chars().take(64).collect();
        Self(format!("config: {key:?} is not a key that can be set; those are {KEYS}"))
    }
}

impl fmt::Display for InvalidUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; nothing was changed", self.0)
    }
}

impl std::error::Error for InvalidUpdate {}

fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, InvalidUpdate> {
    value.as_str().ok_or_else(|| InvalidUpdate::wrong(key, "a string"))
}

fn parsed<T, E: fmt::Display>(
    key: &str,
    value: &Value,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, InvalidUpdate> {
    parse(text(key, value)?).map_err(|error| InvalidUpdate(format!("config: {key}: {error}")))
}

/// An empty `auth`, as the configuration resource shows it, changes nothing.
fn credentials(auth: &Value) -> Result<Option<Credentials>, InvalidUpdate> {
    let auth = auth.as_object().ok_or_else(|| InvalidUpdate::wrong("auth", "an object"))?;
    if auth.is_empty() {
        return Ok(None);
    }
    for key in auth.keys() {
        if !matches!(key.as_str(), "awsAccessKeyId" | "awsSecretAccessKey" | "awsSessionToken") {
            return Err(InvalidUpdate::unknown(&format!("auth.{key}")));
        }
    }
    let session_token = match auth.get("awsSessionToken") {
        None | Some(Value::Null) => None,
        Some(token) => Some(Secret::new(text("auth.awsSessionToken", token)?)),
    };
    Ok(Some(Credentials {
        access_key_id: required(auth, "awsAccessKeyId")?,
        secret_access_key: Secret::new(required(auth, "awsSecretAccessKey")?),
        session_token,
    }))
}

fn required(auth: &Map<String, Value>, key: &str) -> Result<String, InvalidUpdate> {
    match auth.get(key).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(InvalidUpdate::wrong(&format!("auth.{key}"), "a string that is not empty")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::s3::Endpoint;

    fn storage() -> Storage {
        Storage {
            region: Region::default(),
            endpoint: Endpoint::default(),
            bucket_owner: None,
            bucket: None,
            models_directory: None,
            data_directory: None,
            credentials: None,
        }
    }

    #[test]
    fn changes_what_is_named_and_nothing_else() {
        let mut storage = storage();
        let update = json!({"awsS3DataDirectory": "data2", "version": "1", "auth": {}});
        Update::parse(&update).unwrap().apply(&mut storage);
        assert_eq!(storage.data_directory.as_deref(), Some("data2"));
        assert!(storage.bucket.is_none() && storage.credentials.is_none());
        let auth = json!({"auth": {"awsAccessKeyId": "AKID2", "awsSecretAccessKey": "s2"}});
        Update::parse(&auth).unwrap().apply(&mut storage);
        let credentials = storage.credentials.unwrap();
        assert_eq!(credentials.access_key_id, "AKID2");
        assert_eq!(credentials.secret_access_key.reveal(), "s2");
    }

    #[test]
    fn an_unknown_key_lists_the_known_ones() {
        let error = Update::parse(&json!({"awsRegion": "eu-west-1", "unknownKey": 5}))
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"unknownKey\"") && error.contains("awsS3ModelsDirectory"));
    }

    #[test]
    fn wrong_values() {
        for wrong in [
            json!(5),
            json!({"awsRegion": 5}),
            json!({"awsRegion": "not a region"}),
            json!({"awsS3Bucket": ""}),
            json!({"auth": "x"}),
            json!({"auth": {"awsAccessKeyId": "x"}}),
            json!({"auth": {"awsAccessKeyId": "x", "awsSecretAccessKey": ""}}),
            json!({"auth": {"awsAccessKeyId": "x", "awsSecretAccessKey": "hunter2", "more": 1}}),
        ] {
            let error = Update::parse(&wrong).unwrap_err().to_string();
            assert!(!error.contains("hunter2"));
        }
    }
}
