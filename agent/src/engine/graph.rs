//! Checks of an ONNX graph that tract leaves to the caller, or answers with a panic.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use tract_onnx::Onnx;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dimension;
use tract_onnx::pb::type_proto::Value as Type;
use tract_onnx::pb::{GraphProto, ModelProto, ValueInfoProto};

/// The names of a graph's inputs, without those that have initial values, and of its outputs.
pub(super) struct Names {
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
}

/// Checks the graph, and names its nameless dynamic dimensions, which tract wants to have names.
pub(super) fn check(mut model: ModelProto, onnx: &Onnx) -> Result<(ModelProto, Names), GraphError> {
    let graph = model.graph.as_mut().ok_or(GraphError::NoGraph)?;

    let unsupported: BTreeSet<String> = graph
        .node
        .iter()
        .filter(|node| !onnx.op_register.0.contains_key(&node.op_type))
        .map(|node| node.op_type.clone())
        .collect();
    if !unsupported.is_empty() {
        return Err(GraphError::Unsupported(unsupported));
    }

    let initialized: HashSet<&str> =
        graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let inputs: Vec<String> = graph
        .input
        .iter()
        .map(|input| input.name.clone())
        .filter(|name| !initialized.contains(name.as_str()))
        .collect();
    let outputs: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();

    if outputs.is_empty() {
        return Err(GraphError::NoOutput);
    }
    let mut seen = HashSet::new();
    if let Some(twice) = inputs.iter().find(|name| !seen.insert(*name)) {
        return Err(GraphError::InputTwice(twice.clone()));
    }
    let produced = produced(graph);
    if let Some(missing) = outputs.iter().find(|name| !produced.contains(name.as_str())) {
        return Err(GraphError::NotProduced(missing.clone()));
    }

    for input in &mut graph.input {
        name_dimensions(input);
    }
    Ok((model, Names { inputs, outputs }))
}

/// Every name that has a value once the graph has run.
fn produced(graph: &GraphProto) -> HashSet<&str> {
    let inputs = graph.input.iter().map(|input| &input.name);
    let initializers = graph.initializer.iter().map(|tensor| &tensor.name);
    let results = graph.node.iter().flat_map(|node| &node.output);
    inputs.chain(initializers).chain(results).map(String::as_str).collect()
}

fn name_dimensions(input: &mut ValueInfoProto) {
    let Some(Type::TensorType(tensor)) = input.r#type.as_mut().and_then(|t| t.value.as_mut())
    else {
        return;
    };
    let dimensions = tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim);
    for (axis, dimension) in dimensions.enumerate() {
        let nameless = match &dimension.value {
            None => true,
            Some(Dimension::DimValue(size)) => *size < 0,
            Some(Dimension::DimParam(name)) => name.is_empty() || name == "?",
        };
        if nameless {
            let letters =
                input.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
            let name = letters.collect::<String>();
            dimension.value = Some(Dimension::DimParam(format!("axis_{axis}_of_{name}")));
        }
    }
}

/// The graph is no model that can be run.
#[derive(Debug)]
pub(crate) enum GraphError {
    NoGraph,
    NoOutput,
    Unsupported(BTreeSet<String>),
    InputTwice(String),
    NotProduced(String),
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGraph => f.write_str("the .onnx file holds no graph"),
            Self::NoOutput => f.write_str("the ONNX graph has no output"),
            Self::Unsupported(operators) => {
                f.write_str("the engine does not support the model's operators:")?;
                for operator in operators.iter().take(20) {
                    write!(f, " {}", operator.escape_debug())?;
                }
                Ok(())
            }
            Self::InputTwice(name) => write!(f, "the ONNX graph has two inputs named {name:?}"),
            Self::NotProduced(name) => {
                write!(f, "nothing in the ONNX graph produces {name:?}, which it uses")
            }
        }
    }
}

impl std::error::Error for GraphError {}
