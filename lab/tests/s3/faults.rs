//! The faults that a test can order.

use std::net::TcpStream;
use std::thread;

use aws_sigv4::http_request::SignableBody;
use lab::s3::{Fault, Gate, Method, Options, S3};

use crate::client::{Client, read_exactly, read_head};
use crate::{content, s3_with};

#[test]
fn a_status_is_answered_once_and_only_to_its_method() {
    let s3 = s3_with(b"content");
    let client = Client::of(&s3);
    s3.fail_next(Method::Put, Fault::Status(500, "InternalError"));
    s3.fail_next(Method::Any, Fault::Status(503, "SlowDown"));
    assert_eq!(client.get("/bucket/key").error(), (503, "SlowDown".to_owned()));
    assert_eq!(client.get("/bucket/key").status, 200);
    assert_eq!(client.put("/bucket/key", b"new").error(), (500, "InternalError".to_owned()));
    assert_eq!(client.put("/bucket/key", b"new").status, 200);
    let statuses: Vec<_> = s3.requests().into_iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(503), Some(200), Some(500), Some(200)]);
}

#[test]
fn any_answer_can_be_given() {
    let s3 = s3_with(b"content");
    let elsewhere = "http://127.0.0.1:1/bucket/key".to_owned();
    let headers = vec![("location", elsewhere.clone())];
    s3.fail_next(Method::Get, Fault::Answer { status: 307, headers, body: "<x/>".to_owned() });
    let answer = Client::of(&s3).get("/bucket/key");
    assert_eq!((answer.status, answer.text().as_str()), (307, "<x/>"));
    assert_eq!(answer.header("location"), Some(elsewhere.as_str()));
}

#[test]
fn an_answer_is_cut_after_exactly_so_many_bytes() {
    let whole = content(3_000_000);
    let s3 = s3_with(&whole);
    let client = Client::of(&s3);
    for length in [0, 1, 4096, 100_001, 2_999_999] {
        s3.fail_next(Method::Get, Fault::Truncate(length as u64));
        let answer = client.get("/bucket/key");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-length"), Some("3000000"));
        assert!(answer.broken.is_some());
        assert!(answer.body == whole[..length], "{} bytes, not {length}", answer.body.len());
    }
    assert!(client.get("/bucket/key").body == whole);
}

#[test]
fn an_upload_is_cut() {
    let s3 = s3_with(b"other");
    let client = Client::of(&s3);
    s3.fail_next(Method::Put, Fault::Truncate(10));
    client.try_send("PUT", "/bucket/new", &[], &content(1000)).unwrap_err();
    assert_eq!(s3.read("bucket", "new"), None);
    assert_eq!(s3.requests()[0].status, None);
}

#[test]
fn a_stalled_answer_stops_at_its_byte_and_others_are_served() {
    let whole = content(50_000);
    let s3 = s3_with(&whole);
    let client = Client::of(&s3);
    s3.fail_next(Method::Get, Fault::Stall(20_000));

    let signed = client.sign("GET", "/bucket/key", &[], SignableBody::Bytes(b""));
    let mut stream = client.begin("GET", "/bucket/key", &signed, b"").unwrap();
    assert_eq!(read_head(&mut stream).unwrap().0, 200);
    let mut body = Vec::new();
    read_exactly(&mut stream, 20_000, &mut body).unwrap();
    assert!(body == whole[..20_000]);
    assert!(stream.buffer().is_empty());
    assert!(client.get("/bucket/key").body == whole);
    // Only the end of the stand-in ends it, and nothing came in between.
    drop(s3);
    read_exactly(&mut stream, 1, &mut body).unwrap_err();
    assert_eq!(body.len(), 20_000);
}

#[test]
fn a_request_is_read_and_not_answered() {
    let s3 = s3_with(b"content");
    let client = Client::of(&s3);
    for method in ["GET", "HEAD", "PUT"] {
        s3.fail_next(Method::Any, Fault::Close);
        client.try_send(method, "/bucket/key", &[], b"").unwrap_err();
    }
    assert!(s3.requests().iter().all(|request| request.status.is_none()));
    assert_eq!(client.get("/bucket/key").body, b"content");
}

#[test]
fn a_get_is_held_in_its_body_until_it_is_released() {
    for tls in [false, true] {
        let s3 = S3::start(Options { tls, ..Options::default() });
        let whole = content(200_000);
        s3.put("bucket", "key", &whole);
        let gate = Gate::new();
        s3.fail_next(Method::Get, Fault::Hold(70_000, gate.clone()));
        let client = Client::of(&s3);
        let held = thread::spawn(move || client.get("/bucket/key"));
        gate.reached();
        assert_eq!(s3.requests()[0].status, Some(200));
        assert!(!held.is_finished());
        assert_eq!(Client::of(&s3).get("/bucket/key").status, 200);
        gate.release();
        let answer = held.join().unwrap();
        assert!(answer.broken.is_none() && answer.body == whole);
    }
}

#[test]
fn a_put_is_held_in_its_body_until_it_is_released() {
    let s3 = s3_with(b"other");
    let whole = content(100_000);
    let gate = Gate::new();
    s3.fail_next(Method::Put, Fault::Hold(50_000, gate.clone()));
    let (client, body) = (Client::of(&s3), whole.clone());
    let held = thread::spawn(move || client.put("/bucket/new", &body));
    gate.reached();
    assert_eq!(s3.requests()[0].status, None);
    assert_eq!(s3.read("bucket", "new"), None);
    gate.release();
    assert_eq!(held.join().unwrap().status, 200);
    assert!(s3.read("bucket", "new") == Some(whole));
}

#[test]
fn a_gate_may_be_open_before_the_request_comes() {
    let s3 = s3_with(b"content");
    let gate = Gate::new();
    gate.release();
    s3.fail_next(Method::Get, Fault::Hold(0, gate.clone()));
    assert_eq!(Client::of(&s3).get("/bucket/key").body, b"content");
    gate.reached();
}

#[test]
fn dropping_the_stand_in_ends_held_requests() {
    let s3 = s3_with(&content(1000));
    let gate = Gate::new();
    s3.fail_next(Method::Get, Fault::Hold(10, gate.clone()));
    let client = Client::of(&s3);
    let held = thread::spawn(move || client.get("/bucket/key"));
    gate.reached();
    let address = s3.address();
    drop(s3);
    let answer = held.join().unwrap();
    assert!(answer.broken.is_some() && answer.body == content(10));
    TcpStream::connect(address).unwrap_err();
}
