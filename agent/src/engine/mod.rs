//! The engine: ONNX models, loaded and run by tract.

mod graph;
mod package;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tract_onnx::prelude::{
    DatumType, Framework, InferenceModelExt, IntoRunnable, IntoTValue, TValue, Tensor, TractError,
    TractResult, TypedModel, TypedRunnableModel,
};
use tract_onnx::tract_core::ops::cast;
use tract_onnx::tract_hir::internal::ToDim;

pub(crate) use self::graph::GraphError;
use self::package::Package;
pub(crate) use self::package::PackageError;
use crate::tensor::{CheckedTensor, DYNAMIC, TensorSpec};
use crate::wire::{self, DataType};

/// A model that is ready to run.
#[derive(Debug)]
pub(crate) struct OnnxModel {
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    plan: Arc<TypedRunnableModel>,
}

impl OnnxModel {
    /// Loads the one `.onnx` file of a directory. Takes seconds for large models.
    pub(crate) fn load(directory: &Path) -> Result<Self, LoadError> {
        let package = Package::open(directory).map_err(LoadError::Package)?;
        // Read, not mapped: a file that is cut off later must not end the process.
        let mut file = std::fs::File::open(&package.onnx)
            .map_err(|error| LoadError::Read(package.onnx.clone(), error))?;
        let onnx = tract_onnx::onnx();
        let proto = onnx
            .proto_model_for_read(&mut file)
            .map_err(|error| LoadError::Parse(reason(&error)))?;
        let (proto, names) = graph::check(proto, &onnx).map_err(LoadError::Graph)?;

        // Where the tensors are that the model keeps in files of their own.
        let directory = package.directory.to_string_lossy();
        let parsed = onnx
            .parse(&proto, Some(&directory))
            .map_err(|error| LoadError::Parse(reason(&error)))?;
        // tract makes further inputs of them.
        if let Some(name) = parsed.unresolved_inputs.into_iter().next() {
            return Err(LoadError::Graph(GraphError::NotProduced(name)));
        }
        let mut typed =
            parsed.model.into_typed().map_err(|error| LoadError::Parse(reason(&error)))?;
        drop(proto);
        cast_dimensions(&mut typed).map_err(|error| LoadError::Parse(reason(&error)))?;
        let inputs = specs(&typed, Side::Input, names.inputs)?;
        let outputs = specs(&typed, Side::Output, names.outputs)?;
        let plan = typed
            .into_optimized()
            .and_then(IntoRunnable::into_runnable)
            .map_err(|error| LoadError::Parse(reason(&error)))?;
        Ok(Self { inputs, outputs, plan })
    }

    pub(crate) fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    pub(crate) fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// Computes the outputs, in the model's order, from inputs that were checked against
    /// [`OnnxModel::inputs`].
    pub(crate) fn run(&self, inputs: Vec<CheckedTensor>) -> Result<Vec<wire::Tensor>, RunError> {
        let fail = |error| {
            let message = reason(&error);
            if self.inputs.iter().any(TensorSpec::is_dynamic) {
                RunError::Shapes(message)
            } else {
                RunError::Engine(message)
            }
        };
        let inputs = inputs
            .into_iter()
            .map(|input| engine_tensor(&input))
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        let results = self.plan.run(inputs).map_err(fail)?;
        self.outputs
            .iter()
            .zip(results)
            .map(|(spec, result)| wire_tensor(spec, result).map_err(fail))
            .collect()
    }
}

/// Makes INT64 of outputs that the engine computes as symbolic dimensions: those of shapes.
fn cast_dimensions(model: &mut TypedModel) -> TractResult<()> {
    let outputs = model
        .outputs
        .clone()
        .into_iter()
        .enumerate()
        .map(|(index, output)| {
            if model.outlet_fact(output)?.datum_type != DatumType::TDim {
                return Ok(output);
            }
            let name = format!("output-{index}");
            let cast = cast::wire_cast(name, model, &[output], DatumType::I64)?;
            Ok(cast.first().copied().unwrap_or(output))
        })
        .collect::<TractResult<Vec<_>>>()?;
    model.select_output_outlets(&outputs)
}

/// Which of a model's tensors.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Input,
    Output,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}

