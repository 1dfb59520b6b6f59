//! `sapt call`: each command by hand.

use std::io::Write;
use std::process::Stdio;
use std::thread;

use lab::models;
use serde_json::{Value, json};

use crate::support::{finish, gateway, plan};
use crate::{Told, command, half_a_model, sapt, told};

/// A command that has to succeed, and what it prints.
#[track_caller]
fn succeeds(told: Told) -> String {
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{told:?}");
    told.out
}

/// A command that has to fail with this code, and why.
#[track_caller]
fn fails(told: Told, code: &str) -> String {
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""), "{told:?}");
    assert!(told.err.starts_with(&format!("{code}: ")), "{told:?}");
    told.err
}

#[test]
fn every_method() {
    let gateway = gateway();
    gateway.put_model("digits.tar.gz", &models::digits());
    let pixels: Vec<u8> = (0..64_u8).flat_map(|pixel| f32::from(pixel).to_le_bytes()).collect();
    gateway.put_data("digit.bin", &pixels);
    let call = |words: &[&str]| sapt(&gateway, &[&["call"], words].concat());
    let load = ["loadModel", "name=digits", "s3_filename=digits.tar.gz"];

    assert_eq!(succeeds(call(&["listModels"])), "[]\n");
    assert_eq!(succeeds(call(&load)), "succeeded\n");
    fails(call(&load), "ALREADY_EXISTS");
    assert!(succeeds(call(&["listModels"])).contains("\n  name: digits\n"));
    let described = succeeds(call(&["describeModel", "name=digits"]));
    assert!(
        described.contains("\nname: digits\n") && described.contains("shape: [1, 8, 8, 1]"),
        "{described}"
    );
    let predict = ["predict", "model_name=digits", "input_data_url=file:///digit.bin"];
    assert!(succeeds(call(&predict)).contains("b64_data: "));
    let id = "6f0f1d50-4d3f-4a53-9c3a-0b5ad8a3b001";
    let capture_id = format!("capture_id={id}");
    let capture = [&predict[..], &["capture_enable:=true", &capture_id]].concat();
    assert!(succeeds(call(&capture)).contains(&format!("capture_id: {id}\n")));
    let status = succeeds(call(&["getDataCaptureStatus", &capture_id]));
    assert!(["SUCCESS\n", "IN_PROGRESS\n"].contains(&status.as_str()), "{status}");
    let reload = ["reloadModel", "name=digits", "s3_filename=digits.tar.gz"];
    assert_eq!(succeeds(call(&reload)), "succeeded\n");
    assert_eq!(succeeds(call(&["unloadModel", "name=digits"])), "succeeded\n");
    fails(call(&predict), "NOT_FOUND");
    assert_eq!(succeeds(call(&["config", "awsRegion=eu-west-1"])), "config updated\n");
    // What the cloud is shown follows.
    gateway.wait_for_value(5702, |value| value["config"]["awsRegion"] == "eu-west-1");
    gateway.wait_for_value(5703, |status| status["predict"] == "error");
    finish(gateway);
}

#[test]
fn what_fails_says_why() {
    let gateway = gateway();
    let call = |words: &[&str]| sapt(&gateway, &[&["call"], words].concat());
    assert!(fails(call(&["frobnicate"]), "UNKNOWN_METHOD").contains("listModels"));
    let predict = ["predict", "model_name=m", "input_data_url=file:///x", "capture_enable=true"];
    let told = fails(call(&predict), "INVALID_PARAMS");
    assert!(told.contains("true or false") && told.contains(":=true"), "{told}");
    fails(call(&["unloadModel", "name=digits"]), "NOT_FOUND");
    finish(gateway);
}

#[test]
fn whole_requests_and_raw_replies() {
    let gateway = gateway();
    let raw = |arguments: &[&str]| {
        let told = sapt(&gateway, &[&["call", "--json"], arguments].concat());
        assert_eq!((told.out.lines().count(), told.err.as_str()), (1, ""), "{told:?}");
        (told.code, serde_json::from_str::<Value>(&told.out).unwrap())
    };
    assert_eq!(
        raw(&["{\"id\":5,\n\"method\":\"listModels\"}"]),
        (Some(0), json!({"jsonrpc": "2.0", "id": 5, "result": []}))
    );
    let (code, reply) = raw(&["frobnicate"]);
    assert_eq!((code, &reply["error"]["code"]), (Some(1), &json!(-32601)));

    let with_input = |input: &[u8]| {
        let mut command = command(&gateway.plan().control_socket(), &["call", "-"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        told(child.wait_with_output().unwrap())
    };
    assert_eq!(succeeds(with_input(b"{\n\"method\":\"listModels\"\n}\n")), "[]\n");
    for input in [&b"{"[..], b"", b"\xff"] {
        assert_eq!(with_input(input).code, Some(64));
    }
    finish(gateway);
}

#[test]
fn how_far_a_load_is_goes_to_standard_error() {
    let (gateway, gate) = half_a_model(plan());
    let socket = gateway.plan().control_socket();
    let words = ["call", "loadModel", "name=digits", "s3_filename=digits.tar.gz"];
    let mut child = command(&socket, &words).spawn().unwrap();
    // The first line comes while the model waits for its second half.
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert!(line.starts_with("pulling ") && line.ends_with(" MiB\n"), "{line:?}");
    gate.release();
    let told = told(child.wait_with_output().unwrap());
    assert_eq!((told.code, told.out.as_str()), (Some(0), "succeeded\n"));
    finish(gateway);
}

#[test]
fn a_translator_that_is_not_there_is_told_by_the_exit_code() {
    let (mut gateway, gate) = half_a_model(plan());
    let words = ["call", "loadModel", "name=digits", "s3_filename=digits.tar.gz"];
    let told = thread::scope(|scope| {
        let (plan, sapt) = (gateway.plan().control_socket(), &mut gateway.sapt);
        let load = scope.spawn(move || told(command(&plan, &words).output().unwrap()));
        gate.reached();
        sapt.kill();
        load.join().unwrap()
    });
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""), "{told:?}");
    assert!(told.err.contains("may have been done"), "{told:?}");
    let told = sapt(&gateway, &words);
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""), "{told:?}");
    assert!(told.err.contains("see whether it runs") && told.err.contains("SAPT_CONTROL_SOCKET"));
}

#[test]
fn methods_are_listed_without_a_translator() {
    let told =
        told(command(std::path::Path::new("/nowhere"), &["call", "--list"]).output().unwrap());
    assert!(succeeds(told).contains("loadModel name s3_filename url sha256\n"));
}
