//! What can be asked of S3: one file a kind of request.

mod get;
mod multipart;
mod put;
