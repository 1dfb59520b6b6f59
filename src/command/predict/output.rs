//! From tensors to files, objects and inline values.

use std::collections::HashSet;

use miniserde::json::{Number, Value, to_string};

use super::list;
use crate::command::context::Context;
use crate::command::data;
use crate::command::error::Error;
use crate::command::location::Location;
use crate::command::reply::{object, text};
use crate::s3::S3Key;
use crate::store::DataPath;
use crate::tensor::{OutputFormat, Tensor, file_name_part};

/// What the rest of a result takes beside its inline outputs, in bytes.
const AROUND: usize = 512;

/// Stores one file or object a tensor, and lists their URLs; with `presign_s`, objects also with one
/// that can be read without a key for so many seconds.
pub(super) async fn store(
    context: &Context,
    location: Location,
    outputs: &[Tensor],
    presign_s: Option<u32>,
) -> Result<Value, Error> {
    let names = Names { stamp: context.unique_millisecond(), ..Names::of(&location) };
    let mut urls = Vec::with_capacity(outputs.len());
    let mut used = HashSet::new();
    for tensor in outputs {
        let mut part = file_name_part(&tensor.spec.name);
        // A name that an agent gives twice still gives two files: no name's part contains `~`.
        let mut again = 2;
        while !used.insert(part.clone()) {
            part = format!("{}~{again}", file_name_part(&tensor.spec.name));
            again += 1;
        }
        let place = place(&location, &names.name(&part))?;
        let url = data::write(context, place.clone(), names.format.encode(tensor)).await?;
        let mut entry = vec![("url", text(&url))];
        if let Some(seconds) = presign_s
            && let Some(url) = data::presign(context, &place, seconds).await?
        {
            entry.push(("presigned_url", text(&url)));
        }
        urls.push(object(entry));
    }
    Ok(list(urls))
}

/// The tensors themselves, where a resource value has room for them.
pub(super) fn inline(outputs: &[Tensor], limit: usize) -> Result<Value, Error> {
    let encoded: usize = outputs.iter().map(|tensor| tensor.data.len().div_ceil(3) * 4).sum();
    let room = limit.saturating_sub(AROUND);
    if encoded > room {
        return Err(Error::TooLarge { size: encoded, limit: room });
    }
    let shown = list(outputs.iter().map(|tensor| {
        let shape = tensor.spec.shape.iter();
        object([
            ("name", text(&tensor.spec.name_text())),
            ("type", Value::Number(Number::I64(i64::from(tensor.spec.element.to_wire())))),
            ("shape", list(shape.map(|size| Value::Number(Number::I64(i64::from(*size)))))),
            ("b64_data", Value::String(data_encoding::BASE64.encode(&tensor.data))),
        ])
    }));
    let size = to_string(&shown).len();
    if size > room { Err(Error::TooLarge { size, limit: room }) } else { Ok(shown) }
}

/// `STEM-TENSOR-MILLISECONDS.EXTENSION`, in the directory of the URL.
struct Names<'a> {
    stem: &'a str,
    extension: &'a str,
    stamp: u64,
    format: OutputFormat,
}

impl<'a> Names<'a> {
    fn of(location: &'a Location) -> Self {
        let whole = path(location);
        let file = whole.rsplit_once('/').map_or(whole, |(_, file)| file);
        let stem_length = match file.rfind('.') {
            // A name that only begins with a dot has no extension.
            None | Some(0) => file.len(),
            Some(dot) => dot,
        };
        let directory = whole.len() - file.len();
        let (stem, extension) = whole.split_at(directory + stem_length);
        Self { stem, extension, stamp: 0, format: OutputFormat::of_file_name(file) }
    }

    fn name(&self, tensor: &str) -> String {
        format!("{}-{tensor}-{}{}", self.stem, self.stamp, self.extension)
    }
}

fn path(location: &Location) -> &str {
    match location {
        Location::File(path) => path.as_str(),
        Location::DataDirectory(name) => name,
        Location::Object(_, key) => key.as_str(),
    }
}

fn place(location: &Location, name: &str) -> Result<Location, Error> {
    let invalid = |reason: String| Error::Inputs(format!("output_url gives {name:?}: {reason}"));
    Ok(match location {
        Location::File(_) => Location::File(
            DataPath::parse(&format!("/{name}")).map_err(|error| invalid(error.to_string()))?,
        ),
        Location::DataDirectory(_) => Location::DataDirectory(name.to_owned()),
        Location::Object(bucket, _) => {
            let key = S3Key::parse(name).map_err(|error| invalid(error.to_string()))?;
            Location::Object(bucket.clone(), key)
        }
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::tensor::{ElementType, TensorSpec};

    #[test]
    fn names_of_outputs() {
        let name = |url: &str| {
            let location = Location::parse(url).unwrap();
            let names = Names { stamp: 1_795_397_335_937, ..Names::of(&location) };
            names.name("act_softmax")
        };
        assert_eq!(name("s3:///out.json"), "out-act_softmax-1795397335937.json");
        assert_eq!(name("s3:///a.b/out"), "a.b/out-act_softmax-1795397335937");
        assert_eq!(name("s3:///.out"), ".out-act_softmax-1795397335937");
        assert_eq!(name("s3://bucket/d/x.tar.npy"), "d/x.tar-act_softmax-1795397335937.npy");
        assert_eq!(
            name("file:///keras-predicted.data"),
            "keras-predicted-act_softmax-1795397335937.data"
        );
    }

    #[test]
    fn inline_outputs_fit_or_are_refused() {
        let tensor = |bytes: usize| Tensor {
            spec: TensorSpec {
                name: Bytes::from_static(b"y"),
                element: ElementType::Uint8,
                shape: vec![1, i32::try_from(bytes).unwrap()],
            },
            data: vec![7; bytes].into(),
        };
        let shown = to_string(&inline(&[tensor(3)], 1024).unwrap());
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(
            shown,
            serde_json::json!([{"name": "y", "type": 0, "shape": [1, 3], "b64_data": "BwcH"}])
        );
        let error = inline(&[tensor(2000)], 1024).unwrap_err();
        assert!(error.to_string().contains("output_url"), "{error}");
    }
}
