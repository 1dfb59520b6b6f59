//! PutObject.

use bytes::Bytes;
use hyper::Method;
use smol::stream::StreamExt;

use crate::s3::request::Request;
use crate::s3::upload::{Payload, Source, SourceFailure, Upload};
use crate::s3::{Bucket, Client, Error, S3Key};

impl Client {
    /// Writes an object, and returns when S3 has stored it.
    pub async fn write(&self, bucket: &Bucket, key: &S3Key, body: Upload) -> Result<(), Error> {
        let request = Request::object(Method::PUT, bucket, key);
        let payload = match body {
            Upload::Bytes(content) => Payload::bytes(content),
            // hyper does not look at the stream of a body that is empty by its length.
            Upload::Stream { length: 0, stream } => {
                let failure = SourceFailure::default();
                Source::new(stream, 0, failure.clone()).next().await;
                if let Some(cause) = failure.take() {
                    return Err(self.error(&request, 1, cause));
                }
                Payload::bytes(Bytes::new())
            }
            Upload::Stream { length, stream } => {
                Payload::Stream { length, stream: Some(stream), failure: SourceFailure::default() }
            }
        };
        let answered = self.request(request.with_payload(payload)).await?;
        let (_, whole) = self.read_small(answered.answer.into_body()).await;
        if whole {
            self.idle().keep(answered.connection);
        }
        Ok(())
    }
}
