//! What the configuration resource shows: everything but secrets.

use miniserde::{Serialize, json};

use super::Storage;

/// The value of the configuration resource (5702). `commands` are the methods with their
/// parameters' names. Settings that are missing are empty strings, as the keys are always there.
pub fn view(storage: &Storage, commands: &[(&'static str, &'static [&'static str])]) -> String {
    let text = |setting: Option<&str>| setting.unwrap_or_default().to_owned();
    json::to_string(&Outer {
        config: View {
            version: env!("CARGO_PKG_VERSION"),
            auth: json::Object::new(),
            bucket: text(storage.bucket.as_ref().map(|bucket| bucket.as_str())),
            models_directory: text(storage.models_directory.as_deref()),
            data_directory: text(storage.data_directory.as_deref()),
            region: storage.region.as_str().to_owned(),
            commands: list(commands),
        },
    })
}

fn list(commands: &[(&'static str, &'static [&'static str])]) -> json::Object {
    // One by one: collecting would link a whole sort.
    let mut list = json::Object::new();
    for (method, params) in commands {
        let names = params.iter().map(|name| json::Value::String((*name).to_owned()));
        let mut command = json::Object::new();
        command.insert("params".to_owned(), json::Value::Array(names.collect()));
        list.insert((*method).to_owned(), json::Value::Object(command));
    }
    list
}

#[derive(Serialize)]
struct Outer {
    config: View,
}

#[derive(Serialize)]
struct View {
    version: &'static str,
    /// Always empty: keys are never shown.
    auth: json::Object,
    #[serde(rename = "awsS3Bucket")]
    bucket: String,
    #[serde(rename = "awsS3ModelsDirectory")]
    models_directory: String,
    #[serde(rename = "awsS3DataDirectory")]
    data_directory: String,
    #[serde(rename = "awsRegion")]
    region: String,
    commands: json::Object,
}
