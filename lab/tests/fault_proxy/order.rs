//! Answers that come later than they would.

use std::thread;
use std::time::{Duration, Instant};

use lab::fault_proxy::Fault;
use lab::s3::{Gate, Method};

use crate::{client, content, proxied};

#[test]
fn the_first_of_two_requests_waits_until_the_second_is_answered() {
    let (s3, proxy) = proxied(b"content");
    proxy.fail_all(Method::Get, Fault::Swap);
    let ask = || {
        let client = client(&s3, &proxy);
        thread::spawn(move || client.get("/bucket/key").body)
    };
    let first = ask();
    // It waits for the second once its answer is there.
    while s3.requests().first().is_none_or(|request| request.status.is_none()) {
        thread::yield_now();
    }
    assert!(!first.is_finished());
    let second = ask();
    assert_eq!(second.join().unwrap(), b"content");
    assert_eq!(first.join().unwrap(), b"content");
    // Alone, it comes too.
    assert_eq!(client(&s3, &proxy).get("/bucket/key").body, b"content");
}

#[test]
fn a_throttled_connection_takes_its_time() {
    let whole = content(100_000);
    let (s3, proxy) = proxied(&whole);
    proxy.throttle(400_000);
    let client = client(&s3, &proxy);
    let begin = Instant::now();
    assert!(client.get("/bucket/key").body == whole);
    assert_eq!(client.put("/bucket/new", &whole).status, 200);
    // Faster it cannot be; slower it may.
    assert!(begin.elapsed() >= Duration::from_millis(500));
    assert!(s3.read("bucket", "new") == Some(whole));
}

#[test]
fn a_held_answer_holds_no_other() {
    let (s3, proxy) = proxied(&content(1000));
    let gate = Gate::new();
    proxy.fail_next(Method::Get, Fault::Hold(10, gate.clone()));
    let held = client(&s3, &proxy);
    let held = thread::spawn(move || held.get("/bucket/key"));
    gate.reached();
    assert_eq!(client(&s3, &proxy).get("/bucket/key").body.len(), 1000);
    assert!(!held.is_finished());
    gate.release();
    assert!(held.join().unwrap().body == content(1000));
}
