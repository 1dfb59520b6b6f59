//! JSON tensors: `{"b64_data"}` with optional `name`, `shape` and `type`, or an array of them.
//!
//! The document is read into borrowed text, so that the elements are copied once: when their
//! base64 is decoded.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use data_encoding::BASE64;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::type_advice;
use super::{ElementType, Error, Format, Tensor, TensorSpec, shape};

/// A document of tensors.
pub(super) enum Document<'a> {
    /// One object: its bytes go to every input of the model. What it is called does not matter to a
    /// model of one input: an output of one model may be the input of another.
    One(JsonTensor<'a>),
    /// An array: each tensor goes to the input that it names.
    Many(Vec<JsonTensor<'a>>),
}

impl<'a> Document<'a> {
    /// Parses a whole document.
    pub(super) fn parse(content: &'a [u8]) -> Result<Self, Error> {
        serde_json::from_slice(content).map_err(|error| malformed(error.to_string()))
    }

    /// The tensors for the inputs `specs`, in their order.
    pub(super) fn into_tensors(self, specs: &[TensorSpec]) -> Result<Vec<Tensor>, Error> {
        match self {
            Self::Many(tensors) => by_name(tensors, specs),
            Self::One(tensor) if specs.is_empty() || (specs.len() > 1 && tensor.name.is_some()) => {
                by_name(vec![tensor], specs)
            }
            Self::One(tensor) => {
                let data = Bytes::from(decode(&tensor.b64_data)?);
                specs.iter().map(|spec| tensor.fit(spec, &data)).collect()
            }
        }
    }

    /// The tensor for the one input `spec`.
    pub(super) fn into_tensor(self, spec: &TensorSpec) -> Result<Tensor, Error> {
        let mut tensors = match self {
            Self::One(tensor) => return tensor.fit(spec, &Bytes::from(decode(&tensor.b64_data)?)),
            Self::Many(tensors) => tensors,
        };
        match (tensors.pop(), tensors.is_empty()) {
            (Some(tensor), true) => {
                tensor.check_name(spec)?;
                tensor.fit(spec, &Bytes::from(decode(&tensor.b64_data)?))
            }
            (last, _) => Err(Error::DoesNotFit {
                found: format!(
                    "a JSON array of {} tensors",
                    tensors.len() + usize::from(last.is_some())
                ),
                wanted: spec.clone(),
                advice: "give one tensor where the content is for one input",
            }),
        }
    }
}

/// One tensor of a document.
#[derive(Debug)]
pub(super) struct JsonTensor<'a> {
    name: Option<Cow<'a, str>>,
    shape: Option<Vec<i64>>,
    element: Option<ElementType>,
    b64_data: Cow<'a, str>,
}

impl JsonTensor<'_> {
    /// Refuses another name than the input's.
    fn check_name(&self, spec: &TensorSpec) -> Result<(), Error> {
        match &self.name {
            Some(name) if *name != spec.name_text() => Err(Error::Names {
                problem: format!("the JSON tensor names {:?}", shortened(name)),
                inputs: vec![spec.name_text().into_owned()],
            }),
            _ => Ok(()),
        }
    }

    /// The input `spec` of these elements, if type, shape and size are its own.
    fn fit(&self, spec: &TensorSpec, data: &Bytes) -> Result<Tensor, Error> {
        if self.element.is_some_and(|element| element != spec.element) {
            return Err(self.does_not_fit(spec, data, type_advice(spec.element)));
        }
        let shape = match &self.shape {
            Some(found) => found
                .iter()
                .map(|size| u64::try_from(*size).ok())
                .collect::<Option<Vec<u64>>>()
                .and_then(|found| shape::fit(&spec.shape, &found))
                .ok_or_else(|| {
                    self.does_not_fit(spec, data, "give it that shape, or leave the shape out")
                })?,
            None => shape::infer(&spec.shape, spec.element, data.len()).ok_or_else(|| {
                let advice = if spec.byte_length().is_some() {
                    "give it as many bytes"
                } else {
                    "give its shape, which does not follow from the number of bytes"
                };
                self.does_not_fit(spec, data, advice)
            })?,
        };
        if shape::byte_length(&shape, spec.element) != Some(data.len()) {
            return Err(self.does_not_fit(spec, data, "give it as many bytes as its shape takes"));
        }
        Tensor::new(TensorSpec { shape, ..spec.clone() }, data.clone())
    }

    fn does_not_fit(&self, spec: &TensorSpec, data: &Bytes, advice: &'static str) -> Error {
        let mut found = "a JSON tensor of ".to_owned();
        if let Some(element) = self.element {
            found.push_str(element.name());
            found.push(' ');
        }
        if let Some(shape) = &self.shape {
            found.push_str(&shape::Listed(shape).to_string());
            found.push_str(" with ");
        }
        found.push_str(&data.len().to_string());
        found.push_str(" bytes");
        Error::DoesNotFit { found, wanted: spec.clone(), advice }
    }

    /// The tensor as it describes itself, for a model that declares no inputs.
    fn on_its_own(self) -> Result<Tensor, Error> {
        let (Some(name), Some(shape), Some(element)) = (self.name, self.shape, self.element) else {
            return Err(Error::Names {
                problem: "each JSON tensor needs name, shape and type for this model".into(),
                inputs: Vec::new(),
            });
        };
        let shape = shape
            .iter()
            .map(|size| i32::try_from(*size).ok())
            .collect::<Option<Vec<i32>>>()
            .ok_or_else(|| malformed("a dimension of the shape is out of range".into()))?;
        let spec = TensorSpec { name: Bytes::from(name.into_owned()), element, shape };
        Tensor::new(spec, Bytes::from(decode(&self.b64_data)?))
    }
}

