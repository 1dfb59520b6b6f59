//! A command as it came from the cloud, parsed once into what cannot be wrong. Pure.

use std::fmt;

use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::archive::{Archive, Source};
use super::error::Error;
use super::location::Location;
use super::method::Method;
use super::predict::{Capture, Input, Prediction};
use crate::agent::{AuxiliaryData, Encoding};
use crate::config::Update;
use crate::model_name::ModelName;
use crate::store::Sha256;
use crate::tensor::Preprocess;

/// A request, or what is left to answer of one that is wrong.
#[derive(Debug)]
pub struct Request {
    /// Whose reply it will be.
    pub id: Id,
    /// What was asked for, where that much is known.
    pub method: Option<Method>,
    /// What to do, or why it cannot be done.
    pub call: Result<Call, Error>,
}

/// A JSON-RPC id.
#[derive(Debug, Clone, PartialEq)]
pub enum Id {
    /// None was given, or `null`.
    Null,
    /// A string.
    Text(String),
    /// A number.
    Number(Number),
}

/// For log lines: of a long text only the beginning.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("none"),
            Self::Text(text) => match text.char_indices().nth(64) {
                Some((end, _)) => write!(f, "{:?}…", &text[..end]),
                None => write!(f, "{text:?}"),
            },
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub enum Call {
    /// Which models the agent has loaded.
    ListModels,
    /// Pull a model and load it.
    LoadModel {
        /// Its name from now on.
        name: ModelName,
        /// What it comes from.
        archive: Archive,
    },
    /// A loaded model's inputs and outputs.
    DescribeModel {
        /// Which.
        name: ModelName,
    },
    /// Replace a model that is loaded.
    ReloadModel {
        /// Which.
        name: ModelName,
        /// As for loading.
        archive: Archive,
    },
    /// Unload a model.
    UnloadModel {
        /// Which.
        name: ModelName,
    },
    /// Run a model.
    Predict(Box<Prediction>),
    /// What has become of captured data.
    DataCaptureStatus {
        /// The capture's id.
        id: Uuid,
    },
    /// Change the configuration.
    Configure(Box<Update>),
}

impl Request {
    /// Reads a command. `new_capture_id` gives the id of a capture that has none of its own.
    pub fn parse(payload: &[u8], new_capture_id: impl FnOnce() -> Uuid) -> Self {
        let wrong = |error| Self { id: Id::Null, method: None, call: Err(error) };
        let message: Value = match serde_json::from_slice(payload) {
            Ok(message) => message,
            Err(error) => return wrong(Error::NotJson(error.to_string())),
        };
        let Value::Object(message) = message else {
            return wrong(Error::NotARequest("it must be one JSON object; batches are not taken"));
        };
        let id = match message.get("id") {
            None | Some(Value::Null) => Id::Null,
            Some(Value::String(text)) => Id::Text(text.clone()),
            Some(Value::Number(number)) => Id::Number(number.clone()),
            Some(_) => return wrong(Error::NotARequest("id must be a string or a number")),
        };
        match (message.get("method"), message.get("config")) {
            (Some(Value::String(name)), _) => {
                let method = Method::find(name);
                let call = Call::parse(&method, &message, &id, new_capture_id);
                Self { id, method: Some(method), call }
            }
            (None, Some(config)) => {
                let call = Update::parse(config)
                    .map(|update| Call::Configure(Box::new(update)))
                    .map_err(Error::Configuration);
                Self { id, method: Some(Method::Configure), call }
            }
            (method, _) => {
                let error = Error::NotARequest(match method {
                    Some(_) => "method must be a string",
                    None => "it has no method",
                });
                Self { id, method: None, call: Err(error) }
            }
        }
    }
}

impl Call {
    fn parse(
        method: &Method,
        message: &Map<String, Value>,
        id: &Id,
        new_capture_id: impl FnOnce() -> Uuid,
    ) -> Result<Self, Error> {
        let none = Map::new();
        let params = match message.get("params") {
            None | Some(Value::Null) => Params(&none),
            Some(Value::Object(params)) => Params(params),
            Some(Value::Array(params)) if params.is_empty() => Params(&none),
            Some(_) => return Err(Error::Parameter("params", "an object".to_owned())),
        };
        Ok(match method {
            Method::ListModels => Self::ListModels,
            Method::LoadModel => {
                Self::LoadModel { name: params.model("name")?, archive: params.archive()? }
            }
            Method::DescribeModel => Self::DescribeModel { name: params.model("name")? },
            Method::ReloadModel => {
                Self::ReloadModel { name: params.model("name")?, archive: params.archive()? }
            }
            Method::UnloadModel => Self::UnloadModel { name: params.model("name")? },
            Method::Predict => Self::Predict(Box::new(params.prediction(id, new_capture_id)?)),
            Method::DataCaptureStatus => Self::DataCaptureStatus { id: params.uuid("capture_id")? },
            Method::Configure | Method::Unknown(_) => {
                return Err(Error::UnknownMethod(method.name().to_owned()));
            }
        })
    }
}

