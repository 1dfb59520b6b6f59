//! What a server's ETags are.

use std::cell::{Cell, RefCell};

/// Whether ETags that have the form of an MD5 are one. Amazon's are; other servers may make theirs
/// of something else.
#[derive(Default)]
pub(in crate::s3) struct Etags {
    are_something_else: Cell<bool>,
    /// The last one that was not the content's MD5, and what that was.
    doubted: RefCell<Option<[Vec<u8>; 2]>>,
}

impl Etags {
    pub(super) fn may_be_digests(&self) -> bool {
        !self.are_something_else.get()
    }

    /// An ETag is not the MD5 of the content that came: tells whether that is the ETag's fault. It is
    /// where the content came twice with the same MD5, which no corruption on the way brings about.
    pub(super) fn are_refuted_by(&self, etag: &[u8], computed: &[u8]) -> bool {
        let pair = [etag.to_vec(), computed.to_vec()];
        let again = self.doubted.borrow().as_ref() == Some(&pair);
        if again {
            log::info!(
                "two reads of an object agree, and its ETag is not their MD5: this server's ETags \
                 are something else, and are not compared with the content any more"
            );
            self.are_something_else.set(true);
        }
        *self.doubted.borrow_mut() = Some(pair);
        again
    }
}
