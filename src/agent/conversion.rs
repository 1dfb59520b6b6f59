//! The agent's messages, made from and into the product's own types.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use prost::Message;

use super::frame::{Frame, TooLarge, Writer};
use super::{Encoding, Malformed, proto};
use crate::model_name::ModelName;
use crate::tensor::{ElementType, Tensor, TensorSpec};

/// A model as the agent describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// As the agent gives it; not necessarily one that this product loaded.
    pub name: String,
    /// The directory it was loaded from.
    pub url: String,
    /// May be empty for a model whose shapes are dynamic.
    pub inputs: Vec<TensorSpec>,
    /// May be empty for a model whose shapes are dynamic.
    pub outputs: Vec<TensorSpec>,
}

/// What CaptureData keeps of one prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The model that predicted.
    pub model: ModelName,
    /// By which the capture's status is asked for.
    pub id: uuid::Uuid,
    /// When the prediction was made; the agent refuses the future.
    pub time: SystemTime,
    /// What the model was given.
    pub inputs: Vec<Tensor>,
    /// What it answered.
    pub outputs: Vec<Tensor>,
    /// What else belongs to the inputs.
    pub aux: Vec<AuxiliaryData>,
}

/// Data kept beside a capture's tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuxiliaryData {
    /// Any name.
    pub name: String,
    /// How `data` is to be understood.
    pub encoding: Encoding,
    /// The data itself.
    pub data: Bytes,
}

/// A PredictRequest, sharing the tensors' bytes.
pub(super) fn predict_request(
    model: &ModelName,
    inputs: Vec<Tensor>,
    limit: usize,
) -> Result<Frame, TooLarge> {
    let mut message =
        proto::PredictRequest { name: model.as_str().to_owned(), tensors: into_proto(inputs) };
    let mut writer = Writer::new(message.encoded_len(), limit)?;
    let tensors = std::mem::take(&mut message.tensors);
    writer.message(&message);
    write_tensors(&mut writer, 2, tensors);
    Ok(writer.finish())
}

/// A CaptureDataRequest, sharing the tensors' bytes.
pub(super) fn capture_request(capture: Capture, limit: usize) -> Result<Frame, TooLarge> {
    // A clock before 1970 counts as 1970: such a gateway has no usable clock at all.
    let time = capture.time.duration_since(UNIX_EPOCH);
    let time = time.unwrap_or(Duration::ZERO);
    let auxiliary = |aux: AuxiliaryData| proto::AuxilaryData {
        name: aux.name,
        encoding: aux.encoding.into(),
        data: Some(proto::auxilary_data::Data::ByteData(aux.data)),
    };
    let mut message = proto::CaptureDataRequest {
        model_name: capture.model.as_str().to_owned(),
        capture_id: capture.id.to_string(),
        inference_timestamp: Some(proto::Timestamp {
            seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            nanos: time.subsec_nanos().cast_signed(),
        }),
        input_tensors: into_proto(capture.inputs),
        output_tensors: into_proto(capture.outputs),
        inputs: capture.aux.into_iter().map(auxiliary).collect(),
        outputs: Vec::new(),
    };
    let mut writer = Writer::new(message.encoded_len(), limit)?;
    let inputs = std::mem::take(&mut message.input_tensors);
    let outputs = std::mem::take(&mut message.output_tensors);
    let after = proto::CaptureDataRequest {
        inputs: std::mem::take(&mut message.inputs),
        ..Default::default()
    };
    writer.message(&message);
    write_tensors(&mut writer, 4, inputs);
    write_tensors(&mut writer, 5, outputs);
    writer.message(&after);
    Ok(writer.finish())
}

/// A model of the agent's.
pub(super) fn model(model: Option<proto::Model>) -> Result<Model, Malformed> {
    let model = model.ok_or(Malformed::NoModel)?;

    Ok(Model {
        name: model.name,
        url: model.url,
        inputs: specs(model.input_tensor_metadatas)?,
        outputs: specs(model.output_tensor_metadatas)?,
    })
}

/// A tensor of the agent's. Its bytes are not copied.
pub(super) fn tensor(tensor: proto::Tensor) -> Result<Tensor, Malformed> {
    let metadata = tensor.tensor_metadata.ok_or(Malformed::NoMetadata)?;
    let data = match tensor.data {
        Some(proto::tensor::Data::ByteData(bytes)) => bytes,
        // A tensor without elements may leave its data out.
        None => Bytes::new(),
        Some(proto::tensor::Data::SharedMemoryHandle(_)) => return Err(Malformed::SharedMemory),
    };
    Ok(Tensor { spec: spec(metadata)?, data })
}

fn specs(metadatas: Vec<proto::TensorMetadata>) -> Result<Vec<TensorSpec>, Malformed> {
    metadatas.into_iter().map(spec).collect()
}

fn spec(metadata: proto::TensorMetadata) -> Result<TensorSpec, Malformed> {
    let unknown = Malformed::UnknownDataType(metadata.data_type);
    Ok(TensorSpec {
        name: metadata.name,
        element: ElementType::from_wire(metadata.data_type).ok_or(unknown)?,
        shape: metadata.shape,
    })
}

