//! The S3 stand-in, asked by a client that AWS's own crate signs for.

mod checks;
mod client;
mod faults;
mod objects;
mod transfers;

use lab::s3::{Options, S3};

/// A stand-in with `bucket/key`.
fn s3_with(content: &[u8]) -> S3 {
    let s3 = S3::start(Options::default());
    s3.put("bucket", "key", content);
    s3
}

/// Bytes that differ along the way.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}
