//! Stand-in for S3.
