//! The methods' names, and the names of their parameters.

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// `listModels`
    ListModels,
    /// `loadModel`
    LoadModel,
    /// `describeModel`
    DescribeModel,
    /// `reloadModel`
    ReloadModel,
    /// `unloadModel`
    UnloadModel,
    /// `predict`
    Predict,
    /// `getDataCaptureStatus`
    DataCaptureStatus,
    /// `{"config":…}`, which has no method.
    Configure,
    /// A method that does not exist.
    Unknown(String),
}

/// A method's name with its parameters' names.
type Entry = (&'static str, &'static [&'static str]);

/// Every method as the configuration resource lists it.
pub const METHODS: [Entry; 7] = [
    ("listModels", &[]),
    ("loadModel", &["name", "s3_filename", "url", "sha256"]),
    ("describeModel", &["name"]),
    ("reloadModel", &["name", "s3_filename", "url", "sha256"]),
    ("unloadModel", &["name"]),
    (
        "predict",
        &[
            "model_name",
            "input_data_url",
            "output_url",
            "presign_s",
            "preprocess",
            "capture_enable",
            "capture_id",
            "aux_data",
        ],
    ),
    ("getDataCaptureStatus", &["capture_id"]),
];

impl Method {
    /// The method with this name.
    pub fn find(name: &str) -> Self {
        [
            Self::ListModels,
            Self::LoadModel,
            Self::DescribeModel,
            Self::ReloadModel,
            Self::UnloadModel,
            Self::Predict,
            Self::DataCaptureStatus,
        ]
        .into_iter()
        .find(|method| method.name() == name)
        .unwrap_or_else(|| Self::Unknown(name.chars().take(64).collect()))
    }

    /// The name, as it came.
    pub fn name(&self) -> &str {
        match self {
            Self::ListModels => "listModels",
            Self::LoadModel => "loadModel",
            Self::DescribeModel => "describeModel",
            Self::ReloadModel => "reloadModel",
            Self::UnloadModel => "unloadModel",
            Self::Predict => "predict",
            Self::DataCaptureStatus => "getDataCaptureStatus",
            Self::Configure => "config",
            Self::Unknown(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_method_exists() {
        for (name, _) in METHODS {
            assert!(!matches!(Method::find(name), Method::Unknown(_)), "{name}");
        }
        assert_eq!(Method::find("frobnicate"), Method::Unknown("frobnicate".to_owned()));
        assert_eq!(Method::find("config"), Method::Unknown("config".to_owned()));
    }
}
