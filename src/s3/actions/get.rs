//! GetObject.

use bytes::Bytes;
use hyper::Method;

use crate::s3::object::{Object, ReadContext};
use crate::s3::request::Request;
use crate::s3::{Bucket, Client, Error, S3Key};

impl Client {
    /// Begins to read an object; [`Object::chunk`] gives its content.
    pub async fn read(&self, bucket: &Bucket, key: &S3Key) -> Result<Object, Error> {
        let request = Request::object(Method::GET, bucket, key);
        let target = request.target();
        let answered = self.request(request).await?;
        let context = ReadContext {
            target,
            host: answered.host,
            stall: self.timeouts().stall,
            idle: self.idle().clone(),
        };
        let (head, body) = answered.answer.into_parts();
        Object::new(&head.headers, body, answered.connection, context)
    }

    /// Reads a whole object into memory. One of more than `limit` bytes is refused, before it is
    /// read where S3 announces its length.
    pub async fn read_all(&self, bucket: &Bucket, key: &S3Key, limit: u64) -> Result<Bytes, Error> {
        self.read(bucket, key).await?.into_bytes(limit).await
    }
}
