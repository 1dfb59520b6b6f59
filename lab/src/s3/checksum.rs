//! Checksums that are kept with an object, and returned to who asks with
//! `x-amz-checksum-mode: ENABLED`.

use s3s::checksum::ChecksumHasher;
use s3s::dto::PutObjectInput;

/// What S3 can keep. Each is of the whole object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// `x-amz-checksum-crc32`
    Crc32,
    /// `x-amz-checksum-crc32c`
    Crc32c,
    /// `x-amz-checksum-crc64nvme`, the default of AWS's own clients.
    Crc64Nvme,
    /// `x-amz-checksum-sha1`
    Sha1,
    /// `x-amz-checksum-sha256`
    Sha256,
}

impl Checksum {
    /// Lets the object be stored with it, as an upload that brings it along.
    pub(super) fn add(self, content: &[u8], input: &mut PutObjectInput) {
        let mut hasher = ChecksumHasher::default();
        match self {
            Checksum::Crc32 => hasher.crc32 = Some(Default::default()),
            Checksum::Crc32c => hasher.crc32c = Some(Default::default()),
            Checksum::Crc64Nvme => hasher.crc64nvme = Some(Default::default()),
            Checksum::Sha1 => hasher.sha1 = Some(Default::default()),
            Checksum::Sha256 => hasher.sha256 = Some(Default::default()),
        }
        hasher.update(content);
        let computed = hasher.finalize();
        input.checksum_crc32 = computed.checksum_crc32;
        input.checksum_crc32c = computed.checksum_crc32c;
        input.checksum_crc64nvme = computed.checksum_crc64nvme;
        input.checksum_sha1 = computed.checksum_sha1;
        input.checksum_sha256 = computed.checksum_sha256;
    }
}
