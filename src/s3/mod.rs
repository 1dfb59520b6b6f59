//! The S3 client: signing, requests, transfers.
//!
//! [`signing`] is pure and knows nothing of HTTP libraries; `transport` knows HTTP connections and
//! nothing of S3; [`Client`] joins the two.

mod actions;
mod advice;
mod bucket;
mod checksum;
mod client;
mod credentials;
mod download;
mod endpoint;
mod error;
mod error_document;
mod key;
mod region;
mod request;
mod retry;
pub mod signing;
mod transport;
mod upload;

pub use bucket::{Bucket, InvalidBucket};
pub use client::{Client, Io, Settings};
pub use credentials::Credentials;
pub use download::Object;
pub use endpoint::{Endpoint, InvalidEndpoint, Origin};
pub use error::{Answer, Cause, Error, Phase};
pub use key::{InvalidKey, S3Key};
pub use region::{InvalidRegion, Region};
pub use retry::Retry;
pub use transport::{InvalidRoots, Roots, Timeouts};
pub use upload::{ByteStream, ReadRange, Upload};
