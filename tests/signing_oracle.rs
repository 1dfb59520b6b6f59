//! Signatures over generated requests, compared with those of AWS's own signing crate.
//!
//! The generator aims at what clients get wrong: characters that are encoded or not, empty and
//! repeated names, order, and segments that other services would normalise away. Its seed is fixed,
//! so that a failure comes again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials as OracleCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningInstructions, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use fastrand::Rng;
use sapt::clock::Moment;
use sapt::s3::Credentials;
use sapt::s3::signing::{
    CanonicalRequest, PathRule, PayloadHash, RequestToSign, Scope, Signer, percent,
};
use sapt::secret::Secret;

const SEED: u64 = 20_130_524;
const REQUESTS: usize = 12_000;

const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// What keys and the names and values of queries are made of.
const PIECES: &[&str] = &[
    " ", "  ", "+", "%", "%20", "%2F", "%25", "%zz", "/", "//", "/./", "/../", ".", "..", "~", "-",
    "_", "=", "&", ";", ",", ":", "@", "?", "#", "!", "$", "'", "\"", "(", ")", "*", "[", "]", "{",
    "}", "|", "\\", "^", "`", "<", ">", "a", "Z", "09", "model", "é", "e\u{301}", "日本", "🚀",
    "ሴ", "\u{a0}", "\u{feff}", "\n", "\r", "\t", "\u{1}", "\u{1f}", "\u{7f}", "\0",
];

/// Names that S3 knows, that sort close to each other, or that have to be encoded themselves.
const QUERY_NAMES: &[&str] = &[
    "uploads",
    "uploadId",
    "partNumber",
    "list-type",
    "prefix",
    "delimiter",
    "continuation-token",
    "a",
    "A",
    "a-",
    "a b",
    "a%20b",
    "ab",
    "~",
    "ሴ",
    "X-Amz-A",
    "x-amz-a",
    "",
];

const HEADER_NAMES: &[&str] = &[
    "range",
    "Range",
    "if-match",
    "If-Match",
    "content-type",
    "Content-MD5",
    "content-md5",
    "x-amz-meta-a",
    "X-Amz-Meta-A",
    "x-amz-meta-a-b",
    "x-amz-meta_a",
    "x-amz-metab",
    "x-amz-expected-bucket-owner",
    "X-AMZ-ACL",
];

/// What the values of headers are made of. A value has no tab at its ends (RFC 9110, section 5.5).
const HEADER_PIECES: &[&str] = &[
    " ",
    "  ",
    "     ",
    "a",
    "B",
    ",",
    ";",
    ":",
    "\"",
    "\"a  b\"",
    "=",
    "+",
    "%20",
    "/",
    "bytes=0-9",
    "b\tc",
    "b \t c",
    "~",
];

const HOSTS: &[&str] = &[
    "examplebucket.s3.amazonaws.com",
    "s3.eu-west-1.amazonaws.com",
    "s3.dualstack.cn-north-1.amazonaws.com.cn",
    "127.0.0.1:9000",
    "[::1]:9000",
    "bucket.localhost:8080",
];

const METHODS: &[&str] = &["GET", "HEAD", "PUT", "POST", "DELETE"];

const REGIONS: &[&str] = &["us-east-1", "eu-central-1", "cn-north-1", "garage"];

/// A request that nobody has signed yet.
struct Case {
    method: &'static str,
    host: &'static str,
    region: &'static str,
    time: SystemTime,
    expires_s: u32,
    token: Option<String>,
    /// Without the slash that a path begins with.
    key: String,
    query: Vec<(String, String)>,
    /// The query in one of the spellings that mean the same.
    spelled_query: String,
    headers: Vec<(String, String)>,
    payload: Payload,
    /// Whether `x-amz-content-sha256` goes with it.
    names_hash: bool,
}

#[derive(Debug)]
enum Payload {
    Bytes(Vec<u8>),
    Precomputed,
    Unsigned,
    StreamingTrailer,
}

/// All of it, so that a mismatch can be made again by hand.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.method, self.url())?;
        writeln!(f, "key {:?}", self.key)?;
        writeln!(f, "query {:?}", self.query)?;
        writeln!(f, "host {:?}", self.host)?;
        for (name, value) in &self.headers {
            writeln!(f, "header {name:?}: {value:?}")?;
        }
        writeln!(f, "payload {:?}, named: {}", self.payload, self.names_hash)?;
        writeln!(f, "region {}, token {:?}", self.region, self.token)?;
        writeln!(f, "time {:?}, expires after {} s", self.time, self.expires_s)
    }
}

