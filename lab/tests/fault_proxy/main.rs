//! The fault proxy, between a client that AWS's own crate signs for and the S3 stand-in.

#[allow(dead_code, reason = "shared with the tests of the stand-in")]
#[path = "../s3/client.rs"]
mod client;
mod endings;
mod order;
mod replies;

use std::io::{BufRead, Write};

use aws_sigv4::http_request::SignableBody;
use lab::fault_proxy::FaultProxy;
use lab::s3::{Options, S3};

use crate::client::{Answer, Client, read_exactly, read_head};

/// The stand-in with `bucket/key`, and a proxy before it.
fn proxied(content: &[u8]) -> (S3, FaultProxy) {
    let s3 = S3::start(Options::default());
    s3.put("bucket", "key", content);
    let proxy = FaultProxy::start(s3.address());
    (s3, proxy)
}

/// A client that takes the proxy for the server.
fn client(s3: &S3, proxy: &FaultProxy) -> Client {
    Client { endpoint: proxy.endpoint(), ..Client::of(s3) }
}

/// Sends another request on a connection, and reads the answer.
fn again(stream: &mut (impl BufRead + Connection), client: &Client) -> std::io::Result<Answer> {
    let authority = client.endpoint.trim_start_matches("http://");
    let mut head = format!("GET /bucket/key HTTP/1.1\r\nhost: {authority}\r\n");
    for (name, value) in client.sign("GET", "/bucket/key", &[], SignableBody::Bytes(b"")) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.connection().write_all(format!("{head}\r\n").as_bytes())?;
    answer(stream)
}

fn answer(stream: &mut impl BufRead) -> std::io::Result<Answer> {
    let (status, headers) = read_head(stream)?;
    let mut answer = Answer { status, headers, body: Vec::new(), broken: None };
    let length = answer.header("content-length").expect("a length").parse().unwrap();
    answer.broken = read_exactly(stream, length, &mut answer.body).err();
    Ok(answer)
}

trait Connection {
    fn connection(&mut self) -> &mut dyn Write;
}

impl Connection for std::io::BufReader<Box<dyn client::Stream>> {
    fn connection(&mut self) -> &mut dyn Write {
        self.get_mut()
    }
}

/// Bytes that differ along the way.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}
