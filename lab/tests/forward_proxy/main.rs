//! The forward proxy, asked for the S3 stand-in.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use lab::forward_proxy::ForwardProxy;
use lab::s3::{Options, S3};

/// `bob:secret`, from RFC 4648's alphabet by hand.
const BOB: &str = "proxy-authorization: Basic Ym9iOnNlY3JldA==\r\n";

fn stand_in() -> S3 {
    let s3 = S3::start(Options::default());
    s3.put("bucket", "key", b"content");
    s3
}

/// Writes a request and reads until the end.
fn ask(proxy: &ForwardProxy, request: &str) -> String {
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_whole_url_is_asked_for() {
    let (s3, proxy) = (stand_in(), ForwardProxy::start());
    let url = format!("{}/bucket/key?x=%20", s3.endpoint());
    // The stand-in refuses what is not signed; that it answers is enough.
    let answer = ask(&proxy, &format!("GET {url} HTTP/1.1\r\nhost: signed.host\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("AccessDenied"), "{answer}");
    let came = &s3.requests()[0];
    assert_eq!(came.target, "/bucket/key?x=%20");
    assert_eq!(came.header("host"), Some("signed.host"));
    let requests = proxy.requests();
    assert_eq!((requests[0].method.as_str(), requests[0].target.as_str()), ("GET", url.as_str()));
    assert_eq!(requests[0].refused, None);
}

#[test]
fn a_tunnel_leads_to_a_name_that_only_the_proxy_knows() {
    let (s3, proxy) = (stand_in(), ForwardProxy::start());
    proxy.resolve("bucket.s3.example:80", s3.address());
    let mut stream = BufReader::new(TcpStream::connect(proxy.address()).unwrap());
    let connect = "CONNECT bucket.s3.example:80 HTTP/1.1\r\nhost: bucket.s3.example:80\r\n\r\n";
    stream.get_mut().write_all(connect.as_bytes()).unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
    stream.read_line(&mut line).unwrap();
    let inside = "GET /inside HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    stream.get_mut().write_all(inside.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(s3.requests()[0].target, "/inside");
    // Of the inside it saw nothing.
    assert_eq!(proxy.requests().len(), 1);
    assert_eq!(proxy.requests()[0].target, "bucket.s3.example:80");
}

#[test]
fn a_password_is_wanted_where_one_is_set() {
    let s3 = stand_in();
    let proxy = ForwardProxy::start_with_password("bob", "secret");
    let request = |authorization: &str, proxy| {
        let url = s3.endpoint();
        let close = "connection: close\r\n";
        ask(proxy, &format!("GET {url}/ HTTP/1.1\r\nhost: h\r\n{close}{authorization}\r\n"))
    };
    assert!(request(BOB, &proxy).starts_with("HTTP/1.1 403"));
    assert_eq!(s3.requests()[0].header("proxy-authorization"), None);

    let mut stream = BufReader::new(TcpStream::connect(proxy.address()).unwrap());
    for authorization in ["", "proxy-authorization: Basic Ym9iOndyb25n\r\n"] {
        let head = format!("CONNECT h:1 HTTP/1.1\r\nhost: h:1\r\n{authorization}\r\n");
        stream.get_mut().write_all(head.as_bytes()).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            stream.read_line(&mut head).unwrap();
        }
        assert!(head.starts_with("HTTP/1.1 407"), "{head}");
        assert!(head.contains("proxy-authenticate: Basic realm="), "{head}");
    }
    let refused: Vec<_> = proxy.requests().iter().map(|request| request.refused).collect();
    assert_eq!(refused, [None, Some(407), Some(407)]);
    assert_eq!(s3.requests().len(), 1);
}

#[test]
fn nobody_at_the_other_end() {
    let s3 = stand_in();
    let gone = s3.address();
    drop(s3);
    let proxy = ForwardProxy::start();
    let connect = format!("CONNECT {gone} HTTP/1.1\r\nhost: h\r\n\r\n");
    assert!(ask(&proxy, &connect).starts_with("HTTP/1.1 502"));
    let get = format!("GET http://{gone}/ HTTP/1.1\r\nhost: h\r\n\r\n");
    assert!(ask(&proxy, &get).starts_with("HTTP/1.1 502"));
}
