//! What a caller sent, as the model's input.

use bytes::Bytes;

use super::{Error, Format, Preprocess, Tensor, TensorSpec, bmp, json, layout, npy, shape};

/// Reads content that is for all inputs of a model, `specs`.
///
/// The format is recognised by content: NPY, PNG, JPEG and BMP by what they begin with, then a JSON
/// tensor, or an array of them that gives each input its own by `name`. Anything else of exactly
/// the input's size is its raw elements, little-endian; so is what begins like one of the formats
/// but cannot be read as it. Content that is not a JSON array goes to every input, and has to fit
/// each.
///
/// A model that declares no inputs takes JSON tensors with `name`, `shape` and `type`.
///
/// # Errors
///
/// [`Error`], which says what was found and what the model wants.
pub fn read_inputs(
    content: Bytes,
    specs: &[TensorSpec],
    preprocess: &Preprocess,
) -> Result<Vec<Tensor>, Error> {
    if specs.is_empty() && recognise(&content) != Some(Format::Json) {
        return Err(Error::Names {
            problem: "only JSON tensors with name, shape and type can be given to this model"
                .into(),
            inputs: Vec::new(),
        });
    }
    if recognise(&content) == Some(Format::Json) {
        let read = json::Document::parse(json_text(&content))
            .and_then(|document| document.into_tensors(specs));
        if !(matches!(read, Err(Error::Malformed { .. })) && !specs.is_empty()) {
            return read;
        }
    }
    specs
        .iter()
        .map(|spec| read_input(content.clone(), spec, preprocess))
        .collect()
}

/// Reads content that is for the one input `spec`.
///
/// Formats are as in [`read_inputs`]. Where the shape has dynamic dimensions, NPY and JSON bring
/// their own shape, a picture its height and width, and a number of bytes gives one dimension.
///
/// # Errors
///
/// [`Error`], which says what was found and what the model wants.
pub fn read_input(
    content: Bytes,
    spec: &TensorSpec,
    preprocess: &Preprocess,
) -> Result<Tensor, Error> {
    let read = match recognise(&content) {
        None => return raw(&content, spec).ok_or_else(|| unrecognised(&content, spec)),
        Some(Format::Npy) => npy::read(&content, spec),
        Some(Format::Json) => json::Document::parse(json_text(&content))
            .and_then(|document| document.into_tensor(spec)),
        Some(format) => layout::read(format, &content, spec, preprocess),
    };
    match read {
        // Elements may begin like anything. A length that merely divides well proves nothing.
        Err(Error::Malformed { .. }) if spec.byte_length() == Some(content.len()) => {
            raw(&content, spec).ok_or_else(|| unrecognised(&content, spec))
        }
        read => read,
    }
}

/// The format that content begins like.
fn recognise(content: &[u8]) -> Option<Format> {
    if content.starts_with(npy::MAGIC) {
        Some(Format::Npy)
    } else if content.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(Format::Png)
    } else if content.starts_with(b"\xff\xd8\xff") {
        Some(Format::Jpeg)
    } else if bmp::is_bmp(content) {
        Some(Format::Bmp)
    } else if matches!(
        json_text(content).trim_ascii_start().first(),
        Some(b'{' | b'[')
    ) {
        Some(Format::Json)
    } else {
        None
    }
}

/// The content without the byte order mark that some editors write.
fn json_text(content: &[u8]) -> &[u8] {
    content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content)
}

/// The content as the elements themselves, if they are as many.
fn raw(content: &Bytes, spec: &TensorSpec) -> Option<Tensor> {
    let shape = shape::infer(&spec.shape, spec.element, content.len())?;
    let spec = TensorSpec {
        shape,
        ..spec.clone()
    };
    Tensor::new(spec, content.clone()).ok()
}

fn unrecognised(content: &Bytes, spec: &TensorSpec) -> Error {
    Error::Unrecognised {
        length: content.len(),
        start: content.iter().take(8).copied().collect(),
        wanted: spec.clone(),
    }
}
