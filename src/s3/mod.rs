//! The S3 client: signing, requests, transfers.
