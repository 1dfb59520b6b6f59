//! Small ONNX graphs: each output is one of the inputs, so it shows what the agent received.

use prost::Message;

/// A tensor's element type, by its number in ONNX (`TensorProto.DataType`).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Element {
    Float32 = 1,
    Uint8 = 2,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    Float16 = 10,
    Float64 = 11,
}

/// A graph with an input `INPUT` and an output `OUTPUT` of the same value for each of these.
pub(crate) fn identity(tensors: &[(&str, &str, Element, &[i64])]) -> Vec<u8> {
    let value = |name: &str, element: Element, shape: &[i64]| ValueInfo {
        name: name.to_owned(),
        value_type: Some(Type {
            tensor: Some(TensorType {
                element: element as i32,
                shape: Some(Shape {
                    dimensions: shape.iter().map(|size| Dimension { size: Some(*size) }).collect(),
                }),
            }),
        }),
    };
    let graph = Graph {
        nodes: tensors
            .iter()
            .map(|(input, output, ..)| Node {
                inputs: vec![(*input).to_owned()],
                outputs: vec![(*output).to_owned()],
                operator: "Identity".to_owned(),
            })
            .collect(),
        name: "identity".to_owned(),
        inputs: tensors
            .iter()
            .map(|(input, _, element, shape)| value(input, *element, shape))
            .collect(),
        outputs: tensors
            .iter()
            .map(|(_, output, element, shape)| value(output, *element, shape))
            .collect(),
    };
    let operators = OperatorSet { domain: String::new(), version: 13 };
    Model { format: 8, graph: Some(graph), operators: vec![operators] }.encode_to_vec()
}

/// The same with one input `x` and one output `y`.
pub(crate) fn one(element: Element, shape: &[i64]) -> Vec<u8> {
    identity(&[("x", "y", element, shape)])
}

// The part of onnx.proto that is needed.

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    format: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    operators: Vec<OperatorSet>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSet {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "11")]
    inputs: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    outputs: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    outputs: Vec<String>,
    #[prost(string, tag = "4")]
    operator: String,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    value_type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    element: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    dimensions: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(int64, optional, tag = "1")]
    size: Option<i64>,
}