impl Case {
    fn generate(random: &mut Rng) -> Self {
        let query: Vec<(String, String)> =
            (0..random.usize(..5)).map(|_| (query_name(random), text(random, 4))).collect();
        let token = random.bool().then(|| {
            (0..random.usize(1..300)).map(|_| char::from(*random.choice(TOKEN).unwrap())).collect()
        });
        Self {
            method: pick(random, METHODS),
            host: pick(random, HOSTS),
            region: pick(random, REGIONS),
            // Until the end of 2099.
            time: UNIX_EPOCH + Duration::from_secs(random.u64(..4_102_444_800)),
            expires_s: random.u32(1..=604_800),
            token,
            key: text(random, 12),
            spelled_query: spell(random, &query),
            query,
            headers: (0..random.usize(..6))
                .map(|_| (pick(random, HEADER_NAMES).to_owned(), header_value(random)))
                .collect(),
            payload: match random.u8(..4) {
                0 => Payload::Bytes((0..random.usize(..100)).map(|_| random.u8(..)).collect()),
                1 => Payload::Precomputed,
                2 => Payload::Unsigned,
                _ => Payload::StreamingTrailer,
            },
            names_hash: random.bool(),
        }
    }

    /// As it goes over the wire.
    fn path(&self) -> String {
        format!("/{}", escape(&self.key, true))
    }

    fn url(&self) -> String {
        let mut url = format!("https://{}{}", self.host, self.path());
        if !self.spelled_query.is_empty() {
            url.push('?');
            url.push_str(&self.spelled_query);
        }
        url
    }

    /// What AWS's crate adds to the request.
    fn oracle(&self, settings: SigningSettings) -> (SigningInstructions, String) {
        let identity =
            OracleCredentials::from_keys(ACCESS_KEY_ID, SECRET, self.token.clone()).into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("s3")
            .time(self.time)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let body = match &self.payload {
            Payload::Bytes(bytes) => SignableBody::Bytes(bytes),
            Payload::Precomputed => SignableBody::Precomputed(PRECOMPUTED.to_owned()),
            Payload::Unsigned => SignableBody::UnsignedPayload,
            Payload::StreamingTrailer => SignableBody::StreamingSignedPayloadTrailer,
        };
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new(self.method, self.url(), headers, body)
            .unwrap_or_else(|error| panic!("{error}: {self}"));
        let output = sign(request, &parameters).unwrap_or_else(|error| panic!("{error:?}: {self}"));
        output.into_parts()
    }

    fn credentials(&self) -> Credentials {
        Credentials {
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: Secret::new(SECRET),
            session_token: self.token.clone().map(Secret::new),
        }
    }

    fn scope(&self) -> Scope {
        Scope::new(Moment::from(self.time), self.region, "s3")
    }

    fn hash(&self) -> PayloadHash {
        match &self.payload {
            Payload::Bytes(bytes) => PayloadHash::of(bytes),
            Payload::Precomputed => PayloadHash::Sha256(PRECOMPUTED.to_owned()),
            Payload::Unsigned => PayloadHash::Unsigned,
            Payload::StreamingTrailer => PayloadHash::StreamingTrailer,
        }
    }

