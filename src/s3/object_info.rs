//! What is known of an object without its content.

/// What is known of an object without its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key.
    pub key: String,
    /// Its length in bytes, where S3 says it.
    pub length: Option<u64>,
    /// The version of the content, as S3 wrote it, with its quotes.
    pub etag: Option<String>,
}
