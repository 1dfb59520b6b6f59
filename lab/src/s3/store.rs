//! Objects as files: `s3s-fs`, corrected where it answers otherwise than S3.
//!
//! - A key may have empty, `.` and `..` parts, which name no files: see [`file_key`].
//! - A folder is not an object, a missing bucket is not a missing key, an empty object has no
//!   ranges, and a suffix range may be longer than its object.
//! - `If-Match` and `If-None-Match` hold for GET and HEAD too.
//! - Checksums come only to who asks for them, and parts are checked before they are joined.
//! - Listings encode keys when they say so.
//! - Objects are read in pieces of 256 KiB, not 4 KiB: each costs a change of thread.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use s3s::dto::*;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::checks::encode;
use super::checksum::Checksum;
use super::uploads::Uploads;

/// Goes with a GET that is to be answered as if its `range` were not there.
#[derive(Clone, Copy)]
pub(super) struct WithoutRanges;

/// How much of an object is read at a time.
const PIECE: usize = 256 * 1024;

/// The objects below one directory.
#[derive(Clone)]
pub(super) struct Store {
    root: PathBuf,
    files: Arc<FileSystem>,
    uploads: Arc<Uploads>,
}

/// The file, below its bucket's directory, that holds the object with this key.
///
/// It is the key, but for parts that a file system would swallow: `%` is put before a part that
/// is empty, `.` or `..`, and before one that begins with `%` itself, so that no two keys meet.
pub(super) fn file_key(key: &str) -> String {
    let parts: Vec<String> = key
        .split('/')
        .map(|part| match part {
            "" | "." | ".." => format!("%{part}"),
            _ if part.starts_with('%') => format!("%{part}"),
            _ => part.to_owned(),
        })
        .collect();
    parts.join("/")
}

/// The key of the object that this file holds.
fn object_key(file_key: &str) -> String {
    let parts: Vec<&str> =
        file_key.split('/').map(|part| part.strip_prefix('%').unwrap_or(part)).collect();
    parts.join("/")
}

/// The prefix of all file keys whose object keys have this prefix. The last part is still open.
fn file_prefix(prefix: &str) -> String {
    match prefix.rsplit_once('/') {
        Some((folders, "")) => format!("{}/", file_key(folders)),
        Some((folders, last)) => format!("{}/{}", file_key(folders), open_part(last)),
        None => open_part(prefix),
    }
}

fn open_part(part: &str) -> String {
    if part.starts_with('%') { format!("%{part}") } else { part.to_owned() }
}

impl Store {
    pub(super) fn new(root: &Path) -> Store {
        let files = FileSystem::new(root)
            .unwrap_or_else(|error| panic!("cannot keep objects in {}: {error:?}", root.display()));
        Store { root: root.to_owned(), files: Arc::new(files), uploads: Arc::default() }
    }

    /// Stores an object; the bucket's directory exists.
    pub(super) async fn put(
        &self,
        bucket: String,
        key: String,
        content: Vec<u8>,
        checksum: Option<Checksum>,
    ) -> S3Result<()> {
        let mut input = PutObjectInput {
            bucket,
            key,
            content_length: Some(content.len() as i64),
            ..Default::default()
        };
        if let Some(checksum) = checksum {
            checksum.add(&content, &mut input);
        }
        input.body = Some(StreamingBlob::from(s3s::Body::from(content)));
        self.put_object(own_request(input)).await.map(|_| ())
    }

