//! Which archive a model comes from: the parameters of `loadModel` and `reloadModel`. Pure.

use super::error::Error;
use super::location::Location;
use crate::s3::{Bucket, S3Key};
use crate::store::{DataPath, Sha256};

/// An archive that a model is to come from.
#[derive(Debug)]
pub struct Archive {
    /// Where it is.
    pub source: Source,
    /// What it has to be, where that was told.
    pub sha256: Option<Sha256>,
}

/// Where an archive is.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// `params.s3_filename`: a key below the models' prefix of the configured bucket.
    ModelsDirectory(String),
    /// `s3://bucket/key`.
    Object(Bucket, S3Key),
    /// `file:///archive.tar.gz`: below the models directory, as inputs are.
    File(DataPath),
}

impl Source {
    /// Reads `params.url`.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        match Location::parse(url).map_err(Error::Location)? {
            Location::Object(bucket, key) => Ok(Self::Object(bucket, key)),
            Location::File(path) => Ok(Self::File(path)),
            Location::DataDirectory(_) => Err(Error::Parameter(
                "url",
                "s3://BUCKET/KEY or file:///NAME; what is below the models' prefix is named by \
                 s3_filename"
                    .to_owned(),
            )),
        }
    }
}
