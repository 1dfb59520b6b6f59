//! CreateMultipartUpload, UploadPart, CompleteMultipartUpload and AbortMultipartUpload: an object in
//! parts.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;

use futures_lite::FutureExt;
use futures_lite::future::try_zip;
use hyper::Method;
use hyper::header::ETAG;
use smol::Timer;

use crate::s3::checksum::etag_of_parts;
use crate::s3::client::random;
use crate::s3::error::{Answer, Cause};
use crate::s3::error_document::ErrorDocument;
use crate::s3::request::Request;
use crate::s3::upload::{Parts, Payload, Upload};
use crate::s3::xml::Reader;
use crate::s3::{Bucket, Client, Error, S3Key};

impl Client {
    /// Writes an object in parts, three of them at a time. Where that fails or is given up, S3 is
    /// told to forget them.
    pub(super) async fn write_in_parts(
        &self,
        bucket: &Bucket,
        key: &S3Key,
        body: &Upload,
    ) -> Result<(), Error> {
        let mut multipart = Multipart::begin(self, bucket, key).await?;
        let etags = multipart.send(body).await?;
        multipart.complete(&etags).await?;
        multipart.complete = true;
        Ok(())
    }
}

/// An upload that S3 has begun. It is aborted when it is dropped before it is complete.
struct Multipart {
    client: Client,
    bucket: Bucket,
    key: S3Key,
    id: String,
    complete: bool,
}

impl Multipart {
    async fn begin(client: &Client, bucket: &Bucket, key: &S3Key) -> Result<Self, Error> {
        let request =
            Request::object(Method::POST, bucket, key).with_query("uploads", String::new());
        let target = request.target();
        let answered = client.request(request).await?;
        let host = answered.host.clone();
        let body = client.finish(answered).await;
        let body = String::from_utf8_lossy(&body);
        let mut reader = Reader::new(&body);
        reader.enter("UploadId");
        let (id, true) = reader.text() else {
            return Err(Error::new(target, host, 1, Cause::Unexpected("it has no UploadId")));
        };
        let (client, bucket, key) = (client.clone(), bucket.clone(), key.clone());
        Ok(Self { client, bucket, key, id, complete: false })
    }

    fn request(&self, method: Method) -> Request<'_> {
        Request::object(method, &self.bucket, &self.key).with_query("uploadId", self.id.clone())
    }

    /// Sends all parts, and gives their ETags in order.
    async fn send(&self, body: &Upload) -> Result<Vec<String>, Error> {
        let parts = Parts::of(body.length());
        let (next, etags) = (Cell::new(0), RefCell::new(vec![String::new(); parts.count()]));
        let lane = || async {
            while next.get() < parts.count() {
                let index = next.replace(next.get() + 1);
                let etag = self.part(index + 1, body.part(parts.range(index))).await?;
                if let Some(place) = etags.borrow_mut().get_mut(index) {
                    *place = etag;
                }
            }
            Ok::<(), Error>(())
        };
        try_zip(lane(), try_zip(lane(), lane())).await?;
        Ok(etags.into_inner())
    }

    async fn part(&self, number: usize, payload: Payload) -> Result<String, Error> {
        let request = self
            .request(Method::PUT)
            .with_query("partNumber", number.to_string())
            .with_payload(payload);
        let target = request.target();
        let answered = self.client.request(request).await?;
        let host = answered.host.clone();
        let etag = answered.answer.headers().get(ETAG);
        let etag = etag.and_then(|etag| Some(etag.to_str().ok()?.to_owned()));
        self.client.finish(answered).await;
        etag.ok_or_else(|| Error::new(target, host, 1, Cause::Unexpected("it has no ETag")))
    }

    /// Has S3 make the object of its parts.
    async fn complete(&self, etags: &[String]) -> Result<(), Error> {
        let document = complete_document(etags);
        let retry = self.client.retry();
        let mut tries = 1;
        loop {
            let error = match self.try_to_complete(&document, tries).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let undecided = match error.cause() {
                Cause::Answer(answer) => answer.status == 200 && error.is_transient(),
                Cause::Unexpected(_) => true,
                _ => false,
            };
            if undecided && tries < retry.tries {
                Timer::after(retry.delay(tries, random())).await;
                tries += 1;
                continue;
            }
            // An earlier try may have been done, and only its answer been lost.
            return if self.is_there(etags).await { Ok(()) } else { Err(error) };
        }
    }

    async fn try_to_complete(&self, document: &str, tries: u32) -> Result<(), Error> {
        let payload = Payload::bytes(document.to_owned().into());
        let request = self.request(Method::POST).with_payload(payload);
        let target = request.target();
        let answered = self.client.request(request).await?;
        let (host, head) = (answered.host.clone(), answered.answer.headers().clone());
        // S3 begins its answer with 200 before it knows how it ends.
        let body = self.client.finish(answered).await;
        let body = String::from_utf8_lossy(&body);
        if body.contains("<CompleteMultipartUploadResult") {
            return Ok(());
        }
        let document = ErrorDocument::parse(&body);
        let cause = match document.code {
            Some(_) => Cause::Answer(Box::new(Answer::new(200, &head, document))),
            None => Cause::Unexpected("it has no result"),
        };
        Err(Error::new(target, host, tries, cause))
    }

    /// Whether the object that these parts make is at its place.
    async fn is_there(&self, etags: &[String]) -> bool {
        let Some(wanted) = etag_of_parts(etags) else { return false };
        let found = self.client.head(&self.bucket, &self.key).await;
        found.is_ok_and(|found| found.etag == Some(wanted))
    }
}

impl Drop for Multipart {
    fn drop(&mut self) {
        if self.complete {
            return;
        }
        let abort =
            abort(self.client.clone(), self.bucket.clone(), self.key.clone(), self.id.clone());
        self.client.executor().spawn(abort.boxed_local()).detach();
    }
}

/// Has S3 forget an upload that came to nothing: its parts would be stored, and paid for, for ever.
async fn abort(client: Client, bucket: Bucket, key: S3Key, id: String) {
    let request = Request::object(Method::DELETE, &bucket, &key).with_query("uploadId", id);
    match client.request(request).await {
        Ok(answered) => {
            client.finish(answered).await;
        }
        Err(error) if error.code() == Some("NoSuchUpload") => {}
        Err(error) => log::warn!("{error}; parts of an upload are left in the bucket"),
    }
}

fn complete_document(etags: &[String]) -> String {
    let mut document =
        String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (number, etag) in (1..).zip(etags) {
        let etag = etag.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        // Writing to a String cannot fail.
        let _ =
            write!(document, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    document.push_str("</CompleteMultipartUpload>");
    document
}
