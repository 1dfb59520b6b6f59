//! What can be asked of S3: one file a kind of request.

mod delete;
mod get;
mod head;
mod list;
mod multipart;
mod put;

pub use get::READS;
pub use list::{Listing, Pages};
