//! Transfers over networks that break: what arrives is whole, and what was begun is ended.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use lab::gateway::{Gateway, PATIENCE};
use lab::models;
use lab::s3::{Fault, Gate, Method, Request, S3};
use serde_json::{Value, json};
use support::onnx::Element::Uint8;
use support::onnx::one;
use support::{data, done, failed, finish, gateway, load, plan, request, tree};

/// A model beside which lies something that does not compress.
fn archive(seed: u32) -> (Vec<u8>, Vec<u8>) {
    let mut state = seed;
    let weights: Vec<u8> = (0..3_000_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let graph = one(Uint8, &[4]);
    let files = [("model.onnx", &graph[..]), ("weights.bin", &weights), ("last.bin", &weights)];
    (models::archive(&files), weights)
}

fn model() -> Value {
    json!({"name": "m", "s3_filename": "m.tar.gz"})
}

fn installed(gateway: &Gateway) -> [Vec<u8>; 2] {
    ["weights.bin", "last.bin"]
        .map(|file| fs::read(gateway.plan().models().join("m").join(file)).unwrap())
}

fn requests(s3: &S3, method: &str) -> Vec<Request> {
    s3.requests().into_iter().filter(|request| request.method == method).collect()
}

#[test]
fn a_model_that_is_cut_again_and_again_is_loaded() {
    let gateway = gateway();
    let (archive, weights) = archive(1);
    gateway.put_model("m.tar.gz", &archive);
    for _ in 0..3 {
        gateway.s3.fail_next(Method::Get, Fault::Truncate(1_000_000));
    }
    done(&gateway, "loadModel", model());
    assert!(installed(&gateway) == [weights.clone(), weights]);
    let asked = requests(&gateway.s3, "GET");
    let ranges: Vec<_> = asked.iter().map(|request| request.header("range")).collect();
    assert_eq!(
        ranges,
        [None, Some("bytes=1000000-"), Some("bytes=2000000-"), Some("bytes=3000000-")]
    );
    for request in &asked[1..] {
        assert_eq!(request.status, Some(206));
        assert!(request.header("if-match").unwrap().starts_with('"'));
        assert!(request.header("authorization").unwrap().contains("if-match;range;x-amz-"));
    }
    finish(gateway);
}

#[test]
fn content_that_is_not_what_s3_has_is_not_installed() {
    // Of nothing. Corruption is another one each time; what comes the same way every time while an
    // ETag differs from its MD5 is how servers answer whose ETags are something else.
    for (name, value, what, changes) in [
        ("x-amz-checksum-crc32", "AAAAAA==", "crc32 00000000", false),
        (
            "etag",
            "\"d41d8cd98f00b204e9800998ecf8427e\"",
            "md5 d41d8cd98f00b204e9800998ecf8427e",
            true,
        ),
    ] {
        let gateway = gateway();
        for read in 0..5_u8 {
            let content = [b'0' + if changes { read } else { 0 }; 10];
            let headers = vec![(name, value.to_owned())];
            let fault = Fault::Answer { status: 200, headers, body: plain_archive(&content) };
            gateway.s3.fail_next(Method::Get, fault);
        }
        let failure = failed(&gateway, "loadModel", model());
        failure.says("S3_ERROR", &["corrupted", what]);
        assert_eq!(tree(&gateway), Vec::<String>::new());
        assert_eq!(requests(&gateway.s3, "GET").len(), 3);
        finish(gateway);
    }
}

fn plain_archive(content: &[u8]) -> String {
    let mut plain = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    plain.append_data(&mut header, "model.onnx", content).unwrap();
    String::from_utf8(plain.into_inner().unwrap()).unwrap()
}

/// A tensor that takes three parts as JSON.
const TENSOR: usize = 13 << 20;

fn large(gateway: &Gateway) -> Vec<u8> {
    gateway
        .put_model("m.tar.gz", &models::archive(&[("model.onnx", &one(Uint8, &[TENSOR as i64]))]));
    gateway.command(&request("l", "loadModel", &model()));
    let result = gateway.wait_for_value(5704, |value| value["id"] == "l");
    assert_eq!(result["error"], "none", "{result}");
    let content: Vec<u8> = (0..TENSOR as u32).map(|n| (n / 999 + n) as u8).collect();
    gateway.put_data("x", &content);
    content
}

fn predict() -> Value {
    json!({"model_name": "m", "input_data_url": "file:///x", "output_url": "s3:///out.json"})
}

/// What the system says of the process's memory, in KiB.
fn memory(gateway: &Gateway, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.sapt.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_large_output_goes_in_parts_and_takes_no_memory() {
    let gateway = plan().set("SAPT_SYNC_WINDOW_S", "0").start();
    let content = large(&gateway);
    let gate = Gate::new();
    gateway.s3.fail_next(Method::Put, Fault::Hold(0, gate.clone()));
    gateway.s3.fail_next(Method::Put, Fault::Status(503, "SlowDown"));
    gateway.s3.fail_next(Method::Put, Fault::Truncate(100_000));
    gateway.command(&request("p", "predict", &predict()));
    gate.reached();
    // All of the tensor is there, and nothing of its file. From now on the peak is counted anew.
    fs::write(format!("/proc/{}/clear_refs", gateway.sapt.id()), "5").unwrap();
    let before = memory(&gateway, "VmRSS");
    // The upload has begun: the next POST completes it.
    gateway.s3.fail_next(
        Method::Post,
        Fault::Answer {
            status: 200,
            headers: vec![],
            body: "<Error><Code>InternalError</Code><Message>Again.</Message></Error>".to_owned(),
        },
    );
    gate.release();
    let result = gateway.wait_for_value(5704, |value| value["id"] == "p");
    assert_eq!(result["error"], "none", "{result}");
    let more = memory(&gateway, "VmHWM").saturating_sub(before);
    assert!(more < 8 * 1024, "{more} KiB more");
    let url = result["details"]["output"][0]["url"].as_str().unwrap();
    let tensor: Value = serde_json::from_slice(&gateway.output(url)).unwrap();
    assert!(data(&tensor) == content);
    assert_eq!(requests(&gateway.s3, "PUT").len(), 3 + 2);
    assert_eq!(requests(&gateway.s3, "POST").len(), 3);
    finish(gateway);
}

#[test]
fn a_large_output_that_is_refused_leaves_no_parts() {
    let gateway = plan().set("SAPT_SYNC_WINDOW_S", "0").start();
    large(&gateway);
    gateway.s3.fail_next(Method::Put, Fault::Status(403, "AccessDenied"));
    gateway.command(&request("p", "predict", &predict()));
    let result = gateway.wait_for_value(5704, |value| value["id"] == "p");
    assert_eq!(result["code"], "S3_ERROR", "{result}");
    assert!(result["error"].as_str().unwrap().contains("AccessDenied"), "{result}");
    let begun = Instant::now();
    while requests(&gateway.s3, "DELETE").iter().all(|request| request.status != Some(204)) {
        assert!(begun.elapsed() < PATIENCE, "it was not aborted");
        thread::sleep(Duration::from_millis(5));
    }
    finish(gateway);
}

/// Reads a URL as any program does, without a key.
fn fetch(url: &str) -> (String, Vec<u8>) {
    let (host, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap().lines().next().unwrap().to_owned(), body)
}

#[test]
fn outputs_are_given_away_by_url() {
    let gateway = gateway();
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.put_data("x", b"abcd");
    let mut params = predict();
    params["presign_s"] = json!(3600);
    for (output, key) in [("s3:///a b+c/out.npy", 0), ("s3://sagemaker-lab/out.json", 1)] {
        params["output_url"] = json!(output);
        let reply = done(&gateway, "predict", params.clone());
        let entry = &reply["details"]["output"][0];
        assert!(entry["url"].as_str().unwrap().starts_with("s3://"), "{entry}");
        let url = entry["presigned_url"].as_str().unwrap();
        assert!(url.contains("X-Amz-Expires=3600"), "{url}");
        let (status, content) = fetch(url);
        assert_eq!(status, "HTTP/1.1 200 OK", "{}", String::from_utf8_lossy(&content));
        let whole = if key == 0 { content.ends_with(b"abcd") } else { content.ends_with(b"\"}") };
        assert!(whole, "{content:?}");
        let (status, _) = fetch(&url.replace("Expires=3600", "Expires=3601"));
        assert!(status.contains("403"), "{status}");
    }
    // A file is nowhere to be fetched from.
    params["output_url"] = json!("file:///out.json");
    let reply = done(&gateway, "predict", params);
    assert_eq!(reply["details"]["output"][0].as_object().unwrap().len(), 1);
    finish(gateway);
}