/// The parameters of a request. Those that a method does not know are passed over.
struct Params<'a>(&'a Map<String, Value>);

impl Params<'_> {
    fn text(&self, name: &'static str) -> Result<&str, Error> {
        match self.0.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            Some(_) => Err(Error::Parameter(name, "a string that is not empty".to_owned())),
            None => Err(Error::MissingParameter(name)),
        }
    }

    fn model(&self, name: &'static str) -> Result<ModelName, Error> {
        ModelName::parse(self.text(name)?).map_err(Error::ModelName)
    }

    /// Whether a parameter was given. `null` is as good as none.
    fn has(&self, name: &'static str) -> bool {
        !matches!(self.0.get(name), None | Some(Value::Null))
    }

    fn archive(&self) -> Result<Archive, Error> {
        let source = match (self.has("s3_filename"), self.has("url")) {
            (true, true) => {
                return Err(Error::Parameter("params", "without s3_filename or url".to_owned()));
            }
            (false, false) => return Err(Error::MissingParameter("s3_filename")),
            (true, false) => Source::ModelsDirectory(self.text("s3_filename")?.to_owned()),
            (false, true) => Source::parse(self.text("url")?)?,
        };
        let sha256 = if self.has("sha256") {
            let digest = Sha256::parse(self.text("sha256")?);
            let wrong = || Error::Parameter("sha256", "64 hexadecimal digits".to_owned());
            Some(digest.ok_or_else(wrong)?)
        } else {
            None
        };
        Ok(Archive { source, sha256 })
    }

    fn uuid(&self, name: &'static str) -> Result<Uuid, Error> {
        let text = self.text(name)?;
        Uuid::try_parse(text).map_err(|_| Error::Parameter(name, "a UUID".to_owned()))
    }

    fn flag(&self, name: &'static str) -> Result<bool, Error> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(Error::Parameter(name, "true or false".to_owned())),
        }
    }

    fn prediction(
        &self,
        id: &Id,
        new_capture_id: impl FnOnce() -> Uuid,
    ) -> Result<Prediction, Error> {
        let output = match self.0.get("output_url") {
            None | Some(Value::Null) => None,
            Some(_) => Some(location(self.text("output_url")?)?),
        };
        let preprocess = match self.0.get("preprocess") {
            None | Some(Value::Null) => Preprocess::default(),
            Some(preprocess) => Preprocess::parse(preprocess).map_err(Error::Tensor)?,
        };
        let aux = self.aux_data()?;
        let capture = if self.flag("capture_enable")? {
            let id = match (self.0.get("capture_id"), id) {
                (None | Some(Value::Null), Id::Text(text)) => Uuid::try_parse(text).ok(),
                (None | Some(Value::Null), _) => None,
                (Some(_), _) => Some(self.uuid("capture_id")?),
            };
            Some(Capture { id: id.unwrap_or_else(new_capture_id), aux })
        } else {
            None
        };
        Ok(Prediction {
            model: self.model("model_name")?,
            input: self.input()?,
            output,
            presign_s: self.presign_s()?,
            preprocess,
            capture,
        })
    }

    /// S3 lets a URL be valid for a week at most.
    fn presign_s(&self) -> Result<Option<u32>, Error> {
        const NAME: &str = "presign_s";
        let seconds = match self.0.get(NAME) {
            None | Some(Value::Null) => return Ok(None),
            Some(seconds) => seconds.as_u64().and_then(|seconds| u32::try_from(seconds).ok()),
        };
        match seconds {
            Some(1..=604_800) => Ok(seconds),
            _ => Err(Error::Parameter(NAME, "a number of seconds from 1 to 604800".to_owned())),
        }
    }

    fn input(&self) -> Result<Input, Error> {
        const NAME: &str = "input_data_url";
        let Some(Value::Object(urls)) = self.0.get(NAME) else {
            return self.text(NAME).and_then(location).map(Input::One);
        };
        let by_tensor = urls.iter().map(|(tensor, url)| match url {
            Value::String(url) => Ok((tensor.clone(), location(url)?)),
            _ => Err(Error::Parameter(NAME, "a URL, or an object of URLs".to_owned())),
        });
        let by_tensor = by_tensor.collect::<Result<Vec<_>, Error>>()?;
        if by_tensor.is_empty() {
            return Err(Error::MissingParameter(NAME));
        }
        Ok(Input::ByTensor(by_tensor))
    }

    fn aux_data(&self) -> Result<Vec<AuxiliaryData>, Error> {
        const NAME: &str = "aux_data";
        let wrong = |what: &str| Error::Parameter(NAME, what.to_owned());
        let entries = match self.0.get(NAME) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(wrong("an array")),
        };
        let each = |entry: &Value| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str);
            let encoding = match text("encoding") {
                Some("CSV") => Encoding::Csv,
                Some("JSON") => Encoding::Json,
                Some("NONE") => Encoding::None,
                Some("BASE64") => Encoding::Base64,
                _ => return Err(wrong("entries whose encoding is CSV, JSON, NONE or BASE64")),
            };
            let name = text("name").ok_or_else(|| wrong("entries with a name"))?.to_owned();
            let data = text("b64_data")
                .and_then(|data| data_encoding::BASE64.decode(data.as_bytes()).ok())
                .ok_or_else(|| wrong("entries with base64 in b64_data"))?;
            Ok(AuxiliaryData { name, encoding, data: data.into() })
        };
        entries.iter().map(each).collect()
    }
}

