//! What a model declares of its tensors, and the check of those that a request brings.

use std::fmt;

use bytes::Bytes;

use crate::payload::{Payload, PayloadError};
use crate::wire::{self, DataType, TensorMetadata};

/// A tensor's name, element type and shape, as a model declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorSpec {
    /// Not always UTF-8.
    pub(crate) name: Bytes,
    pub(crate) element: DataType,
    /// Outermost first; [`DYNAMIC`] where each call may choose.
    pub(crate) shape: Vec<i32>,
}

/// A dimension that is not fixed.
pub(crate) const DYNAMIC: i32 = -1;

impl TensorSpec {
    pub(crate) fn metadata(&self) -> TensorMetadata {
        TensorMetadata {
            name: self.name.clone(),
            data_type: self.element.into(),
            shape: self.shape.clone(),
        }
    }

    /// Whether a call may choose a dimension.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.shape.contains(&DYNAMIC)
    }

    /// Whether a tensor of this shape is one that is declared here.
    fn allows(&self, shape: &[i32]) -> bool {
        self.shape.len() == shape.len()
            && self
                .shape
                .iter()
                .zip(shape)
                .all(|(wanted, given)| wanted == given || (*wanted == DYNAMIC && *given > 0))
    }
}

impl fmt::Display for TensorSpec {
    /// `"input" FLOAT32 [1, 224, 224, 3]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {} {:?}",
            String::from_utf8_lossy(&self.name),
            self.element.as_str_name(),
            self.shape
        )
    }
}

/// Bytes in one element.
pub(crate) fn element_size(element: DataType) -> u64 {
    match element {
        DataType::Uint8 => 1,
        DataType::Int16 | DataType::Float16 => 2,
        DataType::Int32 | DataType::Float32 => 4,
        DataType::Int64 | DataType::Float64 => 8,
    }
}

/// A tensor whose bytes are as many as its type and shape say. Little-endian, C order.
#[derive(Debug, Clone)]
pub(crate) struct CheckedTensor {
    /// With all dimensions fixed.
    pub(crate) spec: TensorSpec,
    pub(crate) data: Bytes,
}

impl CheckedTensor {
    /// Checks that a tensor is complete and consistent in itself, and fetches its bytes.
    pub(crate) fn parse(tensor: wire::Tensor) -> Result<Self, TensorError> {
        let (spec, data) = described(tensor)?;
        Self::with_data(spec, data)
    }

    fn with_data(spec: TensorSpec, data: Option<wire::tensor::Data>) -> Result<Self, TensorError> {
        let wanted = byte_size(&spec).ok_or_else(|| TensorError::Shape(spec.clone()))?;
        let fail = |error| TensorError::Payload(spec.clone(), error);
        let payload = Payload::from(data.ok_or_else(|| TensorError::NoData(spec.clone()))?);
        // Before shared memory is copied: its size may be anything.
        if payload.size() != wanted {
            let given = payload.size();
            return Err(TensorError::Size { spec, wanted, given });
        }
        let data = payload.read().map_err(fail)?;
        Ok(Self { spec, data })
    }
}

/// Pairs the tensors of a request with the inputs of a model, by name, in the model's order.
pub(crate) fn check_inputs(
    wanted: &[TensorSpec],
    given: Vec<wire::Tensor>,
) -> Result<Vec<CheckedTensor>, TensorError> {
    if given.len() != wanted.len() {
        return Err(TensorError::Count(wanted.into(), given.len()));
    }
    let mut slots: Vec<Option<CheckedTensor>> = vec![None; wanted.len()];
    for tensor in given {
        let (spec, data) = described(tensor)?;
        let input = wanted.iter().zip(&mut slots).find(|(input, _)| input.name == spec.name);
        let Some((input, slot)) = input else {
            return Err(TensorError::UnknownName(wanted.into(), spec.into()));
        };
        if slot.is_some() {
            return Err(TensorError::Twice(spec));
        }
        if spec.element != input.element || !input.allows(&spec.shape) {
            return Err(TensorError::Mismatch { wanted: input.clone(), given: spec.into() });
        }
        *slot = Some(CheckedTensor::with_data(spec, data)?);
    }
    // As many as wanted, each known, none twice: every slot is filled.
    Ok(slots.into_iter().flatten().collect())
}

fn described(
    tensor: wire::Tensor,
) -> Result<(TensorSpec, Option<wire::tensor::Data>), TensorError> {
    let metadata = tensor.tensor_metadata.ok_or(TensorError::NoMetadata)?;
    let element = DataType::try_from(metadata.data_type).map_err(|_| {
        let name = String::from_utf8_lossy(&metadata.name).into_owned();
        TensorError::Type(name, metadata.data_type)
    })?;
    let spec = TensorSpec { name: metadata.name, element, shape: metadata.shape };
    Ok((spec, tensor.data))
}

/// How many bytes a tensor has; none if a dimension is negative or the product is too large.
fn byte_size(spec: &TensorSpec) -> Option<u64> {
    spec.shape.iter().try_fold(element_size(spec.element), |size, dimension| {
        size.checked_mul(u64::try_from(*dimension).ok()?)
    })
}

/// A tensor of a request is not what the model, or the tensor itself, says it is.
#[derive(Debug)]
pub(crate) enum TensorError {
    NoMetadata,
    Type(String, i32),
    Shape(TensorSpec),
    NoData(TensorSpec),
    Size { spec: TensorSpec, wanted: u64, given: u64 },
    Payload(TensorSpec, PayloadError),
    Count(Vec<TensorSpec>, usize),
    UnknownName(Vec<TensorSpec>, Box<TensorSpec>),
    Twice(TensorSpec),
    Mismatch { wanted: TensorSpec, given: Box<TensorSpec> },
}

