//! What gets lost between the gateway and S3, at the lab's fault proxy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use lab::fault_proxy::{Ending, Fault};
use lab::models;
use lab::s3::Method;
use serde_json::json;
use support::done;

#[test]
fn a_model_is_loaded_after_a_busy_answer_and_a_reset() {
    let gateway = support::plan().with_fault_proxy().start();
    gateway.put_model("digits.tar.gz", &models::digits());
    let proxy = gateway.proxy.as_ref().unwrap();
    proxy.fail_next(Method::Get, Fault::slow_down());
    proxy.fail_next(Method::Get, Fault::Unanswered(Ending::Reset));
    done(&gateway, "loadModel", json!({"name": "digits", "s3_filename": "digits.tar.gz"}));
    let statuses: Vec<_> = proxy.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(503), None, Some(200)]);
}
