//! DeleteObject.

use hyper::Method;

use crate::s3::request::Request;
use crate::s3::{Bucket, Client, Error, S3Key};

impl Client {
    /// Deletes an object; one that is not there counts as deleted.
    pub async fn delete(&self, bucket: &Bucket, key: &S3Key) -> Result<(), Error> {
        let answered = self.request(Request::object(Method::DELETE, bucket, key)).await?;
        self.finish(answered).await;
        Ok(())
    }
}
