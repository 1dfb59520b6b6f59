//! LoadModel, UnLoadModel, ListModels, DescribeModel.

use std::fs::{self, File};

use sapt_agent::wire::{DataType, DescribeModelRequest, ListModelsRequest, LoadModelRequest};
use tonic::Code;
use tract_onnx::pb::tensor_proto::DataType as Element;

use crate::graph::Graph;
use crate::running::{Agent, Client, load, metadata, unload};

async fn names(client: &mut Client) -> Vec<String> {
    let models = client.list_models(ListModelsRequest {}).await.unwrap();
    let models = models.into_inner().models;
    models.into_iter().map(|model| model.name).collect()
}

async fn refusal(client: &mut Client, url: &str) -> (Code, String) {
    let request = LoadModelRequest { url: url.to_owned(), name: "refused".to_owned() };
    let status = client.load_model(request).await.unwrap_err();
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn the_life_of_models() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    assert!(names(&mut client).await.is_empty());

    let first = Graph::identity(Element::Float, &[1, 3]).package(agent.path(), "first");
    let model = load(&mut client, &first, "first").await.unwrap();
    assert_eq!(model.name, "first");
    assert_eq!(model.url, first.to_str().unwrap());
    assert_eq!(model.input_tensor_metadatas, [metadata("x", DataType::Float32, &[1, 3])]);
    assert_eq!(model.output_tensor_metadatas, [metadata("y", DataType::Float32, &[1, 3])]);

    let second = Graph::identity(Element::Uint8, &[2]).package(agent.path(), "second");
    load(&mut client, &second, "a-second").await.unwrap();
    assert_eq!(names(&mut client).await, ["a-second", "first"]);

    let request = DescribeModelRequest { name: "first".to_owned() };
    let described = client.describe_model(request).await.unwrap();
    assert_eq!(described.into_inner().model.unwrap(), model);

    let status = load(&mut client, &second, "first").await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    assert_eq!(status.message(), "model with the same name is already loaded");

    unload(&mut client, "first").await.unwrap();
    assert_eq!(names(&mut client).await, ["a-second"]);
    let status = unload(&mut client, "first").await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "model doesn't exist");
    assert_eq!(unload(&mut client, "../x").await.unwrap_err().code(), Code::NotFound);

    load(&mut client, &second, "first").await.unwrap();
}

#[tokio::test]
async fn describe_answers_with_its_documented_codes() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    for (name, code) in [
        ("missing", Code::NotFound),
        ("", Code::InvalidArgument),
        ("not a name", Code::InvalidArgument),
    ] {
        let request = DescribeModelRequest { name: name.to_owned() };
        let status = client.describe_model(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{name:?}: {status}");
    }
}

#[tokio::test]
async fn every_type_and_dynamic_dimensions_are_described() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let types = [
        (Element::Uint8, DataType::Uint8),
        (Element::Int16, DataType::Int16),
        (Element::Int32, DataType::Int32),
        (Element::Int64, DataType::Int64),
        (Element::Float16, DataType::Float16),
        (Element::Float, DataType::Float32),
        (Element::Double, DataType::Float64),
    ];
    let mut graph = Graph::default();
    for (index, (element, _)) in types.into_iter().enumerate() {
        let (input, output) = (format!("in:{index}"), format!("out:{index}"));
        graph = graph
            .input(&input, element, &[-1, 2])
            .node("Identity", &[&input], &[&output])
            .output(&output, element, &[]);
    }
    let model = load(&mut client, &graph.package(agent.path(), "m"), "m").await.unwrap();
    for (index, (_, data_type)) in types.into_iter().enumerate() {
        let described = |name| metadata(&format!("{name}:{index}"), data_type, &[-1, 2]);
        assert_eq!(model.input_tensor_metadatas[index], described("in"));
        assert_eq!(model.output_tensor_metadatas[index], described("out"));
    }
}

#[tokio::test]
async fn what_is_no_directory_is_refused() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let file = agent.path().join("file");
    fs::write(&file, "").unwrap();
    let missing = agent.path().join("missing");

    let (code, message) = refusal(&mut client, missing.to_str().unwrap()).await;
    assert_eq!(code, Code::NotFound, "{message}");
    for url in [file.to_str().unwrap(), "", "s3://bucket/model"] {
        let (code, message) = refusal(&mut client, url).await;
        assert_eq!(code, Code::InvalidArgument, "{url}: {message}");
    }
    for name in ["", "-a", "a/b"] {
        let status = load(&mut client, agent.path(), name).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{name}");
        assert!(status.message().contains("is not a model name"), "{status}");
    }
}

