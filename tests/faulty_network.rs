//! What gets lost between the gateway and S3, at the lab's fault proxy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use lab::fault_proxy::{Ending, Fault, FaultProxy, Request, Wanted};
use lab::gateway::Gateway;
use lab::models;
use lab::s3::Method;
use serde_json::{Value, json};
use support::{done, finish, request};

#[test]
fn a_model_is_loaded_after_a_busy_answer_and_a_reset() {
    let gateway = gateway_with_digits();
    proxy(&gateway).fail_next(Method::Get, Fault::slow_down());
    proxy(&gateway).fail_next(Method::Get, Fault::Unanswered(Ending::Reset));
    done(&gateway, "loadModel", digits("digits"));
    assert_eq!(statuses(&gateway), [Some(503), None, Some(200)]);
    finish(gateway);
}

#[test]
fn a_connection_that_the_server_closed_while_it_was_idle() {
    let gateway = gateway_with_digits();
    done(&gateway, "loadModel", digits("first"));
    proxy(&gateway).fail_next(Wanted::reused(Method::Get), Fault::Unanswered(Ending::Close));
    done(&gateway, "loadModel", digits("second"));
    assert_eq!(statuses(&gateway), [Some(200), None, Some(200)]);
    let clients: Vec<_> = requests(&gateway).iter().map(|request| request.client).collect();
    assert!(clients[0] == clients[1] && clients[1] != clients[2], "{clients:?}");
    finish(gateway);
}

#[test]
fn a_redirect_to_another_port_is_signed_for_it() {
    let gateway = gateway_with_digits();
    proxy(&gateway).fail_next(Method::Get, Fault::Redirect);
    done(&gateway, "loadModel", digits("digits"));
    let requests = requests(&gateway);
    assert_eq!(statuses(&gateway), [Some(307), Some(200)]);
    assert_eq!(requests[0].target, requests[1].target);
    assert_ne!(requests[0].address, requests[1].address);
    assert_ne!(requests[0].header("authorization"), requests[1].header("authorization"));
    finish(gateway);
}

#[test]
fn a_body_that_is_shorter_than_announced_is_asked_for_the_rest() {
    let gateway = gateway_with_digits();
    let length = models::digits().len() as u64;
    proxy(&gateway).fail_next(Method::Get, Fault::Length(length + 100));
    done(&gateway, "loadModel", digits("digits"));
    let requests = requests(&gateway);
    assert_eq!(requests[1].header("range"), Some(format!("bytes={length}-").as_str()));
    finish(gateway);
}

/// Takes as long as a body may stand still: 30 s.
#[test]
fn a_body_that_stands_still_is_read_on_over_another_connection() {
    let gateway = gateway_with_digits();
    proxy(&gateway).fail_next(Method::Get, Fault::Download(1_000, Ending::Stall));
    gateway.command(&request("stalled", "loadModel", &digits("digits")));
    // The rate that is shown falls, although nothing comes that would change it.
    let rate = |value: &Value| value["running"][0]["rate"].as_u64();
    let first = gateway.wait_for_value(5705, |value| rate(value).is_some_and(|rate| rate > 0));
    gateway.wait_for_value(5705, |value| rate(value) < rate(&first));
    let result = gateway.edge.wait_for_value(
        lab::gateway::DEVICE,
        "/33311/0/5704",
        3 * lab::gateway::PATIENCE,
        |value| {
            let value: Value = serde_json::from_slice(value).unwrap();
            value["id"] == "stalled"
        },
    );
    let result: Value = serde_json::from_slice(&result.unwrap()).unwrap();
    assert_eq!(result["error"], "none", "{result}");
    let requests = requests(&gateway);
    assert_eq!(requests[1].header("range"), Some("bytes=1000-"));
    finish(gateway);
}

/// Where each connection is slow by itself, several are used, whatever order they are answered in.
#[test]
fn several_connections_are_used_where_each_is_slow() {
    let gateway = support::plan().with_fault_proxy().set("SAPT_SYNC_WINDOW_S", "0").start();
    let mut filling = vec![0; 40 << 20];
    fastrand::Rng::with_seed(7).fill(&mut filling);
    let graph = std::fs::read(lab::program::workspace().join("lab/models/digits/digits.onnx"));
    let files = [("digits.onnx", &graph.unwrap()[..]), ("filling", &filling[..])];
    gateway.put_model("large.tar.gz", &models::archive(&files));
    proxy(&gateway).throttle(4 << 20);
    proxy(&gateway).fail_times(9, Method::Get, Fault::Swap);
    let params = json!({"name": "large", "s3_filename": "large.tar.gz"});
    gateway.command(&request("large", "loadModel", &params));
    let result = gateway.wait_for_value(5704, |value| value["id"] == "large");
    assert_eq!(result["error"], "none", "{result}");
    let unpacked = std::fs::read(gateway.plan().models().join("large/filling")).unwrap();
    assert!(unpacked == filling);
    let requests = requests(&gateway);
    let ranges: Vec<_> =
        requests.iter().filter(|request| request.header("range").is_some()).collect();
    assert!(ranges.len() > 8, "{} ranges", ranges.len());
    let etag = ranges[0].header("if-match").unwrap();
    assert!(ranges.iter().all(|request| request.header("if-match") == Some(etag)));
    let mut clients: Vec<_> = ranges.iter().map(|request| request.client).collect();
    clients.sort();
    clients.dedup();
    assert!(clients.len() > 1, "one connection");
    finish(gateway);
}

fn gateway_with_digits() -> Gateway {
    let gateway = support::plan().with_fault_proxy().start();
    gateway.put_model("digits.tar.gz", &models::digits());
    gateway
}

fn digits(name: &str) -> Value {
    json!({"name": name, "s3_filename": "digits.tar.gz"})
}

fn proxy(gateway: &Gateway) -> &FaultProxy {
    gateway.proxy.as_ref().expect("it was wanted")
}

fn requests(gateway: &Gateway) -> Vec<Request> {
    proxy(gateway).requests()
}

fn statuses(gateway: &Gateway) -> Vec<Option<u16>> {
    requests(gateway).iter().map(|request| request.status).collect()
}