fn into_proto(tensors: Vec<Tensor>) -> Vec<proto::Tensor> {
    let tensor = |tensor: Tensor| proto::Tensor {
        tensor_metadata: Some(proto::TensorMetadata {
            name: tensor.spec.name,
            data_type: tensor.spec.element.to_wire(),
            shape: tensor.spec.shape,
        }),
        data: Some(proto::tensor::Data::ByteData(tensor.data)),
    };
    tensors.into_iter().map(tensor).collect()
}

/// Writes the repeated field `number` with the very bytes that prost would write, sharing the data.
fn write_tensors(writer: &mut Writer, number: u32, tensors: Vec<proto::Tensor>) {
    for mut tensor in tensors {
        writer.begin(number, tensor.encoded_len());
        let data = tensor.data.take();
        writer.message(&tensor);
        if let Some(proto::tensor::Data::ByteData(bytes)) = data {
            writer.begin(4, bytes.len());
            writer.bytes(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::frame::wire;

    fn tensors(sizes: &[usize]) -> Vec<Tensor> {
        let tensor = |&size: &usize| Tensor {
            spec: TensorSpec {
                name: Bytes::from_static(b"in\xff"),
                element: ElementType::Int16,
                shape: vec![-1, 2, 0],
            },
            data: vec![size as u8; size].into(),
        };
        sizes.iter().map(tensor).collect()
    }

    /// The frame's bytes are a prefix and what prost writes for the same message.
    fn same(frame: Frame, message: &impl Message) {
        let wire = wire(&frame);
        assert_eq!(wire[0], 0);
        assert_eq!(wire[1..5], (wire.len() as u32 - 5).to_be_bytes());
        assert_eq!(wire[5..], message.encode_to_vec());
    }

    #[test]
    fn shared_tensors_are_the_same_protobuf() {
        let model = ModelName::parse("demo-keras").unwrap();
        for sizes in [&[][..], &[0], &[1], &[4095], &[4096], &[100_000, 3, 0, 20_000]] {
            let message = proto::PredictRequest {
                name: "demo-keras".into(),
                tensors: into_proto(tensors(sizes)),
            };
            let frame = predict_request(&model, tensors(sizes), 1 << 20).unwrap();
            same(frame, &message);
        }
        assert!(predict_request(&model, tensors(&[1000]), 1000).is_err());
    }

    #[test]
    fn a_capture_is_the_same_protobuf() {
        let capture = Capture {
            model: ModelName::parse("m").unwrap(),
            id: uuid::Uuid::from_u128(0x6f0f1d50_4d3f_4a53_9c3a_0b5ad8a3b001),
            time: UNIX_EPOCH + Duration::new(1_795_397_360, 5),
            inputs: tensors(&[5000, 1]),
            outputs: tensors(&[2, 6000]),
            aux: vec![AuxiliaryData {
                name: "label".into(),
                encoding: Encoding::Json,
                data: Bytes::from_static(b"{}"),
            }],
        };
        let message = proto::CaptureDataRequest {
            model_name: "m".into(),
            capture_id: "6f0f1d50-4d3f-4a53-9c3a-0b5ad8a3b001".into(),
            inference_timestamp: Some(proto::Timestamp { seconds: 1_795_397_360, nanos: 5 }),
            input_tensors: into_proto(tensors(&[5000, 1])),
            output_tensors: into_proto(tensors(&[2, 6000])),
            inputs: vec![proto::AuxilaryData {
                name: "label".into(),
                encoding: 1,
                data: Some(proto::auxilary_data::Data::ByteData("{}".into())),
            }],
            outputs: vec![],
        };
        same(capture_request(capture, 1 << 20).unwrap(), &message);
    }

    #[test]
    fn tensors_come_back_as_they_went() {
        let there = tensors(&[0, 3]);
        let back = into_proto(there.clone()).into_iter().map(tensor);
        assert_eq!(back.collect::<Result<Vec<_>, _>>().unwrap(), there);
    }

    #[test]
    fn every_data_type_of_the_interface_is_known_and_no_other() {
        for number in -1..9 {
            let element = ElementType::from_wire(number);
            assert_eq!(element.is_some(), proto::DataType::try_from(number).is_ok());
            if let Some(element) = element {
                assert_eq!(element.to_wire(), number);
            }
        }
    }

    #[test]
    fn what_an_answer_must_not_have() {
        let metadata = |data_type| Some(proto::TensorMetadata { data_type, ..Default::default() });
        let refused = |tensor_metadata, data| {
            let tensor_ = proto::Tensor { tensor_metadata, data };
            tensor(tensor_).unwrap_err()
        };
        assert!(matches!(refused(None, None), Malformed::NoMetadata));
        assert!(matches!(refused(metadata(7), None), Malformed::UnknownDataType(7)));
        let handle = proto::tensor::Data::SharedMemoryHandle(proto::SharedMemoryHandle::default());
        assert!(matches!(refused(metadata(0), Some(handle)), Malformed::SharedMemory));
        assert!(matches!(model(None), Err(Malformed::NoModel)));
    }
}
