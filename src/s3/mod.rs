//! The S3 client: signing, requests, transfers.
//!
//! [`signing`] is pure and knows nothing of HTTP libraries; `transport` knows HTTP connections and
//! nothing of S3; [`Client`] joins the two.

mod actions;
mod advice;
mod answer;
mod bucket;
mod bucket_owner;
mod checksum;
mod client;
pub mod credentials;
mod download;
mod endpoint;
mod error;
mod error_document;
mod key;
mod listing;
mod object_info;
mod origin;
mod proxy;
mod region;
mod request;
mod retry;
pub mod signing;
mod similar;
mod transport;
mod upload;
mod xml;

pub use actions::{Listing, Pages, READS};
pub use bucket::{Bucket, InvalidBucket};
pub use bucket_owner::{BucketOwner, InvalidBucketOwner};
pub use client::{Client, Io, Network, Settings};
pub use credentials::Credentials;
pub use download::Object;
pub use endpoint::{Addressing, Aws, Endpoint};
pub use error::{Answer, Cause, CertificateTime, Error, Phase, ProxyFailure};
pub use key::{InvalidKey, S3Key};
pub use listing::Page;
pub use object_info::ObjectInfo;
pub use origin::{InvalidOrigin, Origin};
pub use proxy::{Exempt, InvalidProxy, Proxies, Proxy};
pub use region::{InvalidRegion, Region};
pub use retry::{Retry, RetryBudget};
pub use transport::{Identity, InvalidIdentity, InvalidRoots, Roots, Timeouts};
pub use upload::{ByteStream, ReadRange, Upload};
