//! S3 that is not quite where, when or how it is expected.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use lab::forward_proxy::ForwardProxy;
use lab::gateway::{BUCKET, Gateway, MODELS, PATIENCE};
use lab::models;
use lab::s3::{Fault, Method};
use serde_json::{Value, json};
use support::onnx::Element::Uint8;
use support::onnx::one;
use support::{done, failed, finish, load, plan};

fn pull(name: &str, file: &str) -> Value {
    json!({"name": name, "s3_filename": file})
}

fn put(gateway: &Gateway, file: &str) {
    let archive = models::archive(&[("model.onnx", &one(Uint8, &[4]))]);
    gateway.put_model(file, &archive);
}

/// Statuses of the S3 calls so far.
fn statuses(gateway: &Gateway) -> Vec<u16> {
    gateway.s3.requests().iter().map(|request| request.status.unwrap()).collect()
}

fn said(gateway: &Gateway, part: &str) -> usize {
    gateway.sapt.said().matches(part).count()
}

#[test]
fn the_region_is_taken_from_an_answer_and_told_once() {
    let gateway = plan().set("SAPT_AWS_REGION", "eu-central-1").start();
    load(&gateway, "a", &one(Uint8, &[4]));
    assert_eq!(statuses(&gateway)[..2], [400, 200]);
    load(&gateway, "b", &one(Uint8, &[4]));
    assert_eq!(statuses(&gateway)[1..].iter().find(|status| **status != 200), None);
    let told = "the bucket sagemaker-lab is in the region us-east-1, not eu-central-1: set \
                SAPT_AWS_REGION=us-east-1";
    assert_eq!(said(&gateway, told), 1, "{}", gateway.sapt.said());
    finish(gateway);
}

#[test]
fn a_redirect_is_followed_within_the_server() {
    let gateway = plan().start();
    put(&gateway, "elsewhere.tar.gz");
    let to = |location: String| Fault::Answer {
        status: 307,
        headers: vec![("location", location)],
        body: String::new(),
    };
    gateway.s3.fail_next(Method::Get, to(format!("/{BUCKET}/{MODELS}/elsewhere.tar.gz")));
    done(&gateway, "loadModel", pull("m", "m.tar.gz"));
    gateway.s3.fail_next(Method::Get, to("http://192.0.2.1/x".to_owned()));
    failed(&gateway, "loadModel", pull("n", "m.tar.gz")).says(
        "S3_ERROR",
        &["S3 answered 307", "redirects to is not a host of the endpoint's domain", "192.0.2.1"],
    );
    finish(gateway);
}

#[test]
fn the_servers_time_is_signed_with() {
    let gateway = plan().start();
    put(&gateway, "m.tar.gz");
    gateway.s3.fail_next(
        Method::Get,
        Fault::Answer {
            status: 403,
            headers: vec![("date", "Sun, 06 Nov 2044 08:49:37 GMT".to_owned())],
            body: "<Error><Code>RequestTimeTooSkewed</Code></Error>".to_owned(),
        },
    );
    // The lab's clock is the gateway's: it refuses what is signed with another time.
    failed(&gateway, "loadModel", pull("m", "m.tar.gz")).says("S3_ERROR", &["clock"]);
    let requests = gateway.s3.requests();
    let dates: Vec<&str> =
        requests.iter().map(|request| request.header("x-amz-date").unwrap()).collect();
    assert!(!dates[0].starts_with("20441106T0849"), "{dates:?}");
    assert!(dates[1].starts_with("20441106T08"), "{dates:?}");
    // And by the date of its answer the right time is found again.
    done(&gateway, "loadModel", pull("m", "m.tar.gz"));
    assert_eq!(said(&gateway, "requests are signed with the server's time"), 1);
    assert_eq!(said(&gateway, "the gateway's clock is right again"), 1);
    finish(gateway);
}

#[test]
fn a_missing_object_brings_up_those_that_are_there() {
    let gateway = plan().start();
    for file in ["keras-1.1 + ü.tar.gz", "other.tar.gz", "deep/keras-1.0.tar.gz"] {
        put(&gateway, file);
    }
    failed(&gateway, "loadModel", pull("m", "keras-1.0.tar.gz"))
        .says("S3_ERROR", &["NoSuchKey", "where there are keras-1.1 + ü.tar.gz, other.tar.gz"]);
    finish(gateway);
}

#[test]
fn s3_is_reached_through_a_proxy() {
    for https in [false, true] {
        let proxy = ForwardProxy::start_with_password("al", "hunter2");
        let url = format!("http://al:hunter2@{}", proxy.address());
        // Of the customary variables it is the one for the scheme that counts.
        let (variable, other) =
            if https { ("HTTPS_PROXY", "http_proxy") } else { ("http_proxy", "HTTPS_PROXY") };
        let plan = plan().set(variable, &url).set(other, "http://192.0.2.1:9");
        let gateway = if https { plan.with_https() } else { plan }.start();
        load(&gateway, "m", &one(Uint8, &[4]));
        let requests = proxy.requests();
        assert!(!requests.is_empty());
        for request in requests {
            let (method, target) =
                if https { ("CONNECT", "127.0.0.1:") } else { ("GET", "http://127.0.0.1:") };
            assert_eq!(request.method, method);
            assert!(request.target.starts_with(target), "{request:?}");
            assert_ne!(request.refused, Some(407));
        }
        let name = format!("through the proxy http://{}", proxy.address());
        assert_eq!((said(&gateway, &name), said(&gateway, "hunter2")), (1, 0));
        finish(gateway);
    }
}

#[test]
fn a_proxy_is_not_taken_to_what_is_exempt() {
    let gateway = plan()
        .set("SAPT_PROXY", "http://192.0.2.1:9")
        .set("SAPT_NO_PROXY", "10.0.0.0/8,127.0.0.0/8")
        .start();
    load(&gateway, "m", &one(Uint8, &[4]));
    finish(gateway);
}

#[test]
fn what_cannot_be_is_told_at_the_start() {
    let mut gateway = plan()
        .without_waiting()
        .set("SAPT_AWS_FIPS", "1")
        .set("SAPT_AWS_DUALSTACK", "1")
        .set("SAPT_AWS_ADDRESSING_STYLE", "virtual")
        .set("SAPT_AWS_EXPECTED_BUCKET_OWNER", "me")
        .set("SAPT_PROXY", "socks5://al:hunter2@proxy")
        .start();
    assert_eq!(gateway.sapt.wait(PATIENCE), Some(64));
    let said = gateway.sapt.said();
    for variable in [
        "SAPT_AWS_FIPS: ",
        "SAPT_AWS_DUALSTACK: ",
        "SAPT_AWS_ADDRESSING_STYLE: ",
        "SAPT_AWS_EXPECTED_BUCKET_OWNER: ",
        "SAPT_PROXY: ",
    ] {
        assert!(said.contains(variable), "{variable}: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}
