//! ListObjectsV2.

use hyper::Method;

use crate::s3::error::Cause;
use crate::s3::listing::Page;
use crate::s3::request::{Answered, Request};
use crate::s3::{Bucket, Client, Error};

/// A page holds at most 1,000 objects; with the longest keys, encoded, it is not larger than this.
const LARGEST_PAGE: usize = 16 << 20;

/// What is listed of a bucket.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Keys that have this after the prefix are listed as one common prefix, up to and with it:
    /// `/` lists one directory.
    pub delimiter: Option<char>,
    /// How many objects and common prefixes a page has at most; S3 gives 1,000 at most.
    pub page: Option<u32>,
}

/// A listing while it is read, page by page.
pub struct Pages<'a> {
    client: &'a Client,
    bucket: &'a Bucket,
    listing: Listing,
    next: Next,
}

enum Next {
    First,
    Continued(String),
    Ended,
}

impl Client {
    /// Lists a bucket.
    pub fn list<'a>(&'a self, bucket: &'a Bucket, listing: Listing) -> Pages<'a> {
        Pages { client: self, bucket, listing, next: Next::First }
    }

    /// Reads one page of a listing.
    pub(in crate::s3) async fn read_page(&self, answered: Answered) -> Result<Page, Cause> {
        let (body, whole) = self.read_up_to(answered.answer.into_body(), LARGEST_PAGE).await;
        if !whole {
            let received = body.len() as u64;
            return Err(Cause::Truncated { expected: None, received, error: None });
        }
        self.idle().keep(answered.connection);
        let text = std::str::from_utf8(&body).map_err(|_| Cause::Unexpected("it is not UTF-8"))?;
        Page::parse(text).map_err(Cause::Unexpected)
    }
}

impl Pages<'_> {
    /// The next page, which may be empty; None after the last one.
    pub async fn next(&mut self) -> Result<Option<Page>, Error> {
        let token = match &self.next {
            Next::First => None,
            Next::Continued(token) => Some(token.as_str()),
            Next::Ended => return Ok(None),
        };
        let request = || self.listing.request(self.bucket, token);
        let answered = self.client.request(request()).await?;
        let page = self.client.read_page(answered).await;
        let page = page.map_err(|cause| self.client.error(&request(), 1, cause))?;
        self.next = match &page.next {
            Some(token) => Next::Continued(token.clone()),
            None => Next::Ended,
        };
        Ok(Some(page))
    }
}

impl Listing {
    /// The request for its first page, or for the one that `token` stands for.
    pub(in crate::s3) fn request<'a>(
        &self,
        bucket: &'a Bucket,
        token: Option<&str>,
    ) -> Request<'a> {
        // XML cannot carry every character that a key may have.
        let query = [
            ("list-type", Some("2".to_owned())),
            ("encoding-type", Some("url".to_owned())),
            ("prefix", Some(self.prefix.clone()).filter(|prefix| !prefix.is_empty())),
            ("delimiter", self.delimiter.map(String::from)),
            ("max-keys", self.page.map(|page| page.to_string())),
            ("continuation-token", token.map(str::to_owned)),
        ];
        let query = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Request { query, ..Request::bucket(Method::GET, bucket) }
    }
}
