//! What the stand-in refuses, as S3 does.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::SignableBody;
use lab::s3::{Options, S3};

use crate::client::Client;
use crate::s3_with;

#[test]
fn a_wrong_secret_is_refused() {
    let s3 = s3_with(b"content");
    let mut client = Client::of(&s3);
    client.secret.push('x');
    assert_eq!(client.get("/bucket/key").error(), (403, "SignatureDoesNotMatch".to_owned()));
    let refused = client.put("/bucket/new", b"new");
    assert_eq!(refused.error(), (403, "SignatureDoesNotMatch".to_owned()));
    assert_eq!(s3.read("bucket", "new"), None);
}

#[test]
fn an_unknown_key_is_refused() {
    let s3 = s3_with(b"content");
    let client = Client { access_key_id: "OTHER".to_owned(), ..Client::of(&s3) };
    assert_eq!(client.get("/bucket/key").error(), (403, "InvalidAccessKeyId".to_owned()));
}

#[test]
fn a_date_more_than_15_minutes_off_is_refused() {
    let s3 = s3_with(b"content");
    let now = SystemTime::now();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for (time, status) in [
        (now - minutes(14), 200),
        (now + minutes(14), 200),
        (now - minutes(16), 403),
        (now + minutes(16), 403),
        (SystemTime::UNIX_EPOCH, 403),
    ] {
        let answer = Client { time, ..Client::of(&s3) }.get("/bucket/key");
        assert_eq!(answer.status, status, "{}", answer.text());
        if status != 200 {
            assert_eq!(answer.element("Code").as_deref(), Some("RequestTimeTooSkewed"));
        }
    }
}

#[test]
fn no_signature_is_refused() {
    let s3 = s3_with(b"content");
    let answer = Client::of(&s3).exchange("GET", "/bucket/key", &[], b"").unwrap();
    assert_eq!(answer.error(), (403, "AccessDenied".to_owned()));
}

#[test]
fn a_body_that_is_not_the_signed_one_is_refused() {
    let s3 = s3_with(b"old");
    let client = Client::of(&s3);
    let signed = client.sign("PUT", "/bucket/key", &[], SignableBody::Bytes(b"signed body"));
    let answer = client.exchange("PUT", "/bucket/key", &signed, b"changed one").unwrap();
    assert_eq!(answer.error(), (400, "XAmzContentSHA256Mismatch".to_owned()));
    assert_eq!(s3.read("bucket", "key").as_deref(), Some(b"old".as_slice()));
    assert_eq!(s3.requests()[0].status, Some(400));
}

#[test]
fn unsigned_payloads_are_taken() {
    let s3 = s3_with(b"old");
    let client = Client::of(&s3);
    let signed = client.sign("PUT", "/bucket/key", &[], SignableBody::UnsignedPayload);
    assert_eq!(client.exchange("PUT", "/bucket/key", &signed, b"any").unwrap().status, 200);
    assert_eq!(s3.read("bucket", "key").as_deref(), Some(b"any".as_slice()));
}

#[test]
fn chunked_uploads_are_taken_if_their_checksum_is_right() {
    let s3 = s3_with(b"old");
    let client = Client::of(&s3);
    // CRC-32 of "123456789", the published check value: cbf43926.
    for (checksum, status) in [("y/Q5Jg==", 200), ("AAAAAA==", 400)] {
        let headers = [
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "9"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
        ];
        let body = format!("9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n");
        let target = format!("/bucket/chunked-{status}");
        let kind = SignableBody::StreamingUnsignedPayloadTrailer;
        let signed = client.sign("PUT", &target, &headers, kind);
        let answer = client.exchange("PUT", &target, &signed, body.as_bytes()).unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    assert_eq!(s3.read("bucket", "chunked-200").as_deref(), Some(b"123456789".as_slice()));
}

#[test]
fn the_wrong_region_is_told_the_right_one() {
    let region = "eu-central-1".to_owned();
    let s3 = S3::start(Options { region, ..Options::default() });
    let answer = Client::of(&s3).get("/bucket/key");
    assert_eq!(answer.error(), (400, "AuthorizationHeaderMalformed".to_owned()));
    assert_eq!(answer.element("Region").as_deref(), Some("eu-central-1"));
}

#[test]
fn a_session_token_is_required_where_one_is_set() {
    let session_token = Some("session".to_owned());
    let s3 = S3::start(Options { session_token, ..Options::default() });
    s3.put("bucket", "key", b"content");
    let get = |token: Option<&str>| {
        let client = Client { token: token.map(str::to_owned), ..Client::of(&s3) };
        client.get("/bucket/key")
    };
    assert_eq!(get(Some("session")).status, 200);
    assert_eq!(get(Some("old")).error(), (400, "InvalidToken".to_owned()));
    assert_eq!(get(None).error(), (403, "InvalidAccessKeyId".to_owned()));
}

#[test]
fn headers_of_s3_have_to_be_signed() {
    let s3 = s3_with(b"content");
    let client = Client::of(&s3);
    let mut signed = client.sign("GET", "/bucket/key", &[], SignableBody::Bytes(b""));
    signed.push(("x-amz-expected-bucket-owner".to_owned(), "1".to_owned()));
    let answer = client.exchange("GET", "/bucket/key", &signed, b"").unwrap();
    assert_eq!(answer.error(), (403, "AccessDenied".to_owned()));
    assert_eq!(answer.element("HeadersNotSigned").as_deref(), Some("x-amz-expected-bucket-owner"));
}

#[test]
fn a_signature_over_the_path_as_sent_is_refused_where_s3_encodes_it() {
    let s3 = s3_with(b"other");
    s3.put("bucket", "a+b", b"content");
    let client = Client::of(&s3);
    let right = client.sign("GET", "/bucket/a%2Bb", &[], SignableBody::Bytes(b""));
    let wrong = client.sign("GET", "/bucket/a+b", &[], SignableBody::Bytes(b""));
    assert_eq!(client.exchange("GET", "/bucket/a+b", &right, b"").unwrap().status, 200);
    let refused = client.exchange("GET", "/bucket/a+b", &wrong, b"").unwrap();
    assert_eq!(refused.error(), (403, "SignatureDoesNotMatch".to_owned()));
}

#[test]
fn a_signature_in_the_query_is_taken_until_it_expires() {
    let s3 = s3_with(b"content");
    let client = Client::of(&s3);
    let minute = Duration::from_secs(60);
    let get = |target: &str| client.exchange("GET", target, &[], b"").unwrap();
    let target = client.presign("/bucket/key", minute);
    assert_eq!(get(&target).body, b"content");

    let other = target.replace("/bucket/key", "/bucket/none");
    assert_eq!(get(&other).error(), (403, "SignatureDoesNotMatch".to_owned()));

    let earlier = Client { time: SystemTime::now() - 2 * minute, ..Client::of(&s3) };
    let expired = earlier.presign("/bucket/key", minute);
    assert_eq!(get(&expired).error(), (403, "AccessDenied".to_owned()));

    let region = "eu-west-1".to_owned();
    let elsewhere = Client { region, ..Client::of(&s3) }.presign("/bucket/key", minute);
    assert_eq!(get(&elsewhere).element("Region").as_deref(), Some("us-east-1"));
}
