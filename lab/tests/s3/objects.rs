//! What the stand-in serves.

use std::fs;

use lab::s3::{Options, S3};

use crate::client::Client;
use crate::{content, s3_with};

#[test]
fn a_signed_get_returns_the_object() {
    let s3 = S3::start(Options::default());
    s3.put("models", "digits/digits.tar.gz", b"content");
    let answer = Client::of(&s3).get("/models/digits/digits.tar.gz");
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"content".as_slice()));
    // MD5 of "content".
    assert_eq!(answer.header("etag"), Some("\"9a0364b9e99bb480dd25e1f0284c8555\""));
    assert!(answer.header("date").is_some());
    assert_eq!(answer.header("x-amz-request-id"), Some("LAB0000000000000"));
}

#[test]
fn what_is_not_there_is_named() {
    let s3 = S3::start(Options::default());
    s3.put("bucket", "folder/key", b"content");
    let client = Client::of(&s3);
    assert_eq!(client.get("/none/key").error(), (404, "NoSuchBucket".to_owned()));
    assert_eq!(client.get("/bucket/none").error(), (404, "NoSuchKey".to_owned()));
    // A folder is not an object.
    assert_eq!(client.get("/bucket/folder").error(), (404, "NoSuchKey".to_owned()));
    assert_eq!(client.put("/none/key", b"x").error(), (404, "NoSuchBucket".to_owned()));
    assert_eq!(client.send("HEAD", "/bucket/none", &[], b"").status, 404);
}

#[test]
fn ranges() {
    let whole = content(10_000);
    let s3 = s3_with(&whole);
    s3.put("bucket", "empty", b"");
    let client = Client::of(&s3);
    for (range, expected, shown) in [
        ("bytes=0-0", 0..1, "bytes 0-0/10000"),
        ("bytes=4090-4105", 4090..4106, "bytes 4090-4105/10000"),
        ("bytes=9000-", 9000..10_000, "bytes 9000-9999/10000"),
        ("bytes=9999-20000", 9999..10_000, "bytes 9999-9999/10000"),
        ("bytes=-3", 9997..10_000, "bytes 9997-9999/10000"),
        ("bytes=-20000", 0..10_000, "bytes 0-9999/10000"),
    ] {
        let answer = client.send("GET", "/bucket/key", &[("range", range)], b"");
        assert_eq!(answer.status, 206, "{range}: {}", answer.text());
        assert_eq!(answer.body, whole[expected], "{range}");
        assert_eq!(answer.header("content-range"), Some(shown));
    }
    for (target, range) in [("/bucket/key", "bytes=10000-"), ("/bucket/empty", "bytes=0-")] {
        let answer = client.send("GET", target, &[("range", range)], b"");
        assert_eq!(answer.error(), (416, "InvalidRange".to_owned()));
    }
}

#[test]
fn conditions_of_a_get() {
    let s3 = s3_with(b"content");
    let client = Client::of(&s3);
    let etag = client.get("/bucket/key").header("etag").unwrap().to_owned();
    let status = |name: &str, value: &str| {
        client.send("GET", "/bucket/key", &[(name, value), ("range", "bytes=1-")], b"").status
    };
    assert_eq!(status("if-match", &etag), 206);
    assert_eq!(status("if-match", "\"other\""), 412);
    assert_eq!(status("if-none-match", "\"other\""), 206);
    assert_eq!(status("if-none-match", &etag), 304);
    s3.put("bucket", "key", b"changed");
    assert_eq!(status("if-match", &etag), 412);
}

#[test]
fn head_tells_size_and_etag() {
    let s3 = s3_with(b"content");
    let answer = Client::of(&s3).send("HEAD", "/bucket/key", &[], b"");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), Some("7"));
    assert_eq!(answer.header("etag"), Some("\"9a0364b9e99bb480dd25e1f0284c8555\""));
}

#[test]
fn put_get_delete() {
    let s3 = s3_with(b"other");
    let client = Client::of(&s3);
    let large = content(300_000);
    let target = "/bucket/new/folder/key";
    assert_eq!(client.put(target, &large).status, 200);
    assert_eq!(client.get(target).body, large);
    assert_eq!(s3.read("bucket", "new/folder/key"), Some(large));
    let replaced = client.put(target, b"content");
    assert_eq!(replaced.header("etag"), Some("\"9a0364b9e99bb480dd25e1f0284c8555\""));
    assert_eq!(client.get(target).body, b"content");
    // The second time there is nothing left to delete, which is no error.
    for _ in 0..2 {
        assert_eq!(client.send("DELETE", target, &[], b"").status, 204);
        assert_eq!(client.get(target).status, 404);
    }
    assert_eq!(s3.read("bucket", "new/folder/key"), None);
}

#[test]
fn objects_live_below_the_root() {
    let root = tempfile::tempdir().unwrap();
    let options = Options { root: Some(root.path().to_owned()), ..Options::default() };
    let s3 = S3::start(options.clone());
    s3.put("bucket", "folder/key", b"stored");
    assert_eq!(fs::read(root.path().join("bucket/folder/key")).unwrap(), b"stored");
    fs::write(root.path().join("bucket/by-hand"), b"by hand").unwrap();
    assert_eq!(Client::of(&s3).get("/bucket/by-hand").body, b"by hand");
    drop(s3);
    let again = S3::start(options);
    assert_eq!(Client::of(&again).get("/bucket/folder/key").body, b"stored");
}

