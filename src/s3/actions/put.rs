//! PutObject.

use futures_lite::FutureExt;
use hyper::Method;

use crate::s3::request::Request;
use crate::s3::upload::{Parts, Upload};
use crate::s3::{Bucket, Client, Error, S3Key};

impl Client {
    /// Writes an object, and returns when S3 has stored it. A large one goes in parts; until all of
    /// them are there S3 shows nothing of it.
    pub async fn write(&self, bucket: &Bucket, key: &S3Key, body: Upload) -> Result<(), Error> {
        if body.length() > Parts::SMALLEST {
            // Apart, so that small writes do not carry its size.
            return self.write_in_parts(bucket, key, &body).boxed_local().await;
        }
        let request = Request::object(Method::PUT, bucket, key).with_payload(body.whole());
        let answered = self.request(request).await?;
        self.finish(answered).await;
        Ok(())
    }
}
