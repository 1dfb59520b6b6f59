//! The process: sockets, flags, signals, restarts.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use sapt_agent::wire::{DataType, ListModelsRequest};
use tract_onnx::pb::tensor_proto::DataType as Element;

use crate::graph::Graph;
use crate::running::{Agent, Process, connect, load, predict, tensor};

/// Leaves a socket behind, as a killed agent does.
fn leave_socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert!(path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signal_ends_it_in_order() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let mut agent = Agent::start(&[]);
        // An idle connection does not hold up the end.
        let mut client = agent.client().await;
        client.list_models(ListModelsRequest {}).await.unwrap();
        agent.process().signal(signal);
        let (end, rest) = agent.process().finish();
        assert_eq!(end.code(), Some(0), "{signal}: {rest}");
        assert!(!rest.contains("giving them up"), "{rest}");
        assert!(!agent.socket().exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_call_is_finished() {
    let mut agent = Agent::configured(&[("sagemaker_edge_log_verbose", true.into())]);
    let mut client = agent.client().await;
    let package = Graph::products(300, 100).package(agent.path(), "m");
    load(&mut client, &package, "m").await.unwrap();
    let x = tensor("x", DataType::Float32, &[300, 300], vec![0; 360_000]);
    let call = tokio::spawn(async move { predict(&mut client, "m", vec![x]).await });
    agent.process().wait_for("predicting with m");
    agent.process().signal(libc::SIGTERM);
    assert_eq!(call.await.unwrap().unwrap().len(), 1);
    let (end, rest) = agent.process().finish();
    assert!(end.success(), "{rest}");
}

#[tokio::test]
async fn an_existing_socket_needs_f() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent.sock");
    leave_socket(&socket);
    let (end, rest) = Process::start(&socket, &[]).finish();
    assert_eq!(end.code(), Some(1));
    assert!(rest.contains("exists already") && rest.contains("-f"), "{rest}");

    let agent = Agent::start_in(directory, &["-f"]);
    agent.client().await.list_models(ListModelsRequest {}).await.unwrap();
}

#[test]
fn f_removes_nothing_but_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("precious");
    fs::write(&file, "data").unwrap();
    let (end, rest) = Process::start(&file, &["-f"]).finish();
    assert_eq!(end.code(), Some(1));
    assert!(rest.contains("is not a socket"), "{rest}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "data");
}

#[tokio::test]
async fn a_socket_that_another_agent_has_taken_over_stays() {
    let mut first = Agent::start(&[]);
    let socket = first.socket();
    let mut second = Process::start(&socket, &["-f"]);
    second.wait_for("listening on ");
    first.process().signal(libc::SIGTERM);
    assert!(first.process().finish().0.success());
    assert!(socket.exists());
    first.client().await.list_models(ListModelsRequest {}).await.unwrap();
}

#[tokio::test]
async fn after_a_kill_it_starts_again_empty() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let package = Graph::identity(Element::Float, &[1]).package(agent.path(), "m");
    load(&mut client, &package, "m").await.unwrap();
    // Killed: the socket stays.
    let directory = agent.into_directory();
    assert!(directory.path().join("agent.sock").exists());

    let agent = Agent::start_in(directory, &["-f"]);
    let mut client = agent.client().await;
    let models = client.list_models(ListModelsRequest {}).await.unwrap();
    assert!(models.into_inner().models.is_empty());
    load(&mut client, &package, "m").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_and_url_forms() {
    let mut process = Process::start(Path::new("tcp://127.0.0.1:0"), &[]);
    let line = process.wait_for("listening on tcp://127.0.0.1:");
    let (_, address) = line.split_once("tcp://").unwrap();
    let mut client = connect(&format!("http://{address}")).await;
    client.list_models(ListModelsRequest {}).await.unwrap();
    process.signal(libc::SIGTERM);
    assert!(process.finish().0.success());

    let directory = tempfile::tempdir().unwrap();
    let address = format!("unix:{}/url.sock", directory.path().display());
    let mut process = Process::start(Path::new(&address), &[]);
    assert!(process.wait_for("listening on ").ends_with(&address));
    connect(&address).await.list_models(ListModelsRequest {}).await.unwrap();
}

#[test]
fn wrong_configurations_exit_64_and_name_every_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("configuration.json");
    let socket = directory.path().join("agent.sock");
    for (content, parts) in [
        (
            r#"{"sagemaker_edge_core_capture_data_base64_embed_limit": 4000}"#,
            &["device_name is missing", "fleet_name is missing", "embed_limit is 4000"][..],
        ),
        ("{", &["is not JSON", "line 1 column 1"]),
        ("[]", &["is not a JSON object"]),
    ] {
        fs::write(&file, content).unwrap();
        let (end, rest) = Process::start(&socket, &["-c", file.to_str().unwrap()]).finish();
        assert_eq!(end.code(), Some(64), "{rest}");
        for part in parts {
            assert!(rest.contains(part), "{part}: {rest}");
        }
    }
    let (end, rest) = Process::start(&socket, &["-c", "/nowhere.json"]).finish();
    assert_eq!(end.code(), Some(64), "{rest}");
    let (end, rest) = Process::start(&socket, &["-m", "much"]).finish();
    assert_eq!(end.code(), Some(64), "{rest}");
    assert!(!socket.exists());
}

#[test]
fn help_and_version_are_printed() {
    for (flag, part) in [("--help", "Usage: sapt-agent"), ("-h", "-m BYTES"), ("--version", "0.")] {
        let output = Command::new(env!("CARGO_BIN_EXE_sapt-agent")).arg(flag).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains(part), "{flag}");
    }
}
