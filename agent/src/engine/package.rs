//! What lies in a model directory.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::memory;

/// A directory that holds exactly one ONNX model, small enough for this machine.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) directory: PathBuf,
    pub(super) onnx: PathBuf,
}

impl Package {
    /// Looks at the directory, without reading the model.
    pub(super) fn open(directory: &Path) -> Result<Self, PackageError> {
        let files =
            list(directory).map_err(|error| PackageError::Unreadable(directory.into(), error))?;
        let mut models = files.iter().filter(|file| file.is_onnx());
        let onnx = match (models.next(), models.next()) {
            (Some(only), None) => directory.join(&only.name),
            (Some(_), Some(_)) => {
                let names = files.iter().filter(|file| file.is_onnx());
                return Err(PackageError::Several(names.map(|file| file.name.clone()).collect()));
            }
            (None, _) => {
                return Err(match files.iter().find(|file| file.is_compiled()) {
                    Some(compiled) => PackageError::Compiled(compiled.name.clone()),
                    None => PackageError::NoModel(directory.into()),
                });
            }
        };
        // Once as it is parsed, once more as the engine's tensors.
        let size: u64 = files.iter().map(|file| file.size).sum();
        let needed = size.saturating_mul(2);
        match memory::available() {
            Some(available) if needed > available => {
                Err(PackageError::TooLarge { size, available })
            }
            _ => Ok(Self { directory: directory.into(), onnx }),
        }
    }
}

struct PackageFile {
    name: String,
    size: u64,
}

impl PackageFile {
    fn is_onnx(&self) -> bool {
        Path::new(&self.name)
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
    }

    /// The files of a package that was compiled for the vendor's agent, with TVM.
    fn is_compiled(&self) -> bool {
        matches!(
            self.name.as_str(),
            "compiled.so"
                | "compiled.params"
                | "compiled_model.json"
                | "compiled.meta"
                | "libdlr.so"
                | "dlr.h"
                | "sagemaker_edge_manifest"
        )
    }
}

/// The files in the directory itself, in the order of their names.
fn list(directory: &Path) -> io::Result<Vec<PackageFile>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        // Follows links, as opening the file will.
        let metadata = std::fs::metadata(entry.path())?;
        if metadata.is_file() {
            files.push(PackageFile {
                name: entry.file_name().to_string_lossy().into_owned(),
                size: metadata.len(),
            });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// The directory holds no model that this engine can load.
#[derive(Debug)]
pub(crate) enum PackageError {
    Unreadable(PathBuf, io::Error),
    Compiled(String),
    NoModel(PathBuf),
    Several(Vec<String>),
    TooLarge { size: u64, available: u64 },
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Compiled(file) => write!(
                f,
                "the package holds {file}: it was compiled for the vendor's agent, this engine \
                 runs ONNX; package the model as one .onnx file"
            ),
            Self::NoModel(path) => {
                write!(f, "there is no .onnx file in {}; this engine runs ONNX", path.display())
            }
            Self::Several(names) => write!(
                f,
                "the package holds {} .onnx files ({}): a package is one model",
                names.len(),
                names.join(", ")
            ),
            Self::TooLarge { size, available } => write!(
                f,
                "the model of {size} bytes needs twice that while it loads, {available} bytes of \
                 memory are available: unload another model first"
            ),
        }
    }
}

impl std::error::Error for PackageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, error) => Some(error),
            _ => None,
        }
    }
}