#[test]
fn keys_with_every_kind_of_character() {
    let s3 = s3_with(b"other");
    let client = Client::of(&s3);
    let keys = [
        ("a%20b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%2520b", "a%20b"),
        ("a//b", "a//b"),
        ("a/../b", "a/../b"),
        ("./c", "./c"),
        ("%C3%A4%E2%82%AC", "ä€"),
        ("a~b-c_d.e", "a~b-c_d.e"),
        ("%3D%26%3F%23%3B%40%21%27%28%29%2A%22%3C", "=&?#;@!'()*\"<"),
    ];
    for (encoded, key) in keys {
        let target = format!("/bucket/{encoded}");
        let answer = client.put(&target, key.as_bytes());
        assert_eq!(answer.status, 200, "{key}: {}", answer.text());
        assert_eq!(client.get(&target).body, key.as_bytes(), "{key}");
        assert_eq!(s3.read("bucket", key).as_deref(), Some(key.as_bytes()), "{key}");
    }
    let listed = client.get("/bucket?encoding-type=url&list-type=2").elements("Key");
    assert_eq!(listed.len(), keys.len() + 1);
    for (encoded, _) in keys {
        assert!(listed.iter().any(|key| key == encoded), "{encoded} is not in {listed:?}");
    }
}

#[test]
fn multipart_uploads() {
    let s3 = s3_with(b"other");
    let client = Client::of(&s3);
    let parts = [content(5 * 1024 * 1024), b"the last part".to_vec()];

    let created = client.send("POST", "/bucket/large%20one?uploads=", &[], b"");
    assert_eq!(created.element("Key").as_deref(), Some("large one"));
    let id = created.element("UploadId").expect("an upload id");
    let mut list = String::new();
    for (number, part) in (1..).zip(&parts) {
        let target = format!("/bucket/large%20one?partNumber={number}&uploadId={id}");
        let answer = client.put(&target, part);
        let etag = answer.header("etag").expect("a part's etag");
        list.push_str(&format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        ));
    }
    assert_eq!(s3.read("bucket", "large one"), None);
    let target = format!("/bucket/large%20one?uploadId={id}");
    let document = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    let completed = client.send("POST", &target, &[], document.as_bytes());
    assert_eq!(completed.status, 200, "{}", completed.text());
    assert!(completed.element("ETag").is_some_and(|etag| etag.contains("-2")));
    assert!(s3.read("bucket", "large one") == Some(parts.concat()));

    let created = client.send("POST", "/bucket/aborted?uploads=", &[], b"");
    let target = format!("/bucket/aborted?uploadId={}", created.element("UploadId").unwrap());
    assert_eq!(client.send("DELETE", &target, &[], b"").status, 204);
    assert_eq!(s3.read("bucket", "aborted"), None);
}

#[test]
fn list_objects_v2() {
    let s3 = S3::start(Options::default());
    for key in ["a", "folder/1", "folder/2", "folder/3", "z"] {
        s3.put("bucket", key, key.as_bytes());
    }
    let client = Client::of(&s3);
    let all = client.get("/bucket?list-type=2");
    assert_eq!(all.elements("Key"), ["a", "folder/1", "folder/2", "folder/3", "z"]);
    assert_eq!(all.elements("Size"), ["1", "8", "8", "8", "1"]);

    let top = client.get("/bucket?delimiter=%2F&list-type=2");
    assert_eq!(top.elements("Key"), ["a", "z"]);
    assert!(top.element("CommonPrefixes").is_some_and(|prefix| prefix.contains("folder/")));

    let query = "list-type=2&max-keys=2&prefix=folder%2F";
    let first = client.get(&format!("/bucket?{query}"));
    assert_eq!(first.elements("Key"), ["folder/1", "folder/2"]);
    assert_eq!(first.element("IsTruncated").as_deref(), Some("true"));
    let token = first.element("NextContinuationToken").expect("a token").replace('/', "%2F");
    let second = client.get(&format!("/bucket?continuation-token={token}&{query}"));
    assert_eq!(second.elements("Key"), ["folder/3"]);
    assert_eq!(second.element("IsTruncated").as_deref(), Some("false"));

    assert_eq!(client.get("/none?list-type=2").error(), (404, "NoSuchBucket".to_owned()));
}

#[test]
fn requests_are_recorded_as_they_came() {
    let s3 = s3_with(b"other");
    s3.put("bucket", "a b", b"content");
    let client = Client::of(&s3);
    client.send("GET", "/bucket/a%20b?x-id=GetObject", &[("range", "bytes=0-1")], b"");
    client.get("/bucket/none");
    let requests = s3.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].method, "GET");
    assert_eq!(requests[0].target, "/bucket/a%20b?x-id=GetObject");
    assert_eq!(requests[0].header("range"), Some("bytes=0-1"));
    assert!(requests[0].header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256 "));
    assert_eq!((requests[0].status, requests[1].status), (Some(206), Some(404)));
}

#[test]
fn https_with_its_own_ca() {
    let s3 = S3::start(Options { tls: true, ..Options::default() });
    let other = S3::start(Options { tls: true, ..Options::default() });
    s3.put("bucket", "key", b"content");
    let client = Client::of(&s3);
    assert!(client.endpoint.starts_with("https://127.0.0.1:"));
    assert_eq!(client.get("/bucket/key").body, b"content");
    let stranger = Client { ca_pem: other.ca_pem().map(str::to_owned), ..Client::of(&s3) };
    let error = stranger.try_send("GET", "/bucket/key", &[], b"").unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    assert_eq!(s3.requests().len(), 1);
}
