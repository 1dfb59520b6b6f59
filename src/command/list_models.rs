//! `listModels`: which models the agent has loaded.

use miniserde::json::{Number, Value};

use super::context::Context;
use super::error::Error;
use super::reply::{Success, object, text};
use crate::agent::Model;
use crate::tensor::TensorSpec;

pub(super) async fn run(context: &Context) -> Result<Success, Error> {
    let models = context.heard(context.agent.list_models().await)?;
    Ok(Value::Array(models.iter().map(describe).collect()).into())
}

/// A model as replies show it.
pub(super) fn describe(model: &Model) -> Value {
    let tensors = |specs: &[TensorSpec]| Value::Array(specs.iter().map(describe_tensor).collect());
    object([
        ("name", text(&model.name)),
        ("url", text(&model.url)),
        ("input_tensor_metadatas", tensors(&model.inputs)),
        ("output_tensor_metadatas", tensors(&model.outputs)),
    ])
}

/// `{"name","shape","type"}`; the type is the agent's number for it.
fn describe_tensor(spec: &TensorSpec) -> Value {
    let shape = spec.shape.iter().map(|size| Value::Number(Number::I64(i64::from(*size))));
    object([
        ("name", text(&spec.name_text())),
        ("shape", Value::Array(shape.collect())),
        ("type", Value::Number(Number::I64(i64::from(spec.element.to_wire())))),
    ])
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::tensor::ElementType;

    #[test]
    fn a_model_as_applications_know_it() {
        let spec = |name: &'static str, shape: &[i32]| TensorSpec {
            name: Bytes::from_static(name.as_bytes()),
            element: ElementType::Float32,
            shape: shape.to_vec(),
        };
        let model = Model {
            name: "demo-keras".to_owned(),
            url: "/models/demo-keras".to_owned(),
            inputs: vec![spec("input_1", &[1, 224, 224, 3])],
            outputs: vec![spec("act_softmax", &[1, 1000])],
        };
        let shown: serde_json::Value =
            serde_json::from_str(&miniserde::json::to_string(&describe(&model))).unwrap();
        assert_eq!(
            shown,
            json!({"name": "demo-keras", "url": "/models/demo-keras",
                   "input_tensor_metadatas":
                       [{"name": "input_1", "shape": [1, 224, 224, 3], "type": 5}],
                   "output_tensor_metadatas":
                       [{"name": "act_softmax", "shape": [1, 1000], "type": 5}]})
        );
    }
}