    pub(super) fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// The object's size, or what S3 says where there is no such object.
    fn size(&self, bucket: &str, key: &str) -> S3Result<u64> {
        let bucket = self.root.join(bucket);
        if !bucket.is_dir() {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        match bucket.join(file_key(key)).metadata() {
            Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
            _ => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
        }
    }

    /// Checks the conditions of a GET or HEAD, RFC 9110 section 13.2.2.
    async fn check_conditions(
        &self,
        bucket: &str,
        key: &str,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<()> {
        if if_match.is_none() && if_none_match.is_none() {
            return Ok(());
        }
        let head =
            HeadObjectInput { bucket: bucket.to_owned(), key: file_key(key), ..Default::default() };
        let etag = self.files.head_object(own_request(head)).await?.output.e_tag;
        let matches = |condition: &ETagCondition| match (condition.as_etag(), &etag) {
            (Some(wanted), Some(etag)) => wanted.value() == etag.value(),
            _ => condition.is_any(),
        };
        if if_match.is_some_and(|condition| !matches(condition)) {
            return Err(s3_error!(
                PreconditionFailed,
                "At least one of the pre-conditions you specified did not hold"
            ));
        }
        if if_none_match.is_some_and(matches) {
            return Err(s3_error!(NotModified));
        }
        Ok(())
    }
}

fn own_request<T>(input: T) -> S3Request<T> {
    S3Request {
        input,
        method: Default::default(),
        uri: Default::default(),
        headers: Default::default(),
        extensions: Default::default(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

#[async_trait]
impl S3 for Store {
    async fn get_object(
        &self,
        mut request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = &mut request.input;
        let size = self.size(&input.bucket, &input.key)?;
        let (if_match, if_none_match) = (input.if_match.as_ref(), input.if_none_match.as_ref());
        self.check_conditions(&input.bucket, &input.key, if_match, if_none_match).await?;
        if request.extensions.get::<WithoutRanges>().is_some() {
            input.range = None;
        }
        let shows_checksum = input.checksum_mode.take().is_some();
        input.key = file_key(&input.key);
        input.range = match input.range {
            Some(_) if size == 0 => {
                return Err(s3_error!(InvalidRange, "The requested range is not satisfiable"));
            }
            Some(Range::Suffix { length }) => Some(Range::Suffix { length: length.min(size) }),
            range => range,
        };
        let path = self.root.join(&input.bucket).join(&input.key);
        let asked = input.range.map_or(Ok(0..size), |range| range.check(size))?;
        let mut response = self.files.get_object(request).await?;

        let mut file = File::open(path).await.map_err(S3Error::internal_error)?;
        file.seek(SeekFrom::Start(asked.start)).await.map_err(S3Error::internal_error)?;
        let pieces = ReaderStream::with_capacity(file.take(asked.end - asked.start), PIECE);
        let output = &mut response.output;
        output.body = Some(StreamingBlob::wrap(pieces));
        if !shows_checksum {
            output.checksum_crc32 = None;
            output.checksum_crc32c = None;
            output.checksum_crc64nvme = None;
            output.checksum_sha1 = None;
            output.checksum_sha256 = None;
        }
        Ok(response)
    }

    async fn head_object(
        &self,
        mut request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = &mut request.input;
        self.size(&input.bucket, &input.key)?;
        let (if_match, if_none_match) = (input.if_match.as_ref(), input.if_none_match.as_ref());
        self.check_conditions(&input.bucket, &input.key, if_match, if_none_match).await?;
        let shows_checksum = input.checksum_mode.take().is_some();
        input.key = file_key(&input.key);
        let mut response = self.files.head_object(request).await?;
        let output = &mut response.output;
        output.accept_ranges = Some("bytes".to_owned());
        if !shows_checksum {
            output.checksum_crc32 = None;
            output.checksum_crc32c = None;
            output.checksum_crc64nvme = None;
            output.checksum_sha1 = None;
            output.checksum_sha256 = None;
        }
        Ok(response)
    }

    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        if !self.root.join(&request.input.bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        request.input.key = file_key(&request.input.key);
        self.files.put_object(request).await
    }

    async fn delete_object(
        &self,
        mut request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        if self.size(&request.input.bucket, &request.input.key).is_err() {
            // S3 deletes what is not there.
            return Ok(S3Response::new(DeleteObjectOutput::default()));
        }
        request.input.key = file_key(&request.input.key);
        self.files.delete_object(request).await
    }

    async fn list_objects_v2(
        &self,
        mut request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let asked = request.input.clone();
        let input = &mut request.input;
        input.prefix = input.prefix.as_deref().map(file_prefix);
        input.start_after = input.start_after.as_deref().map(file_key);
        let mut response = self.files.list_objects_v2(request).await?;

        let output = &mut response.output;
        let encodes = asked.encoding_type.is_some();
        let shown = |key: &str| if encodes { encode(key) } else { key.to_owned() };
        for object in output.contents.iter_mut().flatten() {
            object.key = object.key.as_deref().map(|key| shown(&object_key(key)));
        }
        for folder in output.common_prefixes.iter_mut().flatten() {
            folder.prefix = folder.prefix.as_deref().map(|prefix| shown(&object_key(prefix)));
        }
        output.prefix = asked.prefix.as_deref().map(shown);
        output.start_after = asked.start_after.as_deref().map(shown);
        output.delimiter = asked.delimiter.as_deref().map(shown);
        Ok(response)
    }

    async fn create_multipart_upload(
        &self,
        mut request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        if !self.root.join(&request.input.bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        let key = std::mem::take(&mut request.input.key);
        request.input.key = file_key(&key);
        let mut response = self.files.create_multipart_upload(request).await?;
        self.uploads.begin(response.output.upload_id.as_deref().unwrap_or_default());
        response.output.key = Some(key);
        Ok(response)
    }

    async fn upload_part(
        &self,
        mut request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let (id, number) = (request.input.upload_id.clone(), request.input.part_number);
        self.uploads.check(&id)?;
        request.input.key = file_key(&request.input.key);
        let response = self.files.upload_part(request).await?;
        if let Some(etag) = &response.output.e_tag {
            self.uploads.part(&id, number, etag.value());
        }
        Ok(response)
    }

    async fn list_parts(
        &self,
        mut request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        self.uploads.check(&request.input.upload_id)?;
        request.input.key = file_key(&request.input.key);
        let mut response = self.files.list_parts(request).await?;
        response
            .output
            .parts
            .iter_mut()
            .for_each(|parts| parts.sort_by_key(|part| part.part_number));
        Ok(response)
    }

    async fn complete_multipart_upload(
        &self,
        mut request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let id = request.input.upload_id.clone();
        self.uploads.check_parts(&id, request.input.multipart_upload.as_ref())?;
        request.input.key = file_key(&request.input.key);
        let response = self.files.complete_multipart_upload(request).await?;
        self.uploads.end(&id);
        Ok(response)
    }

    async fn abort_multipart_upload(
        &self,
        mut request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let id = request.input.upload_id.clone();
        self.uploads.check(&id)?;
        request.input.key = file_key(&request.input.key);
        let response = self.files.abort_multipart_upload(request).await?;
        self.uploads.end(&id);
        Ok(response)
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(request).await
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(request).await
    }

    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        self.files.list_buckets(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_files_are_one_to_one() {
        for (key, file) in [
            ("models/digits.tar.gz", "models/digits.tar.gz"),
            ("a//b", "a/%/b"),
            ("a/../b", "a/%../b"),
            ("./a", "%./a"),
            ("/a", "%/a"),
            ("a/", "a/%"),
            ("a%20b/%20", "a%20b/%%20"),
            ("%", "%%"),
        ] {
            assert_eq!(file_key(key), file);
            assert_eq!(object_key(file), key);
        }
    }

    #[test]
    fn prefixes_match_the_files_of_their_keys() {
        for (prefix, key) in
            [("a//", "a//b"), ("a/", "a/../b"), ("%2", "%20"), ("a/../", "a/../b"), ("", "x")]
        {
            let (file, wanted) = (file_key(key), file_prefix(prefix));
            assert!(file.starts_with(&wanted), "{file} does not begin with {wanted}");
        }
    }
}
