//! Where data comes from and goes to: the URLs of `predict`. Pure.

use std::fmt;

use crate::s3::{Bucket, S3Key};
use crate::store::DataPath;

/// A place for data, from a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `file:///x`: below the models directory.
    File(DataPath),
    /// `s3:///x`: below the data prefix of the configured bucket.
    DataDirectory(String),
    /// `s3://bucket/key`.
    Object(Bucket, S3Key),
}

impl Location {
    /// Reads a URL. Nothing in it is percent-decoded: keys and file names are taken as they are.
    pub fn parse(url: &str) -> Result<Self, InvalidLocation> {
        let invalid =
            |reason: String| InvalidLocation { url: url.chars().take(256).collect(), reason };
        if let Some(path) = url.strip_prefix("file://") {
            return DataPath::parse(path)
                .map(Self::File)
                .map_err(|error| invalid(error.to_string()));
        }
        let Some(rest) = url.strip_prefix("s3://") else {
            return Err(invalid("it must begin with file:/// or s3://".to_owned()));
        };
        let (bucket, key) = rest
            .split_once('/')
            .filter(|(_, key)| !key.is_empty())
            .ok_or_else(|| invalid("it names no object".to_owned()))?;
        // Checked here, whatever prefix it will be put behind.
        let whole = S3Key::parse(key).map_err(|error| invalid(error.to_string()))?;
        if bucket.is_empty() {
            return Ok(Self::DataDirectory(key.to_owned()));
        }
        let bucket = Bucket::parse(bucket).map_err(|error| invalid(error.to_string()))?;
        Ok(Self::Object(bucket, whole))
    }
}

/// A URL that names no place for data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidLocation {
    url: String,
    reason: String,
}

impl fmt::Display for InvalidLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a place for data: {}; use file:///NAME, s3:///NAME or s3://BUCKET/KEY",
            self.url, self.reason
        )
    }
}

impl std::error::Error for InvalidLocation {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert!(matches!(Location::parse("file:///keras.bmp"), Ok(Location::File(_))));
        assert_eq!(
            Location::parse("s3:///a b/%20.bmp"),
            Ok(Location::DataDirectory("a b/%20.bmp".to_owned()))
        );
        assert!(matches!(
            Location::parse("s3://my-bucket/some/key"),
            Ok(Location::Object(bucket, key))
                if bucket.as_str() == "my-bucket" && key.as_str() == "some/key"
        ));
        for wrong in [
            "",
            "keras.bmp",
            "http://x/y",
            "file://",
            "file:///",
            "file:///../x",
            "s3://",
            "s3:///",
            "s3://bucket",
            "s3://bucket/",
            "s3://a b/x",
        ] {
            assert!(Location::parse(wrong).is_err(), "{wrong}");
        }
    }
}
