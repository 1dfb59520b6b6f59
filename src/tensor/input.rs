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
    if recognise(&content) == Some(Format::Json) {
        let read = json::Document::parse(json_text(&content))
            .and_then(|document| document.into_tensors(specs));
        match read {
            // For each input it may still be raw.
            Err(Error::Malformed { .. }) if !specs.is_empty() => {}
            read => return read,
        }
    } else if specs.is_empty() {
        return Err(Error::Names {
            problem: "this model takes only JSON tensors with name, shape and type".into(),
            inputs: Vec::new(),
        });
    }
    specs.iter().map(|spec| read_input(content.clone(), spec, preprocess)).collect()
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
    } else if matches!(json_text(content).trim_ascii_start().first(), Some(b'{' | b'[')) {
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
    let spec = TensorSpec { shape, ..spec.clone() };
    Tensor::new(spec, content.clone()).ok()
}

fn unrecognised(content: &Bytes, spec: &TensorSpec) -> Error {
    Error::Unrecognised {
        length: content.len(),
        start: content.iter().take(8).copied().collect(),
        wanted: spec.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ElementType;
    use super::super::npy::tests::fixture;
    use super::super::picture::tests::Fixture;
    use super::*;

    fn spec(name: &'static [u8], element: ElementType, shape: &[i32]) -> TensorSpec {
        TensorSpec { name: Bytes::from_static(name), element, shape: shape.to_vec() }
    }

    fn one(content: &[u8], spec: &TensorSpec) -> Result<Tensor, Error> {
        let content = Bytes::copy_from_slice(content);
        let tensor = read_input(content.clone(), spec, &Preprocess::default());
        let same = read_inputs(content, std::slice::from_ref(spec), &Preprocess::default());
        assert_eq!(same, tensor.clone().map(|tensor| vec![tensor]));
        tensor
    }

    #[test]
    fn content_says_what_it_is() {
        let float = spec(b"x", ElementType::Float32, &[1, 2, 3]);
        let (file, elements) = fixture("version 1");
        assert_eq!(one(&file, &float).unwrap().data, elements);
        assert_eq!(one(&elements, &float).unwrap().data, elements);
        let base64 = data_encoding::BASE64.encode(&elements);
        for json in [
            format!("{{\"b64_data\":\"{base64}\"}}"),
            format!("\u{feff} \n[{{\"name\":\"x\",\"b64_data\":\"{base64}\"}}]\n"),
        ] {
            assert_eq!(one(json.as_bytes(), &float).unwrap().data, elements);
        }
        let picture = spec(b"x", ElementType::Uint8, &[1, -1, -1, 4]);
        for name in ["png rgba", "bmp 32-bit alpha"] {
            let fixture = Fixture::named(name);
            assert_eq!(one(&fixture.file, &picture).unwrap().data, fixture.rgba);
        }
        let jpeg = Fixture::named("jpeg baseline");
        assert_eq!(one(&jpeg.file, &picture).unwrap().spec.shape, [1, 18, 20, 4]);
    }

    #[test]
    fn raw_bytes_of_the_size_may_begin_like_anything() {
        for start in [
            &b"{\"b64"[..],
            b"[1,2",
            b"\x93NUMPY\x01\x00",
            b"\x89PNG\r\n\x1a\n\0\0",
            b"\xff\xd8\xff\xe0",
            b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
        ] {
            let mut raw = [0xa5; 24];
            raw[..start.len()].copy_from_slice(start);
            for shape in [&[24][..], &[1, 2, 3, 4]] {
                let tensor = one(&raw, &spec(b"x", ElementType::Uint8, shape)).unwrap();
                assert_eq!(&tensor.data[..], raw);
            }
            // Another size, and a size that only divides: what it begins like is meant.
            for shape in [&[25][..], &[-1, 3]] {
                let error = one(&raw, &spec(b"x", ElementType::Uint8, shape)).unwrap_err();
                assert!(
                    matches!(error, Error::Malformed { .. } | Error::DoesNotFit { .. }),
                    "{error}"
                );
            }
        }
        // What is whole in a format is that, also where its size is the tensor's.
        let fixture = Fixture::named("png rgb");
        let length = i32::try_from(fixture.file.len()).unwrap();
        let error = one(&fixture.file, &spec(b"x", ElementType::Uint8, &[length])).unwrap_err();
        assert!(matches!(error, Error::DoesNotFit { .. }), "{error}");
        let json = br#"{"b64_data":"AQI="}"#;
        let error = one(json, &spec(b"x", ElementType::Uint8, &[19])).unwrap_err();
        assert!(matches!(error, Error::DoesNotFit { .. }), "{error}");
    }

    #[test]
    fn raw_bytes_give_one_dynamic_dimension() {
        let one_dynamic = spec(b"x", ElementType::Int16, &[-1, 3]);
        assert_eq!(one(&[7; 12], &one_dynamic).unwrap().spec.shape, [2, 3]);
        for (content, shape) in [(&[7; 12][..], &[-1, -1][..]), (&[7; 11], &[-1, 3]), (&[], &[-1])]
        {
            let error = one(content, &spec(b"x", ElementType::Int16, shape)).unwrap_err();
            assert!(matches!(error, Error::Unrecognised { .. }), "{error}");
        }
    }

    #[test]
    fn content_goes_to_every_input_and_has_to_fit_each() {
        let specs =
            [spec(b"a", ElementType::Uint8, &[1, 4]), spec(b"b", ElementType::Float32, &[1])];
        let read = |content: &'static [u8], specs: &[TensorSpec]| {
            read_inputs(Bytes::from_static(content), specs, &Preprocess::default())
        };
        for content in [&b"abcd"[..], br#"{"b64_data":"YWJjZA=="}"#, b"{\n}\n"] {
            let tensors = read(content, &specs).unwrap();
            assert_eq!(tensors.len(), 2);
            assert_eq!(tensors[0].data, tensors[1].data);
        }
        let error = read(b"abcde", &specs).unwrap_err();
        assert!(matches!(error, Error::Unrecognised { length: 5, .. }), "{error}");
        let named = br#"[{"name":"b","b64_data":"AQIDBA=="},{"name":"a","b64_data":"YWJjZA=="}]"#;
        assert_eq!(&read(named, &specs).unwrap()[0].data[..], b"abcd");
    }

    #[test]
    fn a_model_without_declared_inputs_takes_json_only() {
        let read = |content: &'static [u8]| {
            read_inputs(Bytes::from_static(content), &[], &Preprocess::default())
        };
        let tensors = read(br#"{"name":"a","type":0,"shape":[1],"b64_data":"AQ=="}"#).unwrap();
        assert_eq!(tensors[0].spec, spec(b"a", ElementType::Uint8, &[1]));
        assert!(matches!(read(b"abc"), Err(Error::Names { .. })));
        assert!(matches!(read(b"{"), Err(Error::Malformed { .. })));
    }
}
