//! The S3 client: signing, requests, transfers.

mod credentials;
pub mod signing;

pub use credentials::Credentials;
