//! ONNX graphs, built with the engine's own protobuf types.

use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Size;
use tract_onnx::pb::type_proto::{Tensor, Value};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
};

/// A graph under construction.
#[derive(Debug, Default)]
pub(crate) struct Graph(GraphProto);

impl Graph {
    /// `y = x`, of any type and shape.
    pub(crate) fn identity(element: DataType, shape: &[i64]) -> Self {
        Self::default()
            .input("x", element, shape)
            .node("Identity", &["x"], &["y"])
            .output("y", element, shape)
    }

    /// `x` to a high power, for matrices of `side` columns: takes `2 * count * side^3` operations.
    pub(crate) fn products(side: i64, count: usize) -> Self {
        let mut graph = Self::default().input("x", DataType::Float, &[side, side]);
        let mut last = "x".to_owned();
        for index in 0..count {
            let next = format!("p{index}");
            graph = graph.node("MatMul", &[&last, "x"], &[&next]);
            last = next;
        }
        graph.output(&last, DataType::Float, &[side, side])
    }

    /// Adds an input. A dimension of -1 has neither size nor name.
    pub(crate) fn input(mut self, name: &str, element: DataType, shape: &[i64]) -> Self {
        let dimensions = shape.iter().map(|size| (*size >= 0).then_some(Size::DimValue(*size)));
        self.0.input.push(value(name, element, dimensions.collect()));
        self
    }

    /// Adds an input whose dimensions all have names.
    pub(crate) fn input_of_names(mut self, name: &str, element: DataType, axes: &[&str]) -> Self {
        let dimensions = axes.iter().map(|axis| Some(Size::DimParam((*axis).to_owned())));
        self.0.input.push(value(name, element, dimensions.collect()));
        self
    }

    pub(crate) fn output(mut self, name: &str, element: DataType, shape: &[i64]) -> Self {
        let dimensions = shape.iter().map(|size| (*size >= 0).then_some(Size::DimValue(*size)));
        self.0.output.push(value(name, element, dimensions.collect()));
        self
    }

    /// Adds a FLOAT constant.
    pub(crate) fn constant(mut self, name: &str, shape: &[i64], values: &[f32]) -> Self {
        self.0.initializer.push(TensorProto {
            name: name.to_owned(),
            dims: shape.into(),
            data_type: DataType::Float.into(),
            float_data: values.into(),
            ..TensorProto::default()
        });
        self
    }

    pub(crate) fn node(mut self, operator: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        self.0.node.push(NodeProto {
            op_type: operator.to_owned(),
            input: names(inputs),
            output: names(outputs),
            ..NodeProto::default()
        });
        self
    }

    /// Gives the last node an integer attribute.
    pub(crate) fn attribute(mut self, name: &str, value: i64) -> Self {
        self.0.node.last_mut().unwrap().attribute.push(AttributeProto {
            name: name.to_owned(),
            r#type: AttributeType::Int.into(),
            i: value,
            ..AttributeProto::default()
        });
        self
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto { version: 13, ..OperatorSetIdProto::default() }],
            graph: Some(self.0),
            ..ModelProto::default()
        }
        .encode_to_vec()
    }

    /// Makes a model directory `root/name` with this as its one file.
    pub(crate) fn package(self, root: &Path, name: &str) -> PathBuf {
        let directory = root.join(name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("model.onnx"), self.into_bytes()).unwrap();
        directory
    }
}

fn value(name: &str, element: DataType, dimensions: Vec<Option<Size>>) -> ValueInfoProto {
    let dim =
        dimensions.into_iter().map(|value| Dimension { value, ..Dimension::default() }).collect();
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(Value::TensorType(Tensor {
                elem_type: element.into(),
                shape: Some(TensorShapeProto { dim }),
            })),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