fn location(url: &str) -> Result<Location, Error> {
    Location::parse(url).map_err(Error::Location)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Request {
        Request::parse(text.as_bytes(), || Uuid::from_u128(7))
    }

    fn error(text: &str) -> String {
        parse(text).call.unwrap_err().to_string()
    }

    #[test]
    fn the_published_examples() {
        assert!(matches!(
            parse(r#"{"jsonrpc":"2.0","id":"1","method":"listModels"}"#).call,
            Ok(Call::ListModels)
        ));
        let load = parse(
            r#"{"jsonrpc":"2.0","id":"1","method":"loadModel","params":{"name":"demo-keras","s3_filename":"keras-model-1.0.tar.gz"}}"#,
        );
        assert_eq!(load.id, Id::Text("1".to_owned()));
        assert!(matches!(load.call, Ok(Call::LoadModel { name, archive })
            if name.as_str() == "demo-keras" && archive.sha256.is_none()
                && archive.source == Source::ModelsDirectory("keras-model-1.0.tar.gz".to_owned())));
        for scheme in ["file", "s3"] {
            let predict = parse(&format!(
                r#"{{"jsonrpc":"2.0","id":"1","method":"predict","params":{{"model_name":"demo-keras","input_data_url":"{scheme}:///keras.bmp","output_url":"{scheme}:///keras-predicted.data" }}}}"#
            ));
            let Ok(Call::Predict(prediction)) = predict.call else { panic!("{predict:?}") };
            assert!(prediction.output.is_some() && prediction.capture.is_none());
        }
    }

    #[test]
    fn archives() {
        let parse = |params: &str| {
            let request =
                parse(&format!(r#"{{"method":"reloadModel","params":{{"name":"m",{params}}}}}"#));
            match request.call {
                Ok(Call::ReloadModel { archive, .. }) => Ok(archive),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error.to_string()),
            }
        };
        let archive = parse(r#""url":"s3://my-bucket/a/b.tgz","s3_filename":null,"more":1"#);
        assert!(matches!(archive.unwrap().source, Source::Object(bucket, key)
            if bucket.as_str() == "my-bucket" && key.as_str() == "a/b.tgz"));
        let digest = "AB".repeat(32);
        let archive = parse(&format!(r#""url":"file:///a b.tar","sha256":"{digest}""#)).unwrap();
        assert!(matches!(archive.source, Source::File(path) if path.as_str() == "a b.tar"));
        assert_eq!(archive.sha256.unwrap().to_string(), "ab".repeat(32));
        for (params, part) in [
            (r#""more":1"#, "params.s3_filename is missing"),
            (r#""url":"file:///x","s3_filename":"x""#, "without s3_filename or url"),
            (r#""url":"s3:///x""#, "s3_filename"),
            (r#""url":"https://x/y""#, "https://x/y"),
            (r#""url":5"#, "url"),
            (r#""s3_filename":"""#, "s3_filename"),
            (r#""s3_filename":"x","sha256":"ab""#, "64 hexadecimal digits"),
            (r#""s3_filename":"x","sha256":5"#, "sha256"),
        ] {
            let error = parse(params).unwrap_err();
            assert!(error.contains(part), "{params}: {error}");
        }
    }

    #[test]
    fn parameters_of_no_use_are_passed_over() {
        for params in ["[]", "{}", "null", r#"{"more":[1]}"#] {
            let text = format!(r#"{{"id":5,"method":"listModels","params":{params}}}"#);
            assert!(matches!(parse(&text).call, Ok(Call::ListModels)), "{text}");
        }
    }

    #[test]
    fn ids() {
        assert_eq!(parse(r#"{"method":"listModels"}"#).id, Id::Null);
        assert_eq!(parse(r#"{"id":42,"method":"listModels"}"#).id.to_string(), "42");
        let long = Id::Text("ü".repeat(70_000)).to_string();
        assert_eq!(long, format!("\"{}\"…", "ü".repeat(64)));
        assert!(error(r#"{"id":[],"method":"listModels"}"#).contains("id"));
    }

    #[test]
    fn a_capture_has_the_id_that_was_given_or_the_requests_or_a_new_one() {
        let capture = |id: &str, more: &str| {
            let request = parse(&format!(
                r#"{{"id":"{id}","method":"predict","params":{{"model_name":"m","input_data_url":"file:///x","capture_enable":true{more}}}}}"#
            ));
            let Ok(Call::Predict(prediction)) = request.call else { panic!("{request:?}") };
            prediction.capture.unwrap()
        };
        let uuid = "6f0f1d50-4d3f-4a53-9c3a-0b5ad8a3b001";
        assert_eq!(capture("1", "").id, Uuid::from_u128(7));
        assert_eq!(capture(uuid, "").id.to_string(), uuid);
        let given = format!(r#","capture_id":"{uuid}""#);
        assert_eq!(capture("6f0f1d50-4d3f-4a53-9c3a-000000000000", &given).id.to_string(), uuid);
        let aux = r#","aux_data":[{"name":"note","encoding":"JSON","b64_data":"eyJhIjoxfQ=="}]"#;
        assert_eq!(&capture("1", aux).aux[0].data[..], br#"{"a":1}"#);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("", "JSON"),
            ("{", "JSON"),
            ("\u{1}", "JSON"),
            ("[]", "object"),
            ("{}", "no method"),
            (r#"{"method":5}"#, "method must be a string"),
            (r#"{"method":"frobnicate"}"#, "frobnicate"),
            (r#"{"method":"frobnicate"}"#, "listModels"),
            (r#"{"method":"loadModel"}"#, "name"),
            (r#"{"method":"loadModel","params":[1]}"#, "params"),
            (r#"{"method":"loadModel","params":{"name":5}}"#, "name"),
            (r#"{"method":"loadModel","params":{"name":"x; touch FILE"}}"#, "x; touch FILE"),
            (r#"{"method":"loadModel","params":{"name":"x"}}"#, "s3_filename"),
            (r#"{"method":"getDataCaptureStatus","params":{"capture_id":"x"}}"#, "capture_id"),
            (r#"{"method":"predict","params":{"model_name":"m"}}"#, "input_data_url"),
            (
                r#"{"method":"predict","params":{"model_name":"m","input_data_url":"http://x/"}}"#,
                "http://x/",
            ),
            (
                r#"{"method":"predict","params":{"model_name":"m","input_data_url":"file:///x","capture_enable":1}}"#,
                "capture_enable",
            ),
            (
                r#"{"method":"predict","params":{"model_name":"m","input_data_url":"file:///x","aux_data":[{"name":"n","encoding":"JSON","b64_data":"%"}]}}"#,
                "b64_data",
            ),
            (
                r#"{"method":"predict","params":{"model_name":"m","input_data_url":"file:///x","presign_s":604801}}"#,
                "presign_s",
            ),
            (
                r#"{"method":"predict","params":{"model_name":"m","input_data_url":"file:///x","presign_s":0}}"#,
                "604800",
            ),
            (r#"{"config":{"x":1}}"#, "awsRegion"),
        ] {
            assert!(error(text).contains(part), "{text}: {}", error(text));
        }
        assert!(Request::parse(b"\xff{}", Uuid::nil).call.is_err());
    }
}