/// Gives each tensor to the input that it names.
fn by_name(tensors: Vec<JsonTensor<'_>>, specs: &[TensorSpec]) -> Result<Vec<Tensor>, Error> {
    if specs.is_empty() {
        return tensors.into_iter().map(JsonTensor::on_its_own).collect();
    }
    let names_problem = |problem| Error::Names {
        problem,
        inputs: specs.iter().map(|spec| spec.name_text().into_owned()).collect(),
    };
    let mut inputs: Vec<Option<Tensor>> = specs.iter().map(|_| None).collect();
    let only = specs.len() == 1 && tensors.len() == 1;
    for tensor in tensors {
        let position = match &tensor.name {
            Some(name) => specs.iter().position(|spec| spec.name_text() == *name),
            None if only => Some(0),
            None => return Err(names_problem("a JSON tensor of several has no name".into())),
        };
        let slot =
            position.and_then(|position| Some((specs.get(position)?, inputs.get_mut(position)?)));
        let name = tensor.name.as_deref().unwrap_or_default();
        match slot {
            None => {
                return Err(names_problem(format!(
                    "the JSON tensor {:?} is none of the model",
                    shortened(name)
                )));
            }
            Some((_, Some(_))) => {
                return Err(names_problem(format!(
                    "the JSON tensor {:?} is there twice",
                    shortened(name)
                )));
            }
            Some((spec, slot)) => {
                let data = Bytes::from(decode(&tensor.b64_data)?);
                *slot = Some(tensor.fit(spec, &data)?);
            }
        }
    }
    if let Some((spec, _)) = specs.iter().zip(&inputs).find(|(_, input)| input.is_none()) {
        return Err(names_problem(format!(
            "there is no JSON tensor for the input {:?}",
            spec.name_text()
        )));
    }
    Ok(inputs.into_iter().flatten().collect())
}

/// Decodes standard base64 with padding (RFC 4648, section 4); white space may break its lines.
fn decode(text: &str) -> Result<Vec<u8>, Error> {
    let text = text.as_bytes();
    let decoded = match BASE64.decode(text) {
        Err(_) if text.iter().any(u8::is_ascii_whitespace) => {
            let text: Vec<u8> =
                text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            BASE64.decode(&text)
        }
        decoded => decoded,
    };
    decoded.map_err(|error| malformed(format!("b64_data is not base64: {error}")))
}

fn malformed(problem: String) -> Error {
    Error::Malformed { format: Format::Json, problem }
}

/// What of a name from outside a message shows.
fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Document<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{\"b64_data\"} or an array of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Object.visit_map(map).map(Document::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut tensors = Vec::new();
                while let Some(tensor) = seq.next_element()? {
                    tensors.push(tensor);
                }
                Ok(Document::Many(tensors))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for JsonTensor<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

/// Reads one object. Unknown keys are ignored.
struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = JsonTensor<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON tensor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut name, mut shape, mut element, mut b64_data) = (None, None, None, None);
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "name" => name = map.next_value::<Option<Text<'de>>>()?,
                "shape" => shape = map.next_value::<Option<Vec<i64>>>()?,
                "type" => element = map.next_value::<Option<Type>>()?,
                "b64_data" => b64_data = Some(map.next_value::<Text<'de>>()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let Text(b64_data) = b64_data.ok_or_else(|| A::Error::missing_field("b64_data"))?;
        Ok(JsonTensor {
            name: name.map(|Text(name)| name),
            shape,
            element: element.map(|Type(element)| element),
            b64_data,
        })
    }
}