impl fmt::Display for TensorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMetadata => f.write_str("a tensor without tensor_metadata was given"),
            Self::Type(name, number) => write!(
                f,
                "tensor {name:?} has data_type {number}: known are 0 (UINT8) to 6 (FLOAT64)"
            ),
            Self::Shape(spec) => {
                write!(f, "tensor {spec} has a shape that no data can have: dimensions are counts")
            }
            Self::NoData(spec) => {
                write!(f, "tensor {spec} has neither byte_data nor a shared_memory_handle")
            }
            Self::Size { spec, wanted, given } => write!(
                f,
                "tensor {spec} was given with {given} bytes: its type and shape need {wanted}"
            ),
            Self::Payload(spec, error) => write!(f, "tensor {spec}: {error}"),
            Self::Count(wanted, given) => write!(
                f,
                "{given} input tensors were given, the model wants {}: {}",
                wanted.len(),
                Listed(wanted)
            ),
            Self::UnknownName(wanted, given) => write!(
                f,
                "tensor {given} was given, the model has no input of that name; it wants {}",
                Listed(wanted)
            ),
            Self::Twice(spec) => write!(f, "tensor {spec} was given twice"),
            Self::Mismatch { wanted, given } => {
                write!(f, "tensor {given} was given, the model wants {wanted}")
            }
        }
    }
}

impl std::error::Error for TensorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Payload(_, error) => Some(error),
            _ => None,
        }
    }
}

struct Listed<'a>(&'a [TensorSpec]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, spec) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{spec}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, element: DataType, shape: &[i32]) -> TensorSpec {
        TensorSpec { name: Bytes::copy_from_slice(name.as_bytes()), element, shape: shape.into() }
    }

    fn tensor(spec: &TensorSpec, bytes: usize) -> wire::Tensor {
        wire::Tensor {
            tensor_metadata: Some(spec.metadata()),
            data: Some(wire::tensor::Data::ByteData(vec![0; bytes].into())),
        }
    }

    #[test]
    fn inputs_are_paired_by_name_in_the_models_order() {
        let wanted =
            [spec("a", DataType::Float32, &[2, 2]), spec("b", DataType::Uint8, &[DYNAMIC])];
        let given = vec![tensor(&spec("b", DataType::Uint8, &[3]), 3), tensor(&wanted[0], 16)];
        let checked = check_inputs(&wanted, given).unwrap();
        assert_eq!(checked[0].spec, wanted[0]);
        assert_eq!(checked[1].spec.shape, [3]);
    }

    #[test]
    fn errors_say_what_was_given_and_what_is_wanted() {
        let wanted = [spec("in", DataType::Float32, &[1, DYNAMIC])];
        for (given, part) in [
            (vec![], "0 input tensors were given, the model wants 1: \"in\" FLOAT32 [1, -1]"),
            (
                vec![tensor(&spec("x", DataType::Float32, &[1, 1]), 4)],
                "\"x\" FLOAT32 [1, 1] was given, the model has no input of that name; it wants \"in\"",
            ),
            (
                vec![tensor(&spec("in", DataType::Int32, &[1, 1]), 4)],
                "\"in\" INT32 [1, 1] was given, the model wants \"in\" FLOAT32 [1, -1]",
            ),
            (vec![tensor(&spec("in", DataType::Float32, &[2, 1]), 8)], "[2, 1] was given"),
            (vec![tensor(&spec("in", DataType::Float32, &[1]), 4)], "[1] was given"),
            (vec![tensor(&spec("in", DataType::Float32, &[1, 0]), 0)], "[1, 0] was given"),
            (vec![tensor(&spec("in", DataType::Float32, &[1, -1]), 4)], "no data can have"),
            (
                vec![tensor(&spec("in", DataType::Float32, &[1, 2]), 7)],
                "with 7 bytes: its type and shape need 8",
            ),
            (vec![wire::Tensor::default()], "without tensor_metadata"),
            (
                vec![wire::Tensor {
                    tensor_metadata: Some(spec("in", DataType::Float32, &[1, 2]).metadata()),
                    data: None,
                }],
                "neither byte_data nor",
            ),
        ] {
            let message = check_inputs(&wanted, given).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn an_input_given_twice_is_refused() {
        let wanted = [spec("a", DataType::Uint8, &[1]), spec("b", DataType::Uint8, &[1])];
        let given = vec![tensor(&wanted[0], 1), tensor(&wanted[0], 1)];
        let message = check_inputs(&wanted, given).unwrap_err().to_string();
        assert!(message.contains("twice"), "{message}");
    }

    #[test]
    fn an_unknown_type_is_refused() {
        let mut metadata = spec("a", DataType::Uint8, &[1]).metadata();
        metadata.data_type = 7;
        let tensor = wire::Tensor { tensor_metadata: Some(metadata), data: None };
        let message = CheckedTensor::parse(tensor).unwrap_err().to_string();
        assert!(message.contains("data_type 7"), "{message}");
    }

    #[test]
    fn sizes_do_not_overflow() {
        assert_eq!(byte_size(&spec("a", DataType::Float64, &[i32::MAX; 4])), None);
        assert_eq!(byte_size(&spec("a", DataType::Float64, &[])), Some(8));
        assert_eq!(byte_size(&spec("a", DataType::Int16, &[3, 0])), Some(0));
    }
}
