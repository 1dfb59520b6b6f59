//! What is wrong with content that should become a tensor.

use std::fmt;

use super::{ElementType, TensorSpec, shape};

/// Why content did not become a tensor. None is worth a retry with the same content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Nothing that is known begins like this, and the length is not that of the raw tensor.
    Unrecognised {
        /// The content's length in bytes.
        length: usize,
        /// Its first bytes, at most eight.
        start: Vec<u8>,
        /// What the model wants.
        wanted: TensorSpec,
    },
    /// It begins like the format but is damaged, or of a kind that is not read.
    Malformed {
        /// What it begins like.
        format: Format,
        /// Where it stops being one.
        problem: String,
    },
    /// It is whole, but another type, shape or size than the model's input.
    DoesNotFit {
        /// What it is.
        found: String,
        /// What the model wants.
        wanted: TensorSpec,
        /// What helps.
        advice: &'static str,
    },
    /// A picture of more than 64 megapixels.
    TooLarge {
        /// The picture's format.
        format: Format,
        /// In pixels.
        width: usize,
        /// In pixels.
        height: usize,
    },
    /// The tensors of a JSON array do not name each input of the model once.
    Names {
        /// Which name, and what of it.
        problem: String,
        /// The inputs' names.
        inputs: Vec<String>,
    },
    /// A key of `preprocess` that is unknown, or has a value that cannot be used.
    Preprocess {
        /// The key, empty for the whole of it.
        key: String,
        /// What it should be.
        problem: &'static str,
    },
    /// A tensor's bytes are not as many as its shape takes.
    DataLength {
        /// The tensor.
        spec: TensorSpec,
        /// The bytes that it has.
        length: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unrecognised { length, start, wanted } => {
                write!(f, "{length} bytes")?;
                if !start.is_empty() {
                    write!(f, " that begin \"{}\"", start.escape_ascii())?;
                }
                if let Some(kind) = known_elsewhere(start) {
                    write!(f, " ({kind})")?;
                }
                write!(
                    f,
                    " are no input of the model: it wants {wanted}, as a JSON tensor, NPY, BMP, \
                     PNG, JPEG, or "
                )?;
                match wanted.byte_length() {
                    Some(bytes) => write!(f, "{bytes} raw bytes"),
                    None => f.write_str(
                        "raw bytes where the length gives the one dimension that is dynamic",
                    ),
                }
            }
            Self::Malformed { format, problem } => {
                write!(f, "the content begins like {format}, but cannot be read: {problem}")?;
                if *format == Format::Json {
                    f.write_str(
                        "; a JSON tensor is {\"b64_data\":\"…\"}, or an array of them with \"name\"",
                    )?;
                }
                Ok(())
            }
            Self::DoesNotFit { found, wanted, advice } => {
                write!(f, "{found} does not fit the model's input {wanted}")?;
                if let Some(bytes) = wanted.byte_length() {
                    write!(f, " ({bytes} bytes)")?;
                }
                write!(f, ": {advice}")
            }
            Self::TooLarge { format, width, height } => write!(
                f,
                "the {format} picture of {width}x{height} pixels is larger than the {} megapixels \
                 that are decoded: send a smaller one",
                super::picture::MAX_PIXELS / 1_000_000
            ),
            Self::Names { problem, inputs } => {
                write!(f, "{problem}: the model's inputs are ")?;
                for (position, input) in inputs.iter().enumerate() {
                    write!(f, "{}{input:?}", if position > 0 { ", " } else { "" })?;
                }
                if inputs.is_empty() {
                    f.write_str("not declared")?;
                }
                Ok(())
            }
            Self::Preprocess { key, problem } if key.is_empty() => {
                write!(f, "preprocess {problem}")
            }
            Self::Preprocess { key, problem } => write!(f, "preprocess key {key:?} {problem}"),
            Self::DataLength { spec, length } => {
                write!(f, "the tensor {spec} has {length} bytes, but its shape ")?;
                match shape::byte_length(&spec.shape, spec.element) {
                    Some(bytes) => write!(f, "takes {bytes}"),
                    None => f.write_str("gives no number of bytes"),
                }
            }
        }
    }
}

impl std::error::Error for Error {}

/// A format that content is recognised as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `{"b64_data"}`, or an array of such.
    Json,
    /// A numpy array file.
    Npy,
    /// Portable Network Graphics.
    Png,
    /// JPEG, as JFIF, Exif or plain.
    Jpeg,
    /// Windows or OS/2 bitmap.
    Bmp,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "a JSON tensor",
            Self::Npy => "NPY",
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Bmp => "BMP",
        })
    }
}

/// What to do about content of another element type.
pub(super) fn type_advice(wanted: ElementType) -> &'static str {
    match wanted {
        ElementType::Uint8 => "convert it, in numpy with array.astype(\"uint8\")",
        ElementType::Int16 => "convert it, in numpy with array.astype(\"int16\")",
        ElementType::Int32 => "convert it, in numpy with array.astype(\"int32\")",
        ElementType::Int64 => "convert it, in numpy with array.astype(\"int64\")",
        ElementType::Float16 => "convert it, in numpy with array.astype(\"float16\")",
        ElementType::Float32 => "convert it, in numpy with array.astype(\"float32\")",
        ElementType::Float64 => "convert it, in numpy with array.astype(\"float64\")",
    }
}

/// What content is that others read, and this does not.
fn known_elsewhere(start: &[u8]) -> Option<&'static str> {
    [
        (&b"PK\x03\x04"[..], "a zip or .npz archive"),
        (b"\x1f\x8b", "gzip"),
        (b"GIF8", "a GIF"),
        (b"RIFF", "perhaps a WebP"),
        (b"II*\0", "a TIFF"),
        (b"MM\0*", "a TIFF"),
        (b"\x89HDF", "HDF5"),
    ]
    .into_iter()
    .find_map(|(magic, kind)| start.starts_with(magic).then_some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_found_and_what_is_wanted() {
        let wanted = TensorSpec {
            name: bytes::Bytes::from_static(b"x"),
            element: ElementType::Float32,
            shape: vec![1, 2],
        };
        assert_eq!(
            Error::Unrecognised {
                length: 70,
                start: b"GIF89a\0\xff".to_vec(),
                wanted: wanted.clone(),
            }
            .to_string(),
            "70 bytes that begin \"GIF89a\\x00\\xff\" (a GIF) are no input of the model: it wants \
             \"x\" FLOAT32 [1,2], as a JSON tensor, NPY, BMP, PNG, JPEG, or 8 raw bytes"
        );
        assert_eq!(
            Error::DoesNotFit {
                found: "NPY of float64 [2]".into(),
                wanted,
                advice: type_advice(ElementType::Float32),
            }
            .to_string(),
            "NPY of float64 [2] does not fit the model's input \"x\" FLOAT32 [1,2] (8 bytes): \
             convert it, in numpy with array.astype(\"float32\")"
        );
    }
}
