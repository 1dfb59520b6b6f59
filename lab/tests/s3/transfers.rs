//! What transfers rely on: conditions, checksums, parts, hosts, owners, and other clocks.

use std::time::{Duration, SystemTime};

use lab::s3::{Checksum, Fault, Method, Options, S3};

use crate::client::Client;
use crate::{content, s3_with};

#[test]
fn conditions_of_a_head() {
    let s3 = s3_with(b"content");
    let client = Client::of(&s3);
    let etag = client.get("/bucket/key").header("etag").unwrap().to_owned();
    let status =
        |name, value: &str| client.send("HEAD", "/bucket/key", &[(name, value)], b"").status;
    assert_eq!(status("if-match", &etag), 200);
    assert_eq!(status("if-match", "\"other\""), 412);
    assert_eq!(status("if-none-match", &etag), 304);
}

#[test]
fn checksums_are_shown_to_who_asks() {
    let s3 = S3::start(Options::default());
    let client = Client::of(&s3);
    let asking = [("x-amz-checksum-mode", "ENABLED")];
    // The published check values of "123456789", in base64; the hashes as Python computes them.
    for (checksum, name, value) in [
        (Checksum::Crc32, "x-amz-checksum-crc32", "y/Q5Jg=="),
        (Checksum::Crc32c, "x-amz-checksum-crc32c", "4waSgw=="),
        (Checksum::Crc64Nvme, "x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
        (Checksum::Sha1, "x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
        (Checksum::Sha256, "x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ] {
        s3.put_with_checksum("bucket", "key", b"123456789", checksum);
        for method in ["GET", "HEAD"] {
            let answer = client.send(method, "/bucket/key", &asking, b"");
            assert_eq!(answer.header(name), Some(value), "{method} {name}");
            let silent = client.send(method, "/bucket/key", &[], b"");
            assert_eq!(silent.header(name), None, "{method} {name}");
        }
        let part = [asking[0], ("range", "bytes=1-2")];
        assert_eq!(client.send("GET", "/bucket/key", &part, b"").header(name), None);
    }
    s3.put("bucket", "key", b"none");
    let answer = client.send("GET", "/bucket/key", &asking, b"");
    assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("x-amz-checksum")));
}

#[test]
fn ranges_are_ignored_where_a_test_wants_it() {
    let s3 = s3_with(b"content");
    let client = Client::of(&s3);
    let range = [("range", "bytes=3-")];
    s3.fail_next(Method::Get, Fault::IgnoreRange);
    let answer = client.send("GET", "/bucket/key", &range, b"");
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"content".as_slice()));
    assert_eq!(answer.header("content-range"), None);
    let answer = client.send("GET", "/bucket/key", &range, b"");
    assert_eq!((answer.status, answer.body.as_slice()), (206, b"tent".as_slice()));
}

#[test]
fn parts_have_to_be_there_in_order_with_their_etags() {
    let s3 = s3_with(b"other");
    let client = Client::of(&s3);
    let id = client.send("POST", "/bucket/new?uploads=", &[], b"").element("UploadId").unwrap();
    assert_eq!(s3.open_uploads(), [id.as_str()]);
    let part = |number: u32, body: &[u8]| {
        client.put(&format!("/bucket/new?partNumber={number}&uploadId={id}"), body)
    };
    let large = content(5 * 1024 * 1024);
    let etags =
        [part(1, &large), part(2, b"end")].map(|answer| answer.header("etag").unwrap().to_owned());
    let complete = |parts: &[(u32, &str)]| {
        let list: String = parts
            .iter()
            .map(|(number, etag)| {
                format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
            })
            .collect();
        let document = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
        client.send("POST", &format!("/bucket/new?uploadId={id}"), &[], document.as_bytes())
    };
    let [first, second] = &etags;
    assert_eq!(complete(&[(2, second), (1, first)]).error().1, "InvalidPartOrder");
    assert_eq!(complete(&[(1, second), (2, first)]).error().1, "InvalidPart");
    assert_eq!(complete(&[(1, first), (3, second)]).error().1, "InvalidPart");
    let listed = client.get(&format!("/bucket/new?uploadId={id}"));
    assert_eq!(listed.elements("PartNumber"), ["1", "2"]);
    assert_eq!(complete(&[(1, first), (2, second)]).status, 200);
    assert_eq!(s3.read("bucket", "new").unwrap().len(), large.len() + 3);
    assert!(s3.open_uploads().is_empty());

    let gone = (404, "NoSuchUpload".to_owned());
    assert_eq!(complete(&[(1, first)]).error(), gone);
    assert_eq!(part(1, b"late").error(), gone);
    let aborted = client.send("DELETE", &format!("/bucket/new?uploadId={id}"), &[], b"");
    assert_eq!(aborted.error(), gone);
}