    /// The request in our form, with the headers that belong to every form.
    fn with_request<T>(&self, path_rule: PathRule, sign: impl Fn(&RequestToSign<'_>) -> T) -> T {
        let mut headers = vec![("Host", self.host)];
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let query: Vec<(&str, &str)> =
            self.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        sign(&RequestToSign {
            method: self.method,
            path: &format!("/{}", percent::encode_path(&self.key)),
            path_rule,
            query: &query,
            headers: &headers,
            payload: &self.hash(),
        })
    }

    /// Our canonical request and `authorization`.
    fn authorization(&self, path_rule: PathRule) -> (String, String) {
        let credentials = self.credentials();
        let signer = Signer::new(&credentials, self.scope());
        let (date_time, hash) = (self.scope().date_time(), self.hash());
        self.with_request(path_rule, |request| {
            let mut headers = request.headers.to_vec();
            headers.push(("x-amz-date", &date_time));
            if let Some(token) = signer.session_token() {
                headers.push(("x-amz-security-token", token.reveal()));
            }
            if self.names_hash {
                headers.push(("x-amz-content-sha256", hash.as_str()));
            }
            let canonical = CanonicalRequest::new(&RequestToSign { headers: &headers, ..*request });
            let signature = signer.signature(&canonical);
            (canonical.as_str().to_owned(), signer.authorization(&canonical, &signature))
        })
    }
}

const PRECOMPUTED: &str = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";

const TOKEN: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+=";

fn pick(random: &mut Rng, from: &[&'static str]) -> &'static str {
    random.choice(from).expect("there is a choice")
}

fn text(random: &mut Rng, most: usize) -> String {
    (0..random.usize(..=most)).map(|_| pick(random, PIECES)).collect()
}

fn query_name(random: &mut Rng) -> String {
    if random.u8(..4) == 0 { text(random, 3) } else { pick(random, QUERY_NAMES).to_owned() }
}

fn header_value(random: &mut Rng) -> String {
    (0..random.usize(..6)).map(|_| pick(random, HEADER_PIECES)).collect()
}

/// A query as clients write it: escapes in either case, spaces as `+`, characters escaped that need
/// not be, and no `=` before an empty value.
fn spell(random: &mut Rng, query: &[(String, String)]) -> String {
    let pairs = query.iter().map(|(name, value)| {
        let mut pair = spell_text(random, name);
        // Without both there would be no pair at all.
        if !value.is_empty() || name.is_empty() || random.bool() {
            pair.push('=');
            pair.push_str(&spell_text(random, value));
        }
        pair
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn spell_text(random: &mut Rng, text: &str) -> String {
    let mut spelled = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~/:@!$'()*,;?".contains(&byte);
        match (byte, random.u8(..4)) {
            (b' ', 0) => spelled.push('+'),
            (_, 0..3) if plain => spelled.push(char::from(byte)),
            (_, 1) => spelled.push_str(&format!("%{byte:02x}")),
            _ => spelled.push_str(&format!("%{byte:02X}")),
        }
    }
    spelled
}

/// The encoding of SigV4, written a second time.
fn escape(text: &str, path: bool) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        b'/' if path => "/".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// As the signing crate's documentation says for S3.
fn s3_settings(names_hash: bool) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind =
        if names_hash { PayloadChecksumKind::XAmzSha256 } else { PayloadChecksumKind::NoHeader };
    settings
}

fn cases() -> impl Iterator<Item = Case> {
    let mut random = Rng::with_seed(SEED);
    (0..REQUESTS).map(move |_| Case::generate(&mut random))
}

fn compare_headers(case: &Case, settings: SigningSettings, path_rule: PathRule) {
    let (instructions, _) = case.oracle(settings);
    let expected = instructions.headers().find(|(name, _)| *name == "authorization").unwrap().1;
    let (canonical, authorization) = case.authorization(path_rule);
    assert_eq!(authorization, expected, "\n{case}canonical request:\n{canonical}");
}

#[test]
fn the_authorization_header_is_that_of_the_oracle() {
    for case in cases() {
        compare_headers(&case, s3_settings(case.names_hash), PathRule::AsSent);
    }
}

#[test]
fn the_presigned_query_is_that_of_the_oracle() {
    for case in cases() {
        let mut settings = s3_settings(false);
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(case.expires_s.into()));
        let (instructions, signature) = case.oracle(settings);
        let given = case.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let added = instructions.params().iter().map(|(name, value)| (*name, value.as_ref()));
        let mut pairs: Vec<(String, String)> = given
            .chain(added.filter(|(name, _)| *name != "X-Amz-Signature"))
            .map(|(name, value)| (escape(name, false), escape(value, false)))
            .collect();
        pairs.sort();
        let pairs: Vec<String> =
            pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = format!("{}&X-Amz-Signature={signature}", pairs.join("&"));

        let credentials = case.credentials();
        let signer = Signer::new(&credentials, case.scope());
        let (query, canonical) = case.with_request(PathRule::AsSent, |request| {
            let canonical = signer.presigned_canonical(request, case.expires_s);
            (signer.presigned_query(request, case.expires_s), canonical)
        });
        assert_eq!(query, expected, "\n{case}canonical request:\n{}", canonical.as_str());
    }
}

/// The rules of other services, which the published suite is written for: here AWS's crate encodes
/// the path itself, so that the encoding is compared too.
#[test]
fn paths_of_other_services_are_those_of_the_oracle() {
    for case in cases().take(REQUESTS / 4) {
        let mut settings = s3_settings(case.names_hash);
        settings.percent_encoding_mode = PercentEncodingMode::Double;
        compare_headers(&case, settings.clone(), PathRule::EncodedAgain);
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Enabled;
        compare_headers(&case, settings, PathRule::NormalizedAndEncodedAgain);
    }
}

#[test]
fn the_generator_makes_what_clients_get_wrong() {
    let has = |wanted: &dyn Fn(&Case) -> bool| assert!(cases().any(|case| wanted(&case)));
    for piece in PIECES {
        has(&|case| case.key.contains(piece));
        has(&|case| case.query.iter().any(|(name, _)| name.contains(piece)));
        has(&|case| case.query.iter().any(|(_, value)| value.contains(piece)));
    }
    has(&|case| case.key.is_empty());
    has(&|case| case.key.starts_with('/'));
    has(&|case| case.key.split('/').any(|segment| segment == ".."));
    has(&|case| {
        case.query.iter().enumerate().any(|(index, (name, value))| {
            let later = case.query.iter().skip(index + 1);
            later.clone().any(|(other, lower)| other == name && lower < value)
        })
    });
    has(&|case| case.query.iter().any(|(name, value)| !name.is_empty() && value.is_empty()));
    has(&|case| {
        let names: Vec<String> =
            case.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names
            .iter()
            .enumerate()
            .any(|(index, name)| names.iter().skip(index + 1).any(|n| n == name))
    });
    has(&|case| case.headers.iter().any(|(_, value)| value.trim().contains("  ")));
    has(&|case| case.headers.iter().any(|(_, value)| value.starts_with(' ')));
    has(&|case| case.headers.iter().any(|(_, value)| value.ends_with(' ')));
}