/// Text that borrows from the document where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

/// An element type by its number or its name.
struct Type(ElementType);

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;
        impl Visitor<'_> for Named {
            type Value = Type;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a type from 0 to 6, or its name, such as \"FLOAT32\"")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                i32::try_from(number)
                    .ok()
                    .and_then(ElementType::from_wire)
                    .map(Type)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
                ElementType::ALL
                    .into_iter()
                    .find(|element| element.name() == name)
                    .map(Type)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(name), &self))
            }
        }
        deserializer.deserialize_any(Named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &'static [u8], element: ElementType, shape: &[i32]) -> TensorSpec {
        TensorSpec { name: Bytes::from_static(name), element, shape: shape.to_vec() }
    }

    fn read(text: &str, specs: &[TensorSpec]) -> Result<Vec<Tensor>, Error> {
        Document::parse(text.as_bytes())?.into_tensors(specs)
    }

    #[test]
    fn the_bytes_go_to_every_input() {
        let specs = [spec(b"a", ElementType::Uint8, &[1, 4]), spec(b"b", ElementType::Int16, &[2])];
        let tensors = read(r#"{"b64_data": "AQIDBA==", "note": {"x": [1]}}"#, &specs).unwrap();
        assert_eq!(tensors.len(), 2);
        for (tensor, spec) in tensors.iter().zip(&specs) {
            assert_eq!(&tensor.spec, spec);
            assert_eq!(&tensor.data[..], [1, 2, 3, 4]);
        }
        let specs = [specs[0].clone(), spec(b"b", ElementType::Int16, &[3])];
        assert_eq!(
            read(r#"{"b64_data":"AQIDBA=="}"#, &specs).unwrap_err().to_string(),
            "a JSON tensor of 4 bytes does not fit the model's input \"b\" INT16 [3] (6 bytes): \
             give it as many bytes"
        );
    }

    #[test]
    fn shape_and_type_have_to_fit_and_names_in_arrays() {
        let specs = [spec(b"a", ElementType::Uint8, &[1, 4])];
        for good in [
            r#"{"name":"a","type":0,"shape":[1,4],"b64_data":"AQIDBA=="}"#,
            r#"{"name":"\u0061","type":"UINT8","shape":[4],"b64_data":"AQID\u0042A=="}"#,
            r#"{"name":null,"type":null,"shape":null,"b64_data":"AQID\nBA=="}"#,
            r#"{"name":"b","b64_data":"AQIDBA=="}"#,
            r#"[{"b64_data":"AQIDBA=="}]"#,
            r#"[{"name":"a","b64_data":"AQIDBA=="}]"#,
        ] {
            let tensors = read(good, &specs).expect(good);
            assert_eq!(tensors.len(), 1, "{good}");
            assert_eq!(&tensors[0].data[..], [1, 2, 3, 4], "{good}");
            assert_eq!(tensors[0].spec, specs[0], "{good}");
        }
        for bad in [
            r#"[{"name":"b","b64_data":"AQIDBA=="}]"#,
            r#"{"type":5,"b64_data":"AQIDBA=="}"#,
            r#"{"type":7,"b64_data":"AQIDBA=="}"#,
            r#"{"type":-1,"b64_data":"AQIDBA=="}"#,
            r#"{"type":"uint9","b64_data":"AQIDBA=="}"#,
            r#"{"shape":[2,2],"b64_data":"AQIDBA=="}"#,
            r#"{"shape":[-1,4],"b64_data":"AQIDBA=="}"#,
            r#"{"shape":[1,4],"b64_data":"AQID"}"#,
            r#"{"shape":"1,4","b64_data":"AQIDBA=="}"#,
            r#"{"b64_data":"AQIDBAU="}"#,
            r#"{"b64_data":[1,2,3,4]}"#,
            r#"{"b64_data":null}"#,
            r#"{"data":"AQIDBA=="}"#,
            r#"{}"#,
            r#"[]"#,
            r#"[{"b64_data":"AQIDBA=="},{"b64_data":"AQIDBA=="}]"#,
            r#"[[{"b64_data":"AQIDBA=="}]]"#,
            r#"{"b64_data":"AQIDBA=="} x"#,
            r#""AQIDBA==""#,
        ] {
            assert!(read(bad, &specs).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_array_names_each_input_once() {
        let specs = [spec(b"a", ElementType::Uint8, &[1]), spec(b"\xff", ElementType::Uint8, &[1])];
        let tensors =
            read(r#"[{"name":"%FF","b64_data":"/w=="},{"name":"a","b64_data":"AQ=="}]"#, &specs)
                .unwrap();
        assert_eq!(tensors[0].spec, specs[0]);
        assert_eq!(&tensors[0].data[..], [1]);
        assert_eq!(&tensors[1].data[..], [255]);
        for (bad, words) in [
            (r#"[{"name":"a","b64_data":"AQ=="}]"#, "no JSON tensor for the input \"%FF\""),
            (r#"{"name":"a","b64_data":"AQ=="}"#, "no JSON tensor for the input \"%FF\""),
            (
                r#"[{"name":"a","b64_data":"AQ=="},{"name":"a","b64_data":"AQ=="}]"#,
                "\"a\" is there twice",
            ),
            (
                r#"[{"name":"a","b64_data":"AQ=="},{"name":"c","b64_data":"AQ=="}]"#,
                "\"c\" is none of the model: the model's inputs are \"a\", \"%FF\"",
            ),
            (r#"[{"b64_data":"AQ=="},{"name":"a","b64_data":"AQ=="}]"#, "has no name"),
        ] {
            let error = read(bad, &specs).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_model_without_declared_inputs_takes_tensors_as_they_describe_themselves() {
        let whole = r#"{"name":"a","type":1,"shape":[2],"b64_data":"AQIDBA=="}"#;
        for text in [whole.to_owned(), format!("[{whole}]")] {
            let tensors = read(&text, &[]).unwrap();
            assert_eq!(tensors[0].spec, spec(b"a", ElementType::Int16, &[2]));
        }
        for bad in [
            r#"{"b64_data":"AQIDBA=="}"#,
            r#"{"name":"a","type":1,"shape":[3],"b64_data":"AQIDBA=="}"#,
            r#"{"name":"a","type":1,"shape":[9999999999],"b64_data":"AQIDBA=="}"#,
            r#"{"name":"a","type":1,"shape":[-2],"b64_data":"AQIDBA=="}"#,
        ] {
            assert!(read(bad, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn dynamic_dimensions_come_from_the_shape_or_the_size() {
        let one = [spec(b"a", ElementType::Int16, &[-1, 2])];
        let two = [spec(b"a", ElementType::Int16, &[-1, -1])];
        let bytes = r#""b64_data":"AQIDBAUGBwg=""#;
        assert_eq!(read(&format!("{{{bytes}}}"), &one).unwrap()[0].spec.shape, [2, 2]);
        let error = read(&format!("{{{bytes}}}"), &two).unwrap_err().to_string();
        assert!(error.contains("give its shape"), "{error}");
        let shaped = format!(r#"{{"shape":[4,1],{bytes}}}"#);
        assert_eq!(read(&shaped, &two).unwrap()[0].spec.shape, [4, 1]);
    }

    #[test]
    fn malformed_base64_is_refused_with_its_position() {
        let specs = [spec(b"a", ElementType::Uint8, &[4])];
        for (text, words) in [
            ("AQI!BA==", "invalid symbol at 3"),
            ("AQIDBA", "invalid length at 4"),
            ("AQIDBA=", "invalid length at 4"),
            ("AQIDBB==", "non-zero trailing bits at 5"),
            ("AQ==BA==", "invalid length"),
            ("-_==", "invalid symbol at 0"),
            ("é", "invalid"),
        ] {
            let result = read(&format!("{{\"b64_data\":\"{text}\"}}"), &specs);
            if text == "AQ==BA==" {
                // Joined base64 decodes to the joined bytes, which are too few here.
                assert!(matches!(result, Err(Error::DoesNotFit { .. })), "{result:?}");
                continue;
            }
            let error = result.unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        let error = read("{\"b64_data\": \"AQID\n}", &specs).unwrap_err().to_string();
        assert!(error.contains("line 2 column 0"), "{error}");
    }

    #[test]
    fn no_prefix_is_read_and_none_panics() {
        let specs = [spec(b"a", ElementType::Uint8, &[1, 4])];
        let text = r#"[{"name":"a","type":0,"shape":[1,4],"b64_data":"AQIDBA==","more":[1.5e3,"\u00e9"]}]"#;
        assert!(read(text, &specs).is_ok());
        for length in 0..text.len() {
            assert!(read(&text[..length], &specs).is_err(), "{length}");
        }
        assert!(read(&"[".repeat(100_000), &specs).is_err());
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        for (text, borrowed) in
            [(r#"{"b64_data":"AQ=="}"#, true), (r#"{"b64_data":"\/w=="}"#, false)]
        {
            let Ok(Document::One(tensor)) = Document::parse(text.as_bytes()) else {
                panic!("{text}");
            };
            assert_eq!(matches!(tensor.b64_data, Cow::Borrowed(_)), borrowed);
        }
    }
}
