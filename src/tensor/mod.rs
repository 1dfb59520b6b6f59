//! Tensors and the file formats they come in and go out.

use bytes::Bytes;

/// The type of a tensor's elements, as the agent knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// Unsigned, 8 bits.
    Uint8,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// IEEE 754 binary16.
    Float16,
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary64.
    Float64,
}

/// A tensor's name, element type and shape: what a model declares of each input and output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// The name; not always UTF-8.
    pub name: Bytes,
    /// What one element is.
    pub element: ElementType,
    /// The size of each dimension, outermost first. A negative or zero one is dynamic.
    pub shape: Vec<i32>,
}

/// A tensor with its elements, little-endian, outermost dimension first (C order).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Name, type and shape.
    pub spec: TensorSpec,
    /// The elements' bytes.
    pub data: Bytes,
}
