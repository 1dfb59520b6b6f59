//! GetObject.

use bytes::Bytes;
use hyper::StatusCode;

use crate::s3::download::{Object, Source};
use crate::s3::{Bucket, Client, Error, S3Key};

/// How often an object is read at most, where it is replaced meanwhile or comes corrupted.
pub const READS: u32 = 3;

impl Client {
    /// Begins to read an object; [`Object::chunk`] gives its content.
    pub async fn read(&self, bucket: &Bucket, key: &S3Key) -> Result<Object, Error> {
        let source = Source::new(self, bucket, key);
        let request = source.request().with_header("x-amz-checksum-mode", "ENABLED".to_owned());
        let answered = self.request(request).await?;
        Object::new(source, answered)
    }

    /// Begins to read an object, unless it is still the version with this ETag.
    pub async fn read_unless(
        &self,
        bucket: &Bucket,
        key: &S3Key,
        etag: &str,
    ) -> Result<Option<Object>, Error> {
        let source = Source::new(self, bucket, key);
        let request = source
            .request()
            .with_header("x-amz-checksum-mode", "ENABLED".to_owned())
            .with_header("if-none-match", etag.to_owned());
        let answered = self.request(request).await?;
        if answered.answer.status() == StatusCode::NOT_MODIFIED {
            self.idle().keep(answered.connection);
            return Ok(None);
        }
        // Some servers look at no condition.
        let object = Object::new(source, answered)?;
        Ok(Some(object).filter(|object| object.etag.as_deref() != Some(etag)))
    }

    /// Reads a whole object into memory. One of more than `limit` bytes is refused, before it is
    /// read where S3 announces its length.
    pub async fn read_all(&self, bucket: &Bucket, key: &S3Key, limit: u64) -> Result<Bytes, Error> {
        let mut reads = 1;
        loop {
            match self.read(bucket, key).await?.into_bytes(limit).await {
                Err(error) if reads < READS && error.is_worth_a_new_read() => {
                    log::info!("{error}; reading it from its beginning");
                    reads += 1;
                }
                result => return result,
            }
        }
    }
}
