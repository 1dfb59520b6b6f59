//! The published vectors: AWS's signing test suite, and the worked examples of the S3 API
//! reference.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::*;
use crate::clock::Moment;
use crate::secret::Secret;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// A request of the suite, as it stands in `request.txt`.
struct Request {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let mut lines = head.lines();
        // The path may hold spaces: the method ends at the first one, the version begins after the
        // last.
        let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
        let (target, _version) = rest.rsplit_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with(' ') {
                // A folded line goes on with the value above it.
                headers.last_mut().unwrap().1.push_str(line);
            } else {
                let (name, value) = line.split_once(':').unwrap();
                headers.push((name.into(), value.into()));
            }
        }
        Self {
            method: method.into(),
            path: path.into(),
            query: query
                .split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decode(name), decode(value)))
                .collect(),
            headers,
            body: body.into(),
        }
    }
}

fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let digits = std::str::from_utf8(&rest[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &rest[2..];
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn suite_case(directory: &Path) {
    let name = directory.file_name().unwrap().to_str().unwrap();
    let file = |file: &str| {
        fs::read_to_string(directory.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let context: Value = serde_json::from_str(&file("context.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    // Cases that leave the session token out of the signature add it afterwards.
    let token_is_signed = context["omit_session_token"] != true;
    let credentials = Credentials {
        access_key_id: text(&context["credentials"]["access_key_id"]),
        secret_access_key: Secret::new(text(&context["credentials"]["secret_access_key"])),
        session_token: context["credentials"]["token"]
            .as_str()
            .filter(|_| token_is_signed)
            .map(Secret::new),
    };
    assert_eq!(context["timestamp"], "2015-08-30T12:36:00Z");
    let moment = Moment::from(UNIX_EPOCH + Duration::from_secs(1_440_938_160));
    let scope = Scope::new(moment, text(&context["region"]), text(&context["service"]));
    let signer = Signer::new(&credentials, scope);
    let request = Request::parse(&file("request.txt"));
    let payload = PayloadHash::of(request.body.as_bytes());
    // The suite writes paths before any encoding, so that encoding "again" is encoding once; only
    // `get-space-normalized` has an escape, and its canonical request says that it means a space.
    let path = decode(&request.path);
    let query = borrowed(&request.query);
    let headers = borrowed(&request.headers);
    let to_sign = RequestToSign {
        method: &request.method,
        path: &path,
        path_rule: if context["normalize"] == true {
            PathRule::NormalizedAndEncodedAgain
        } else {
            PathRule::EncodedAgain
        },
        query: &query,
        headers: &headers,
        payload: &payload,
    };

    let date_time = signer.scope().date_time();
    let mut in_header = headers.clone();
    in_header.push(("X-Amz-Date", &date_time));
    if context["sign_body"] == true {
        in_header.push(("x-amz-content-sha256", payload.as_str()));
    }
    if let Some(token) = &credentials.session_token {
        in_header.push(("X-Amz-Security-Token", token.reveal()));
    }
    let canonical = CanonicalRequest::new(&RequestToSign { headers: &in_header, ..to_sign });
    assert_eq!(canonical.as_str(), file("header-canonical-request.txt"), "{name}");
    assert_eq!(
        string_to_sign(signer.scope(), &canonical),
        file("header-string-to-sign.txt"),
        "{name}"
    );
    let signature = signer.signature(&canonical);
    assert_eq!(signature, file("header-signature.txt"), "{name}");
    let authorization = signer.authorization(&canonical, &signature);
    assert!(
        file("header-signed-request.txt")
            .lines()
            .any(|line| line == format!("Authorization:{authorization}")),
        "{name}: {authorization}"
    );

    let canonical = signer.presigned_canonical(&to_sign, 3600);
    assert_eq!(canonical.as_str(), file("query-canonical-request.txt"), "{name}");
    assert_eq!(
        string_to_sign(signer.scope(), &canonical),
        file("query-string-to-sign.txt"),
        "{name}"
    );
    let signature = file("query-signature.txt");
    assert_eq!(signer.signature(&canonical), signature, "{name}");
    let query = signer.presigned_query(&to_sign, 3600);
    assert!(query.ends_with(&format!("&X-Amz-Signature={signature}")), "{name}: {query}");
}

#[test]
fn the_signing_test_suite() {
    let mut cases = 0;
    for entry in fs::read_dir(vectors().join("sigv4")).unwrap() {
        let directory = entry.unwrap().path();
        if directory.join("context.json").exists() {
            suite_case(&directory);
            cases += 1;
        }
    }
    assert_eq!(cases, 38);
}

/// The two cases of the suite that have no context: only their paths are of interest.
#[test]
fn escapes_in_a_path_are_escaped_again() {
    for case in ["double-encode-path", "double-url-encode"] {
        let directory = vectors().join("sigv4").join(case);
        let request = Request::parse(&fs::read_to_string(directory.join("request.txt")).unwrap());
        let canonical = CanonicalRequest::new(&RequestToSign {
            method: &request.method,
            path: &request.path,
            path_rule: PathRule::EncodedAgain,
            query: &[],
            headers: &borrowed(&request.headers),
            payload: &PayloadHash::of(b""),
        });
        let expected = fs::read_to_string(directory.join("header-canonical-request.txt")).unwrap();
        assert_eq!(canonical.as_str().lines().nth(1), expected.lines().nth(1), "{case}");
    }
}

#[test]
fn the_examples_of_the_s3_reference() {
    let examples: Value =
        serde_json::from_str(&fs::read_to_string(vectors().join("s3-examples.json")).unwrap())
            .unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let credentials = Credentials {
        access_key_id: text(&examples["access_key"]),
        secret_access_key: Secret::new(text(&examples["secret_key"])),
        session_token: None,
    };
    let moment = Moment::from(UNIX_EPOCH + Duration::from_secs(1_369_353_600));
    let signer = Signer::new(&credentials, Scope::new(moment, "us-east-1", "s3"));
    assert_eq!(signer.scope().date_time(), examples["timestamp"]);
    assert_eq!(signer.scope().to_string(), examples["scope"]);

    let requests = examples["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 7);
    for request in requests {
        let name = &request["name"];
        let headers: Vec<(&str, &str)> = request["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let query: Vec<(String, String)> = request["canonical_query"]
            .as_str()
            .unwrap()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        let payload = match (request["payload_hash"].as_str().unwrap(), &request["body"]) {
            ("UNSIGNED-PAYLOAD", _) => PayloadHash::Unsigned,
            ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", _) => PayloadHash::Streaming,
            ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", _) => PayloadHash::StreamingTrailer,
            (hash, body) => {
                let payload = PayloadHash::of(body.as_str().unwrap_or("").as_bytes());
                assert_eq!(payload.as_str(), hash, "{name}");
                payload
            }
        };
        assert_eq!(request["payload_hash"], payload.as_str());
        let signature = signer.signature(&CanonicalRequest::new(&RequestToSign {
            method: request["method"].as_str().unwrap(),
            path: request["canonical_uri"].as_str().unwrap(),
            path_rule: PathRule::AsSent,
            query: &borrowed(&query),
            headers: &headers,
            payload: &payload,
        }));
        assert_eq!(request["signature"], signature.as_str(), "{name}");

        let mut chunks = signer.chunks(signature);
        for chunk in request["chunks"].as_array().into_iter().flatten() {
            let length = usize::try_from(chunk["len"].as_u64().unwrap()).unwrap();
            let data = chunk["byte"].as_str().unwrap().repeat(length);
            assert_eq!(chunk["signature"], chunks.chunk(data.as_bytes()), "{name}");
        }
        if let Some(lines) = request["trailer"].as_str() {
            assert_eq!(request["trailer_signature"], chunks.trailer(lines), "{name}");
        }
    }
}

/// The example of the presigned URL, built from what a user gives.
#[test]
fn a_presigned_url() {
    let credentials = Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        session_token: None,
    };
    let moment = Moment::from(UNIX_EPOCH + Duration::from_secs(1_369_353_600));
    let signer = Signer::new(&credentials, Scope::new(moment, "us-east-1", "s3"));
    let query = signer.presigned_query(
        &RequestToSign {
            method: "GET",
            path: "/test.txt",
            path_rule: PathRule::AsSent,
            query: &[],
            headers: &[("host", "examplebucket.s3.amazonaws.com")],
            payload: &PayloadHash::Unsigned,
        },
        86_400,
    );
    assert_eq!(
        query,
        "X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
}
