//! The client against a server that is scripted byte by byte.

mod actions;
mod courses;
mod credentials;
mod downloads;
mod failures;
mod multipart;
mod proxies;
mod reads;
pub(in crate::s3) mod server;
mod times;
mod writes;

use std::future::Future;
use std::time::{Duration, UNIX_EPOCH};

use smol::{LocalExecutor, stream};

use bytes::Bytes;

use self::server::{Received, Reply, Server};
use super::*;
use crate::s3::signing::{CanonicalRequest, PathRule, PayloadHash, RequestToSign};
use crate::s3::{
    Bucket, BucketOwner, Credentials, Endpoint, Phase, ReadRange, Retry, Roots, S3Key, Upload,
};
use crate::secret::Secret;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// 2013-05-24, in seconds since 1970.
const NOW: u64 = 1_369_353_600;
const TOKEN: &str = "the/session+token==";

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: Secret::new(SECRET),
        session_token: Some(Secret::new(TOKEN)),
    }
}

fn settings(url: &str) -> Settings {
    Settings {
        endpoint: Endpoint::parse(url).unwrap(),
        region: Region::parse("eu-west-1").unwrap(),
        bucket_owner: None,
        credentials: credentials().into(),
        timeouts: Timeouts::default(),
        retry: Retry { base: Duration::ZERO, ..Retry::default() },
    }
}

/// Lets `act` use a client with these settings.
fn with_client<T, F: Future<Output = T>>(
    settings: Settings,
    roots: Roots,
    act: impl FnOnce(Client) -> F,
) -> T {
    with_io(roots, Network::default(), NOW, |io| act(Client::new(settings, io)))
}

/// Lets `act` use this world, whose clock stands at `now`.
fn with_io<T, F: Future<Output = T>>(
    roots: Roots,
    network: Network,
    now: u64,
    act: impl FnOnce(Io) -> F,
) -> T {
    let executor = Rc::new(LocalExecutor::new());
    let clock = Rc::new(move || UNIX_EPOCH + Duration::from_secs(now));
    let io = Io::new(executor.clone(), clock, roots, network);
    smol::block_on(executor.run(act(io)))
}

fn with_server<T, F: Future<Output = T>>(server: &Server, act: impl FnOnce(Client) -> F) -> T {
    with_client(settings(&server.url), Roots::default(), act)
}

fn bucket() -> Bucket {
    Bucket::parse("models").unwrap()
}

fn key(text: &str) -> S3Key {
    S3Key::parse(text).unwrap()
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
        .into_bytes()
}

fn ok(body: &str) -> Reply {
    Reply::Send(answer("200 OK", "ETag: \"abc\"\r\n", body))
}

fn error_answer(status: &str, code: &str) -> Reply {
    Reply::Send(answer(
        status,
        "x-amz-request-id: R1\r\n",
        &format!("<Error><Code>{code}</Code><Message>No.</Message></Error>"),
    ))
}

/// An upload that is read in pieces of so many bytes.
fn upload(length: u64, content: &[u8], piece: usize) -> Upload {
    let content = Bytes::copy_from_slice(content);
    let read: ReadRange = Rc::new(move |range| {
        let end = if range.end == length { content.len() } else { range.end as usize };
        let part = content.slice(range.start as usize..end);
        let pieces: Vec<_> = part.chunks(piece).map(Bytes::copy_from_slice).map(Ok).collect();
        Box::pin(stream::iter(pieces))
    });
    Upload::Read { length, read }
}

/// Signs what the server has got as the client should have, and compares; gives the signature.
fn verify_signature(received: &Received) -> String {
    verify_signature_for(received, NOW, "eu-west-1")
}

/// The same for another time and region.
fn verify_signature_for(received: &Received, now: u64, region: &str) -> String {
    let authorization = received.header("authorization").unwrap();
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ").unwrap();
    let field = |name: &str| fields.split(", ").find_map(|field| field.strip_prefix(name)).unwrap();
    let headers: Vec<(&str, &str)> = field("SignedHeaders=")
        .split(';')
        .map(|name| (name, received.header(name).unwrap()))
        .collect();
    for (name, _) in &received.headers {
        let must_be_signed = name.starts_with("x-amz-")
            || ["host", "range", "if-match", "if-none-match"].contains(&name.as_str());
        let is_signed = headers.iter().any(|(signed, _)| signed == name);
        assert_eq!(must_be_signed, is_signed, "{name}");
    }
    let moment = Moment::from(UNIX_EPOCH + Duration::from_secs(now));
    assert_eq!(received.header("x-amz-date"), Some(moment.basic().as_str()));
    assert_eq!(received.header("x-amz-security-token"), Some(TOKEN));
    let payload = match received.header("x-amz-content-sha256").unwrap() {
        "UNSIGNED-PAYLOAD" => PayloadHash::Unsigned,
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => PayloadHash::Streaming,
        hash => {
            assert_eq!(hash, PayloadHash::of(&received.body).as_str());
            PayloadHash::Sha256(hash.into())
        }
    };
    let credentials = credentials();
    let signer = Signer::new(&credentials, Scope::new(moment, region, "s3"));
    let (path, query) = received.path.split_once('?').unwrap_or((&received.path, ""));
    // All that the values here have encoded.
    let query = query.replace("%2B", "+");
    let query: Vec<(&str, &str)> =
        query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let signature = signer.signature(&CanonicalRequest::new(&RequestToSign {
        method: &received.method,
        path,
        path_rule: PathRule::AsSent,
        query: &query,
        headers: &headers,
        payload: &payload,
    }));
    assert_eq!(field("Signature="), signature);
    signature
}

/// Reads a body in signed chunks, each signature compared.
fn verify_chunks(received: &Received) -> Vec<u8> {
    let seed = verify_signature(received);
    let credentials = credentials();
    let moment = Moment::from(UNIX_EPOCH + Duration::from_secs(NOW));
    let signer = Signer::new(&credentials, Scope::new(moment, "eu-west-1", "s3"));
    let mut chunks = signer.chunks(seed);
    let (mut content, mut rest) = (Vec::new(), received.body.as_slice());
    loop {
        let line_end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let line = std::str::from_utf8(&rest[..line_end]).unwrap();
        let (size, signature) = line.split_once(";chunk-signature=").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let (data, after) = rest[line_end + 2..].split_at(size);
        assert_eq!(signature, chunks.chunk(data));
        rest = after.strip_prefix(b"\r\n").unwrap();
        content.extend_from_slice(data);
        if size == 0 {
            assert!(rest.is_empty());
            return content;
        }
    }
}
