//! Where a request's bytes are: in the message, or in shared memory.

use std::fmt;

use bytes::Bytes;

use crate::shared_memory::{self, SharedMemoryError};
use crate::wire::{SharedMemoryHandle, auxilary_data, tensor};

/// Bytes of a tensor or of auxiliary data, not yet fetched.
#[derive(Debug)]
pub(crate) enum Payload {
    Message(Bytes),
    SharedMemory(SharedMemoryHandle),
}

impl Payload {
    /// How many bytes the client says there are.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Message(bytes) => bytes.len() as u64,
            Self::SharedMemory(handle) => handle.size,
        }
    }

    /// The bytes: shared with the message, or a copy of the shared memory.
    pub(crate) fn read(self) -> Result<Bytes, PayloadError> {
        match self {
            Self::Message(bytes) => Ok(bytes),
            Self::SharedMemory(handle) => shared_memory::read(&handle).map_err(PayloadError),
        }
    }
}

impl From<tensor::Data> for Payload {
    fn from(data: tensor::Data) -> Self {
        match data {
            tensor::Data::ByteData(bytes) => Self::Message(bytes),
            tensor::Data::SharedMemoryHandle(handle) => Self::SharedMemory(handle),
        }
    }
}

impl From<auxilary_data::Data> for Payload {
    fn from(data: auxilary_data::Data) -> Self {
        match data {
            auxilary_data::Data::ByteData(bytes) => Self::Message(bytes),
            auxilary_data::Data::SharedMemoryHandle(handle) => Self::SharedMemory(handle),
        }
    }
}

/// Bytes could not be fetched.
#[derive(Debug)]
pub(crate) struct PayloadError(SharedMemoryError);

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for PayloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