#[test]
fn an_aborted_upload_is_no_longer_open() {
    let s3 = s3_with(b"other");
    let client = Client::of(&s3);
    let id = client.send("POST", "/bucket/new?uploads=", &[], b"").element("UploadId").unwrap();
    let target = format!("/bucket/new?uploadId={id}");
    assert_eq!(client.send("DELETE", &target, &[], b"").status, 204);
    assert!(s3.open_uploads().is_empty());
}

#[test]
fn the_host_names_the_bucket() {
    let s3 = s3_with(b"content");
    s3.put("bucket", "a b//c", b"odd");
    let at = |host: &str| Client { host: Some(host.to_owned()), ..Client::of(&s3) };
    assert_eq!(at("bucket.localhost:9").get("/key").body, b"content");
    assert_eq!(at("bucket.s3.eu-west-1.amazonaws.com").get("/a%20b//c").body, b"odd");
    assert_eq!(at("bucket.localhost").put("/new", b"new").status, 200);
    assert_eq!(s3.read("bucket", "new").as_deref(), Some(b"new".as_slice()));
    assert_eq!(at("none.localhost").get("/key").error().1, "NoSuchBucket");
    assert_eq!(at("localhost").get("/bucket/key").body, b"content");
    let listed = at("bucket.localhost").get("/?list-type=2&prefix=a");
    assert_eq!(listed.elements("Key"), ["a b//c"]);
}

#[test]
fn the_owner_has_to_be_the_expected_one() {
    let owner = "444455556666".to_owned();
    let s3 = S3::start(Options { owner, ..Options::default() });
    s3.put("bucket", "key", b"content");
    let get = |owner| {
        let headers = [("x-amz-expected-bucket-owner", owner)];
        Client::of(&s3).send("GET", "/bucket/key", &headers, b"")
    };
    assert_eq!(get("444455556666").status, 200);
    assert_eq!(get("111122223333").error(), (403, "AccessDenied".to_owned()));
}

#[test]
fn a_server_with_another_clock() {
    let decade = Duration::from_secs(10 * 365 * 86_400);
    for (clock_shift_s, there) in [
        (decade.as_secs() as i64, SystemTime::now() + decade),
        (-(decade.as_secs() as i64), SystemTime::now() - decade),
    ] {
        let s3 = S3::start(Options { clock_shift_s, ..Options::default() });
        s3.put("bucket", "key", b"content");
        let refused = Client::of(&s3).get("/bucket/key");
        assert_eq!(refused.error(), (403, "RequestTimeTooSkewed".to_owned()));
        let date = httpdate::parse_http_date(refused.header("date").unwrap()).unwrap();
        for (time, status) in [
            (date, 200),
            (date - Duration::from_secs(14 * 60), 200),
            (date + Duration::from_secs(14 * 60), 200),
            (date - Duration::from_secs(16 * 60), 403),
            (date + Duration::from_secs(16 * 60), 403),
        ] {
            let answer = Client { time, ..Client::of(&s3) }.get("/bucket/key");
            assert_eq!(answer.status, status, "{}", answer.text());
        }
        let off = date.duration_since(there).unwrap_or_else(|early| early.duration());
        assert!(off < Duration::from_secs(60), "{off:?}");
    }
}

#[test]
fn listings_of_many_keys_come_in_pages() {
    let s3 = S3::start(Options::default());
    let keys: Vec<String> = (0..25).map(|number| format!("a+b/{number:02} é")).collect();
    for key in &keys {
        s3.put("bucket", key, b"");
    }
    let client = Client::of(&s3);
    let (mut listed, mut pages, mut token) = (Vec::new(), 0, String::new());
    loop {
        let query = "encoding-type=url&list-type=2&max-keys=10&prefix=a%2Bb%2F";
        let page = client.get(&format!("/bucket?{token}{query}"));
        assert_eq!(page.element("EncodingType").as_deref(), Some("url"));
        assert_eq!(page.element("Prefix").as_deref(), Some("a%2Bb/"));
        listed.extend(page.elements("Key"));
        pages += 1;
        let Some(next) = page.element("NextContinuationToken") else {
            assert_eq!(page.element("IsTruncated").as_deref(), Some("false"));
            break;
        };
        let next: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        token = format!("continuation-token={next}&");
    }
    assert_eq!(pages, 3);
    let encoded: Vec<String> =
        (0..25).map(|number| format!("a%2Bb/{number:02}%20%C3%A9")).collect();
    assert_eq!(listed, encoded);
}
