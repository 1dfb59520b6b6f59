//! The models and pictures that the demo and the tests use; see `lab/models/README.md`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// Pictures of digits that the trained model has never seen.
pub struct HeldOut {
    /// Each picture's file and true label, in the order of their names.
    pub labels: BTreeMap<String, usize>,
    /// What onnxruntime predicts for each with the same model.
    pub predictions: BTreeMap<String, usize>,
    /// How many of those are right.
    pub correct: usize,
}

impl HeldOut {
    /// Reads what lies beside the model.
    pub fn read() -> Self {
        let numbers = |value: &Value| {
            let numbers = value.as_object().expect("an object").iter();
            let number = |value: &Value| value.as_u64().expect("a digit") as usize;
            numbers.map(|(name, value)| (name.clone(), number(value))).collect()
        };
        let accuracy = json("digits/accuracy.json");
        Self {
            labels: numbers(&json("digits/labels.json")),
            predictions: numbers(&accuracy["predictions"]),
            correct: accuracy["correct"].as_u64().expect("a count") as usize,
        }
    }

    /// A picture's path.
    pub fn path(&self, name: &str) -> PathBuf {
        directory().join("digits/held-out").join(name)
    }

    /// A picture's file.
    pub fn picture(&self, name: &str) -> Vec<u8> {
        read(&format!("digits/held-out/{name}"))
    }
}

/// The trained model, packed as SageMaker packs models: a flat `.tar.gz`.
pub fn digits() -> Vec<u8> {
    archive(&[("digits.onnx", &read("digits/digits.onnx"))])
}

/// The large untrained graph, likewise.
pub fn speed() -> Vec<u8> {
    archive(&[("speed.onnx", &read("speed/speed.onnx"))])
}

/// A `.tar.gz` of these files.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *content).expect("memory has room");
    }
    let mut compressed = archive.into_inner().expect("memory has room");
    compressed.flush().expect("memory has room");
    compressed.finish().expect("memory has room")
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn read(name: &str) -> Vec<u8> {
    let path = directory().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models")
}
