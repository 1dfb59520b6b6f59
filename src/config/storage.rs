//! The S3 side of the configuration, as far as it is set.

use std::fmt;

use crate::s3::credentials::Source;
use crate::s3::{Bucket, BucketOwner, Client, Endpoint, Io, Region, Retry, Settings, Timeouts};

/// Where models and data are in S3. Without it the translator runs, and only the commands that
/// need S3 fail.
#[derive(Debug, Clone)]
pub struct Storage {
    /// The bucket's region.
    pub region: Region,
    /// The server: AWS, or another one.
    pub endpoint: Endpoint,
    /// The account that buckets have to belong to.
    pub bucket_owner: Option<BucketOwner>,
    /// The bucket.
    pub bucket: Option<Bucket>,
    /// The prefix of models, without slashes around it; empty for the bucket's root.
    pub models_directory: Option<String>,
    /// The prefix of inputs and outputs, likewise.
    pub data_directory: Option<String>,
    /// Where the key comes from.
    pub credentials: Option<Source>,
}

impl Storage {
    /// The bucket, which a command needs.
    pub fn bucket(&self) -> Result<&Bucket, Unset> {
        self.bucket.as_ref().ok_or(Unset("SAPT_AWS_S3_BUCKET"))
    }

    /// A client with these settings.
    pub fn client(&self, io: Io, timeouts: Timeouts, retry: Retry) -> Result<Client, Unset> {
        let settings = Settings {
            endpoint: self.endpoint.clone(),
            bucket_owner: self.bucket_owner.clone(),
            region: self.region.clone(),
            credentials: self.credentials()?.clone(),
            timeouts,
            retry,
        };
        Ok(Client::new(settings, io))
    }

    /// Where the key comes from, which a command needs.
    pub fn credentials(&self) -> Result<&Source, Unset> {
        self.credentials.as_ref().ok_or(Unset(
            "SAPT_AWS_ACCESS_KEY_ID and SAPT_AWS_SECRET_ACCESS_KEY, or another source of a key,",
        ))
    }

    /// The prefix of models, which a command needs.
    pub fn models_directory(&self) -> Result<&str, Unset> {
        self.models_directory.as_deref().ok_or(Unset("SAPT_AWS_S3_MODELS_DIR"))
    }

    /// The prefix of data, which a command needs.
    pub fn data_directory(&self) -> Result<&str, Unset> {
        self.data_directory.as_deref().ok_or(Unset("SAPT_AWS_S3_DATA_DIR"))
    }
}

/// A command needs a setting that is not there; names the variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unset(pub &'static str);

impl fmt::Display for Unset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this command needs S3, and {} is not set", self.0)
    }
}

impl std::error::Error for Unset {}