#[tokio::test]
async fn a_file_url_is_a_path() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let directory = Graph::identity(Element::Float, &[1]).package(agent.path(), "m");
    let url = format!("file://{}", directory.display());
    let request = LoadModelRequest { url: url.clone(), name: "m".to_owned() };
    let model = client.load_model(request).await.unwrap().into_inner().model.unwrap();
    assert_eq!(model.url, url);
}

#[tokio::test]
async fn what_cannot_run_says_why() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let float = Element::Float;
    let onnx = |graph: Graph| vec![("model.onnx", graph.into_bytes())];
    type Files = Vec<(&'static str, Vec<u8>)>;
    let cases: Vec<(Files, &str)> = vec![
        (vec![], "there is no .onnx file"),
        (
            vec![("compiled.so", vec![]), ("compiled.params", vec![])],
            "compiled for the vendor's agent, this engine runs ONNX",
        ),
        (vec![("libdlr.so", vec![])], "libdlr.so"),
        (vec![("a.onnx", vec![]), ("b.ONNX", vec![])], "2 .onnx files (a.onnx, b.ONNX)"),
        (vec![("model.onnx", b"not protobuf".to_vec())], "cannot be loaded"),
        (vec![("model.onnx", vec![])], "holds no graph"),
        (onnx(Graph::default().input("x", float, &[1])), "has no output"),
        (
            onnx(
                Graph::default()
                    .input("x", float, &[1])
                    .node("Frobnicate", &["x"], &["z"])
                    .node("Identity", &["z"], &["y"])
                    .output("y", float, &[1]),
            ),
            "does not support the model's operators: Frobnicate",
        ),
        (onnx(Graph::default().input("x", float, &[1]).output("y", float, &[1])), "produces \"y\""),
        (onnx(Graph::identity(float, &[1]).input("x", float, &[1])), "two inputs named \"x\""),
        (
            onnx(
                Graph::default()
                    .input("a", float, &[2, 3])
                    .input("b", float, &[2, 3])
                    .node("MatMul", &["a", "b"], &["y"])
                    .output("y", float, &[2, 3]),
            ),
            "cannot be loaded",
        ),
        (onnx(Graph::identity(Element::Bool, &[1])), "input \"x\" has type Bool"),
        (
            onnx(Graph::default().node("Identity", &["nowhere"], &["y"]).output("y", float, &[1])),
            "produces \"nowhere\"",
        ),
    ];
    for (index, (files, part)) in cases.into_iter().enumerate() {
        let directory = agent.path().join(index.to_string());
        fs::create_dir(&directory).unwrap();
        for (name, content) in files {
            fs::write(directory.join(name), content).unwrap();
        }
        let (code, message) = refusal(&mut client, directory.to_str().unwrap()).await;
        assert_eq!(code, Code::FailedPrecondition, "{index}: {message}");
        assert!(message.contains(part), "{index}: {message}");
    }
    // Nothing half-loaded holds the name.
    let good = Graph::identity(float, &[1]).package(agent.path(), "good");
    load(&mut client, &good, "refused").await.unwrap();
}

#[tokio::test]
async fn a_model_larger_than_the_memory_is_resource_exhausted() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let directory = agent.path().join("huge");
    fs::create_dir(&directory).unwrap();
    // Sparse: takes no room on the disk.
    File::create(directory.join("model.onnx")).unwrap().set_len(4 << 40).unwrap();
    let (code, message) = refusal(&mut client, directory.to_str().unwrap()).await;
    assert_eq!(code, Code::ResourceExhausted, "{message}");
    assert!(message.contains("unload another model"), "{message}");
}

#[tokio::test]
async fn of_loads_of_one_name_at_once_one_succeeds() {
    let agent = Agent::start(&[]);
    let client = agent.client().await;
    let directory = Graph::identity(Element::Float, &[1]).package(agent.path(), "m");
    let loads: Vec<_> = (0..8)
        .map(|_| {
            let (mut client, directory) = (client.clone(), directory.clone());
            tokio::spawn(async move { load(&mut client, &directory, "m").await })
        })
        .collect();
    let mut loaded = 0;
    for result in loads {
        match result.await.unwrap() {
            Ok(_) => loaded += 1,
            Err(status) => assert_eq!(status.code(), Code::AlreadyExists, "{status}"),
        }
    }
    assert_eq!(loaded, 1);
}
