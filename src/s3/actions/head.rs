//! HeadObject and HeadBucket.

use hyper::Method;
use hyper::header::{CONTENT_LENGTH, ETAG};

use crate::s3::request::Request;
use crate::s3::{Bucket, Client, Error, ObjectInfo, Region, S3Key};

impl Client {
    /// Asks for an object's length and version.
    pub async fn head(&self, bucket: &Bucket, key: &S3Key) -> Result<ObjectInfo, Error> {
        let answered = self.request(Request::object(Method::HEAD, bucket, key)).await?;
        self.idle().keep(answered.connection);
        let headers = answered.answer.headers();
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Ok(ObjectInfo {
            key: key.to_string(),
            length: header(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            etag: header(ETAG).map(str::to_owned),
        })
    }

    /// Asks whether the bucket is there and may be listed; with its region, where S3 says it.
    pub async fn head_bucket(&self, bucket: &Bucket) -> Result<Option<Region>, Error> {
        let answered = self.request(Request::bucket(Method::HEAD, bucket)).await?;
        self.idle().keep(answered.connection);
        let region = answered.answer.headers().get("x-amz-bucket-region");
        Ok(region.and_then(|region| Region::parse(region.to_str().ok()?).ok()))
    }
}
