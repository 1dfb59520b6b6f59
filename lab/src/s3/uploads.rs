//! The multipart uploads that are open, checked as S3 checks them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use s3s::dto::CompletedMultipartUpload;
use s3s::{S3Result, s3_error};

/// By upload id: the parts so far, each with its ETag.
#[derive(Default)]
pub(super) struct Uploads(Mutex<BTreeMap<String, BTreeMap<i32, String>>>);

impl Uploads {
    pub(super) fn begin(&self, id: &str) {
        self.0.lock().unwrap().insert(id.to_owned(), BTreeMap::new());
    }

    pub(super) fn part(&self, id: &str, number: i32, etag: &str) {
        if let Some(parts) = self.0.lock().unwrap().get_mut(id) {
            parts.insert(number, etag.to_owned());
        }
    }

    /// Completed or aborted.
    pub(super) fn end(&self, id: &str) {
        self.0.lock().unwrap().remove(id);
    }

    /// The ids of those that are still open.
    pub(super) fn open(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    pub(super) fn check(&self, id: &str) -> S3Result<()> {
        if self.0.lock().unwrap().contains_key(id) {
            return Ok(());
        }
        Err(s3_error!(
            NoSuchUpload,
            "The specified upload does not exist. The upload ID may be invalid, or the upload may \
             have been aborted or completed."
        ))
    }

    /// Whether these parts are there, in order, with these ETags.
    pub(super) fn check_parts(
        &self,
        id: &str,
        list: Option<&CompletedMultipartUpload>,
    ) -> S3Result<()> {
        self.check(id)?;
        let uploads = self.0.lock().unwrap();
        let mut last = 0;
        for part in list.and_then(|list| list.parts.as_ref()).into_iter().flatten() {
            let number = part.part_number.unwrap_or_default();
            if number <= last {
                return Err(s3_error!(InvalidPartOrder, "The list of parts was not in order."));
            }
            last = number;
            let known = uploads.get(id).and_then(|parts| parts.get(&number));
            let claimed = part.e_tag.as_ref().map(|etag| etag.value());
            if known.is_none() || known.map(String::as_str) != claimed {
                return Err(s3_error!(
                    InvalidPart,
                    "One or more of the specified parts could not be found."
                ));
            }
        }
        Ok(())
    }
}
