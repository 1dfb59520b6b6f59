//! Answers that are not the server's, or not only.

use std::time::SystemTime;

use lab::fault_proxy::{Fault, Wanted};
use lab::s3::Method;

use crate::client::Client;
use crate::{client, content, proxied};

#[test]
fn a_server_that_wants_fewer_requests() {
    let (s3, proxy) = proxied(b"content");
    let client = client(&s3, &proxy);
    proxy.fail_times(2, Method::Get, Fault::slow_down());
    for _ in 0..2 {
        assert_eq!(client.get("/bucket/key").error(), (503, "SlowDown".to_owned()));
    }
    assert_eq!(client.get("/bucket/key").body, b"content");
    assert_eq!(s3.requests().len(), 1);
}

#[test]
fn the_queue_goes_before_what_lasts() {
    let (s3, proxy) = proxied(b"content");
    let client = client(&s3, &proxy);
    proxy.fail_all(Method::Get, Fault::slow_down());
    proxy.fail_next(Wanted::target(Method::Get, "other"), Fault::error(500, "Never", ""));
    proxy.fail_next(Wanted::target(Method::Any, "key"), Fault::error(500, "InternalError", ""));
    assert_eq!(client.get("/bucket/key").error(), (500, "InternalError".to_owned()));
    assert_eq!(client.get("/bucket/key").error(), (503, "SlowDown".to_owned()));
    proxy.heal();
    assert_eq!(client.get("/bucket/key").body, b"content");
}

#[test]
fn an_error_behind_200() {
    let (s3, proxy) = proxied(b"content");
    proxy.fail_next(Method::Post, Fault::error_behind_200("InternalError"));
    let answer = client(&s3, &proxy).send("POST", "/bucket/key?uploadId=1", &[], b"<x/>");
    assert_eq!(answer.error(), (200, "InternalError".to_owned()));
}

#[test]
fn a_redirect_to_the_other_port() {
    let (s3, proxy) = proxied(b"content");
    let client = client(&s3, &proxy);
    proxy.fail_next(Method::Get, Fault::Redirect);
    let answer = client.get("/bucket/key?x=%20");
    let location = answer.header("location").unwrap();
    assert_eq!(
        (answer.status, location),
        (307, &*format!("{}/bucket/key?x=%20", proxy.other_endpoint()))
    );
    let there = Client { endpoint: proxy.other_endpoint(), ..Client::of(&s3) };
    assert_eq!(there.get("/bucket/key").body, b"content");
    let requests = proxy.requests();
    assert_ne!(requests[0].address, requests[1].address);
    assert_eq!(requests[1].status, Some(200));
}

#[test]
fn the_region_is_told_in_two_ways() {
    let (s3, proxy) = proxied(b"content");
    let client = client(&s3, &proxy);
    proxy.fail_next(Method::Get, Fault::other_region("eu-west-1"));
    let answer = client.get("/bucket/key");
    assert_eq!(answer.error(), (301, "PermanentRedirect".to_owned()));
    assert_eq!(answer.header("x-amz-bucket-region"), Some("eu-west-1"));
    assert_eq!(answer.header("location"), None);
    proxy.fail_next(Method::Get, Fault::signed_for_other_region("eu-west-2"));
    let answer = client.get("/bucket/key");
    assert_eq!(answer.error(), (400, "AuthorizationHeaderMalformed".to_owned()));
    assert_eq!(answer.element("Region").as_deref(), Some("eu-west-2"));
    // Without a body, only the header tells.
    proxy.fail_next(Method::Head, Fault::other_region("eu-west-3"));
    let answer = client.send("HEAD", "/bucket/key", &[], b"");
    assert_eq!(answer.header("x-amz-bucket-region"), Some("eu-west-3"));
}

#[test]
fn a_wrong_length() {
    let (s3, proxy) = proxied(&content(1000));
    let client = client(&s3, &proxy);
    for (length, body) in [(1500, 1000), (400, 400)] {
        proxy.fail_next(Method::Get, Fault::Length(length));
        let answer = client.get("/bucket/key");
        assert_eq!(answer.header("content-length"), Some(&*length.to_string()));
        assert_eq!((answer.body.len(), answer.broken.is_some()), (body, length > 1000));
    }
}

#[test]
fn dates_are_years_off() {
    let (s3, proxy) = proxied(b"content");
    let client = client(&s3, &proxy);
    let year = 365 * 86_400;
    proxy.shift_date(-10 * year);
    proxy.fail_next(Method::Get, Fault::slow_down());
    for status in [503, 200] {
        let answer = client.get("/bucket/key");
        assert_eq!(answer.status, status);
        let date = httpdate::parse_http_date(answer.header("date").unwrap()).unwrap();
        let age = SystemTime::now().duration_since(date).unwrap().as_secs();
        assert!((10 * year as u64..10 * year as u64 + 60).contains(&age), "{age}");
    }
}
