//! Connections that end where they should not.

use std::io::{ErrorKind, Read};
use std::sync::Arc;

use aws_sigv4::http_request::SignableBody;
use lab::fault_proxy::{Ending, Fault, FaultProxy, Wanted};
use lab::s3::{Gate, Method, Options, S3};

use crate::client::read_exactly;
use crate::{again, answer, client, content, proxied};

#[test]
fn without_a_fault_nothing_changes() {
    let whole = content(3_000_000);
    let (s3, proxy) = proxied(&whole);
    let client = client(&s3, &proxy);
    assert!(client.get("/bucket/key").body == whole);
    assert_eq!(client.put("/bucket/a%20b//c", &whole).status, 200);
    assert!(s3.read("bucket", "a b//c") == Some(whole));
    assert_eq!(client.get("/bucket/none").error(), (404, "NoSuchKey".to_owned()));
    assert_eq!(client.send("HEAD", "/bucket/key", &[], b"").status, 200);
    assert_eq!(client.get("/bucket?list-type=2").elements("Key").len(), 2);
    assert_eq!(client.send("DELETE", "/bucket/key", &[], b"").status, 204);
    let requests = proxy.requests();
    let targets: Vec<_> = requests.iter().map(|request| request.target.as_str()).collect();
    assert_eq!(targets[1..3], ["/bucket/a%20b//c", "/bucket/none"]);
    assert_eq!((requests[0].status, requests[0].sent), (Some(200), 3_000_000));
    assert_eq!((requests[5].method.as_str(), requests[5].status), ("DELETE", Some(204)));
    assert!(requests[0].header("authorization").unwrap().contains("Signature="));
}

#[test]
fn every_answer_is_cut_after_so_many_bytes() {
    let whole = content(1_000_000);
    let (s3, proxy) = proxied(&whole);
    let client = client(&s3, &proxy);
    proxy.fail_all(Method::Get, Fault::Download(300_000, Ending::Close));
    let mut had = Vec::new();
    while had.len() < whole.len() {
        let range = format!("bytes={}-", had.len());
        let answer = client.send("GET", "/bucket/key", &[("range", &range)], b"");
        assert_eq!(answer.status, 206);
        assert_eq!(answer.body.len(), 300_000.min(whole.len() - had.len()));
        assert_eq!(answer.broken.is_some(), had.len() < 700_000);
        had.extend(answer.body);
    }
    assert!(had == whole);
    assert_eq!(proxy.requests().len(), 4);
}

#[test]
fn a_reset_is_a_reset() {
    let (s3, proxy) = proxied(&content(10_000_000));
    let client = client(&s3, &proxy);
    proxy.fail_next(Method::Get, Fault::Unanswered(Ending::Reset));
    let error = client.try_send("GET", "/bucket/key", &[], b"").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    proxy.fail_next(Method::Get, Fault::Download(5_000_000, Ending::Reset));
    let answer = client.get("/bucket/key");
    assert_eq!(answer.broken.unwrap().kind(), ErrorKind::ConnectionReset);
    assert!(answer.body.len() <= 5_000_000);
    proxy.fail_next(Method::Put, Fault::Upload(1_000_000, Ending::Reset));
    client.try_send("PUT", "/bucket/new", &[], &content(3_000_000)).unwrap_err();
    assert_eq!(s3.read("bucket", "new"), None);
    let statuses: Vec<_> = proxy.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [None, Some(200), None]);
}

#[test]
fn a_stalled_answer_stops_at_its_byte() {
    let whole = content(50_000);
    let (s3, proxy) = proxied(&whole);
    let client = client(&s3, &proxy);
    proxy.fail_next(Method::Get, Fault::Download(20_000, Ending::Stall));
    let signed = client.sign("GET", "/bucket/key", &[], SignableBody::Bytes(b""));
    let mut stream = client.begin("GET", "/bucket/key", &signed, b"").unwrap();
    assert_eq!(crate::client::read_head(&mut stream).unwrap().0, 200);
    let mut body = Vec::new();
    read_exactly(&mut stream, 20_000, &mut body).unwrap();
    assert!(client.get("/bucket/key").body == whole);
    // Only the end of the proxy ends it, and nothing came in between.
    drop(proxy);
    assert_eq!(stream.read_to_end(&mut body).unwrap(), 0);
    assert!(body == whole[..20_000]);
}

#[test]
fn a_request_without_an_answer() {
    let (s3, proxy) = proxied(b"content");
    let client = client(&s3, &proxy);
    proxy.fail_times(2, Method::Any, Fault::Unanswered(Ending::Close));
    for method in ["GET", "PUT"] {
        client.try_send(method, "/bucket/key", &[], b"").unwrap_err();
    }
    assert_eq!(client.get("/bucket/key").body, b"content");
    assert_eq!(s3.requests().len(), 1);
}

#[test]
fn a_kept_connection_is_closed_when_it_is_used_again() {
    let (s3, proxy) = proxied(b"content");
    let client = client(&s3, &proxy);
    proxy.fail_next(Wanted::reused(Method::Get), Fault::Unanswered(Ending::Close));
    let signed = client.sign("GET", "/bucket/key", &[], SignableBody::Bytes(b""));
    let mut stream = client.begin("GET", "/bucket/key", &signed, b"").unwrap();
    assert_eq!(answer(&mut stream).unwrap().body, b"content");
    again(&mut stream, &client).unwrap_err();
    assert_eq!(client.get("/bucket/key").body, b"content");

    let mut stream = client.begin("GET", "/bucket/key", &signed, b"").unwrap();
    assert_eq!(answer(&mut stream).unwrap().body, b"content");
    assert_eq!(again(&mut stream, &client).unwrap().body, b"content");
    let requests = proxy.requests();
    assert_eq!(requests[0].client, requests[1].client);
    assert_ne!(requests[1].client, requests[2].client);
    assert_eq!(requests[1].status, None);
}

#[test]
fn an_object_changes_between_two_requests_and_within_one() {
    let (s3, proxy) = proxied(&content(100_000));
    let s3 = Arc::new(s3);
    let client = client(&s3, &proxy);
    let (changed, behind) = (vec![1; 100_000], s3.clone());
    let new = changed.clone();
    proxy.before_request(1, move || behind.put("bucket", "key", &new));
    assert!(client.get("/bucket/key").body == content(100_000));
    assert!(client.get("/bucket/key").body == changed);

    let gate = Gate::new();
    proxy.fail_next(Method::Get, Fault::Hold(1000, gate.clone()));
    let held = std::thread::spawn(move || client.get("/bucket/key"));
    gate.reached();
    assert_eq!(proxy.requests()[2].sent, 1000);
    gate.release();
    assert!(held.join().unwrap().body == changed);
}

#[test]
fn another_server_takes_over() {
    let (s3, proxy) = proxied(b"content");
    let other = S3::start(Options::default());
    other.put("bucket", "key", b"other");
    let client = client(&s3, &proxy);
    assert_eq!(client.get("/bucket/key").body, b"content");
    proxy.set_upstream(other.address());
    assert_eq!(client.get("/bucket/key").body, b"other");
    // A server that is gone.
    let gone = FaultProxy::start(other.address());
    drop(other);
    let client = crate::client(&s3, &gone);
    client.try_send("GET", "/bucket/key", &[], b"").unwrap_err();
}