fn specs(model: &TypedModel, side: Side, names: Vec<String>) -> Result<Vec<TensorSpec>, LoadError> {
    let outlets = match side {
        Side::Input => &model.inputs,
        Side::Output => &model.outputs,
    };
    let unusable = |name: &str, what: String| LoadError::Tensor(side, name.to_owned(), what);
    outlets
        .iter()
        .zip(names)
        .map(|(outlet, name)| {
            let fact =
                model.outlet_fact(*outlet).map_err(|error| unusable(&name, reason(&error)))?;
            let element = data_type(fact.datum_type)
                .ok_or_else(|| unusable(&name, format!("type {:?}", fact.datum_type)))?;
            let shape = fact
                .shape
                .iter()
                .map(|dimension| match dimension.to_dim().to_i64() {
                    Ok(fixed) => i32::try_from(fixed)
                        .map_err(|_| unusable(&name, format!("a dimension of {fixed}"))),
                    Err(_) => Ok(DYNAMIC),
                })
                .collect::<Result<_, _>>()?;
            Ok(TensorSpec { name: name.into_bytes().into(), element, shape })
        })
        .collect()
}

/// The interface's type for the engine's; it has none for booleans, strings and some integers.
fn data_type(engine: DatumType) -> Option<DataType> {
    Some(match engine {
        DatumType::U8 => DataType::Uint8,
        DatumType::I16 => DataType::Int16,
        DatumType::I32 => DataType::Int32,
        DatumType::I64 => DataType::Int64,
        DatumType::F16 => DataType::Float16,
        DatumType::F32 => DataType::Float32,
        DatumType::F64 => DataType::Float64,
        _ => return None,
    })
}

fn datum_type(element: DataType) -> DatumType {
    match element {
        DataType::Uint8 => DatumType::U8,
        DataType::Int16 => DatumType::I16,
        DataType::Int32 => DatumType::I32,
        DataType::Int64 => DatumType::I64,
        DataType::Float16 => DatumType::F16,
        DataType::Float32 => DatumType::F32,
        DataType::Float64 => DatumType::F64,
    }
}

#[cfg(target_endian = "big")]
compile_error!("tensors on the wire are little-endian, and are copied to the engine as they are");

/// The one copy that an input needs: the engine wants its tensors aligned.
fn engine_tensor(input: &CheckedTensor) -> TractResult<TValue> {
    let shape: Vec<usize> = input
        .spec
        .shape
        .iter()
        .map(|dimension| usize::try_from(*dimension))
        .collect::<Result<_, _>>()?;
    let mut tensor = Tensor::zero_dt(datum_type(input.spec.element), &shape)?;
    tensor.as_bytes_mut().copy_from_slice(&input.data);
    Ok(tensor.into_tvalue())
}

fn wire_tensor(spec: &TensorSpec, result: TValue) -> TractResult<wire::Tensor> {
    let shape = result
        .shape()
        .iter()
        .map(|dimension| i32::try_from(*dimension))
        .collect::<Result<_, _>>()?;
    let metadata = TensorSpec { shape, ..spec.clone() }.metadata();
    Ok(wire::Tensor {
        tensor_metadata: Some(metadata),
        // Shared with the engine's tensor, not copied.
        data: Some(wire::tensor::Data::ByteData(Bytes::from_owner(ResultBytes(result)))),
    })
}

struct ResultBytes(TValue);

impl AsRef<[u8]> for ResultBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// An engine's error with its causes, in one line that fits a status message.
fn reason(error: &TractError) -> String {
    /// Clients take some kilobytes of headers, and the engine may print whole nodes.
    const LIMIT: usize = 800;

    let mut text = format!("{error:#}").replace(char::is_control, " ");
    if let Some((end, _)) = text.char_indices().nth(LIMIT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A model could not be loaded.
#[derive(Debug)]
pub(crate) enum LoadError {
    Package(PackageError),
    Read(PathBuf, io::Error),
    /// What tract says.
    Parse(String),
    Graph(GraphError),
    Tensor(Side, String, String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(error) => error.fmt(f),
            Self::Read(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Parse(reason) => write!(f, "the ONNX model cannot be loaded: {reason}"),
            Self::Graph(error) => error.fmt(f),
            Self::Tensor(side, name, what) => write!(
                f,
                "the model's {side} {name:?} has {what}, which the agent's interface does not have"
            ),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Package(error) => Some(error),
            Self::Read(_, error) => Some(error),
            Self::Graph(error) => Some(error),
            Self::Parse(_) | Self::Tensor(..) => None,
        }
    }
}

/// A prediction failed.
#[derive(Debug)]
pub(crate) enum RunError {
    /// The model has dynamic dimensions: these inputs do not go together.
    Shapes(String),
    Engine(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shapes(reason) => {
                write!(f, "the model cannot be computed for these shapes: {reason}")
            }
            Self::Engine(reason) => write!(f, "the prediction failed: {reason}"),
        }
    }
}

impl std::error::Error for RunError {}
