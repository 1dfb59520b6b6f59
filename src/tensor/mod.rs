//! Tensors and the file formats they come in and go out.
//!
//! Pure: bytes in, bytes out. What a caller sent is recognised by its content and becomes the
//! model's input ([`read_inputs`], [`read_input`]); an output becomes a file ([`OutputFormat`]).

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

mod bmp;
mod error;
mod input;
mod json;
mod layout;
mod npy;
mod output;
mod picture;
mod preprocess;
mod shape;

pub use error::{Error, Format};
pub use input::{read_input, read_inputs};
pub use output::{Encoded, OutputFormat, file_name_part, to_json, to_npy};
pub use preprocess::{ChannelOrder, Preprocess, Resize};

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

impl ElementType {
    /// The type with this number in the agent's `DataType` enum, if there is one.
    pub fn from_wire(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Uint8,
            1 => Self::Int16,
            2 => Self::Int32,
            3 => Self::Int64,
            4 => Self::Float16,
            5 => Self::Float32,
            6 => Self::Float64,
            _ => return None,
        })
    }

    /// Its number in the agent's `DataType` enum.
    pub fn to_wire(self) -> i32 {
        match self {
            Self::Uint8 => 0,
            Self::Int16 => 1,
            Self::Int32 => 2,
            Self::Int64 => 3,
            Self::Float16 => 4,
            Self::Float32 => 5,
            Self::Float64 => 6,
        }
    }

    /// The bytes that one element takes.
    pub fn size(self) -> usize {
        match self {
            Self::Uint8 => 1,
            Self::Int16 | Self::Float16 => 2,
            Self::Int32 | Self::Float32 => 4,
            Self::Int64 | Self::Float64 => 8,
        }
    }

    /// Its name in the agent's `DataType` enum.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uint8 => "UINT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float16 => "FLOAT16",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
        }
    }

    /// How numpy writes the type in an array's header: byte order, kind and size.
    pub fn numpy_descr(self) -> &'static str {
        match self {
            Self::Uint8 => "|u1",
            Self::Int16 => "<i2",
            Self::Int32 => "<i4",
            Self::Int64 => "<i8",
            Self::Float16 => "<f2",
            Self::Float32 => "<f4",
            Self::Float64 => "<f8",
        }
    }

    /// Every type, in the order of the agent's numbers.
    pub(crate) const ALL: [Self; 7] = [
        Self::Uint8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Float16,
        Self::Float32,
        Self::Float64,
    ];
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A tensor's name, element type and shape: what a model declares of each input and output.
///
/// Displayed as `"input_1" FLOAT32 [1,224,224,3]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// The name; not always UTF-8.
    pub name: Bytes,
    /// What one element is.
    pub element: ElementType,
    /// The size of each dimension, outermost first. A negative or zero one is dynamic.
    pub shape: Vec<i32>,
}

impl TensorSpec {
    /// The bytes that a tensor of this shape takes. `None` where a dimension is dynamic, or where
    /// the number is larger than memory can be.
    pub fn byte_length(&self) -> Option<usize> {
        self.shape.iter().try_fold(self.element.size(), |bytes, &size| {
            let size = usize::try_from(size).ok().filter(|size| *size > 0)?;
            bytes.checked_mul(size)
        })
    }

    /// The name as text: itself where it is UTF-8, else as [`file_name_part`] escapes it.
    pub fn name_text(&self) -> Cow<'_, str> {
        match std::str::from_utf8(&self.name) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(file_name_part(&self.name)),
        }
    }
}

impl fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.name) {
            Ok(name) => write!(f, "{name:?}")?,
            Err(_) => write!(f, "\"{}\"", self.name.escape_ascii())?,
        }
        write!(f, " {} {}", self.element, shape::Listed(&self.shape))
    }
}

/// A tensor with its elements, little-endian, outermost dimension first (C order).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Name, type and shape.
    pub spec: TensorSpec,
    /// The elements' bytes.
    pub data: Bytes,
}

impl Tensor {
    /// A tensor whose bytes are exactly those of its shape.
    ///
    /// A dimension of zero is one of an empty tensor here, with no bytes.
    ///
    /// # Errors
    ///
    /// [`Error::DataLength`] for a negative dimension, or another number of bytes.
    pub fn new(spec: TensorSpec, data: Bytes) -> Result<Self, Error> {
        if shape::byte_length(&spec.shape, spec.element) == Some(data.len()) {
            Ok(Self { spec, data })
        } else {
            Err(Error::DataLength { spec, length: data.len() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &'static [u8], element: ElementType, shape: &[i32]) -> TensorSpec {
        TensorSpec { name: Bytes::from_static(name), element, shape: shape.to_vec() }
    }

    #[test]
    fn element_types_are_the_agents() {
        for (number, (element, size)) in
            ElementType::ALL.into_iter().zip([1, 2, 4, 8, 2, 4, 8]).enumerate()
        {
            let number = i32::try_from(number).unwrap();
            assert_eq!(ElementType::from_wire(number), Some(element));
            assert_eq!(element.to_wire(), number);
            assert_eq!(element.size(), size);
            assert!(element.numpy_descr().ends_with(&size.to_string()));
        }
        assert_eq!(ElementType::from_wire(7), None);
        assert_eq!(ElementType::from_wire(-1), None);
        assert_eq!(ElementType::from_wire(5).unwrap().name(), "FLOAT32");
    }

    #[test]
    fn byte_length_is_none_for_dynamic_and_overflowing_shapes() {
        let of = |shape: &[i32]| spec(b"x", ElementType::Float32, shape).byte_length();
        assert_eq!(of(&[1, 224, 224, 3]), Some(602_112));
        assert_eq!(of(&[]), Some(4));
        assert_eq!(of(&[-1, 4]), None);
        assert_eq!(of(&[0, 4]), None);
        assert_eq!(of(&[i32::MIN]), None);
        assert_eq!(of(&[i32::MAX, i32::MAX, i32::MAX]), None);
        assert_eq!(of(&[0, i32::MAX, i32::MAX, i32::MAX]), None);
    }

    #[test]
    fn display_escapes_the_name() {
        assert_eq!(
            spec(b"input_1", ElementType::Float32, &[1, 224, 224, 3]).to_string(),
            "\"input_1\" FLOAT32 [1,224,224,3]"
        );
        assert_eq!(
            spec(b"a\"\n\xff", ElementType::Uint8, &[]).to_string(),
            "\"a\\\"\\n\\xff\" UINT8 []"
        );
        assert_eq!(
            spec("n\u{e4}\n".as_bytes(), ElementType::Int64, &[-1]).to_string(),
            "\"n\u{e4}\\n\" INT64 [-1]"
        );
    }

    #[test]
    fn a_tensor_has_the_bytes_of_its_shape() {
        let bytes = |length: usize| Bytes::from(vec![0; length]);
        for (shape, length) in [(&[2, 3][..], 12), (&[], 2), (&[0, 9], 0)] {
            let wanted = spec(b"x", ElementType::Int16, shape);
            assert!(Tensor::new(wanted.clone(), bytes(length)).is_ok());
            assert!(Tensor::new(wanted, bytes(length + 1)).is_err());
        }
        assert!(Tensor::new(spec(b"x", ElementType::Int16, &[-1, 3]), bytes(6)).is_err());
        let error = Tensor::new(spec(b"x", ElementType::Int16, &[2, 3]), bytes(5)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the tensor \"x\" INT16 [2,3] has 5 bytes, but its shape takes 12"
        );
    }
}
