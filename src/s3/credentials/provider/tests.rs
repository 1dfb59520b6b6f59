//! Providers against servers that answer by script.

use std::cell::Cell;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use futures_rustls::pki_types::pem::PemObject;
use futures_rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use futures_rustls::rustls::crypto::ring;
use futures_rustls::rustls::server::WebPkiClientVerifier;
use futures_rustls::rustls::{RootCertStore, ServerConfig};
use smol::LocalExecutor;
use smol::future::zip;

use super::*;
use crate::s3::client::tests::server::{Reply, Server as Scripted};
use crate::s3::credentials::{Authorization, Container, Profile, Reason, RoleAlias, WebLocation};
use crate::s3::{Network, Origin, Roots};
use crate::secret::Secret;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/s3/transport/identity/fixtures");

fn after_start(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_600_000_000 + seconds)
}

/// A clock that is set by hand, in seconds after the start.
#[derive(Clone, Default)]
struct Hand(Rc<Cell<u64>>);

impl Hand {
    fn set(&self, seconds: u64) {
        self.0.set(seconds);
    }
}

fn with_provider<T, F: Future<Output = T>>(
    source: Source,
    roots: Roots,
    act: impl FnOnce(Rc<Provider>, Hand) -> F,
) -> T {
    let executor = Rc::new(LocalExecutor::new());
    let hand = Hand::default();
    let seconds = hand.0.clone();
    let clock: Clock = Rc::new(move || after_start(seconds.get()));
    let io = Io::new(executor.clone(), clock, roots, Network::default());
    let retry = Retry { base: Duration::ZERO, ..Retry::default() };
    let provider = Rc::new(Provider::new(source, &io, retry));
    smol::block_on(executor.run(act(provider, hand)))
}

fn reply(status: &str, body: &str) -> Vec<Reply> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    vec![Reply::Send((head + body).into_bytes())]
}

/// Credentials of this name that end this many seconds after the start.
fn metadata(name: &str, ends: u64) -> Vec<Reply> {
    let ends = Moment::from(after_start(ends));
    reply(
        "200 OK",
        &format!(
            r#"{{"Code":"Success","AccessKeyId":"{name}","SecretAccessKey":"hunter2",
                "Token":"token of {name}","Expiration":"{ends}"}}"#
        ),
    )
}

fn failure() -> Vec<Reply> {
    reply("500 Internal Server Error", r#"{"message":"not now"}"#)
}

fn container(server: &Scripted, authorization: Option<Authorization>) -> Source {
    let location = WebLocation::parse(&format!("{}/v1/credentials", server.url)).unwrap();
    let container = Container { location, authorization };
    Source::Server(Server::Container(Box::new(container)))
}

fn origin(server: &Scripted) -> Origin {
    Origin::parse(&server.url).unwrap()
}

async fn name(provider: &Provider) -> String {
    provider.current().await.unwrap().access_key_id.clone()
}

#[test]
fn a_server_is_asked_again_before_its_credentials_end() {
    let server = Scripted::start(vec![metadata("FIRST", 3_600), metadata("SECOND", 7_200)]);
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "Bearer one\n").unwrap();
    let source = container(&server, Some(Authorization::File(token.clone())));
    with_provider(source, Roots::default(), async |provider, hand| {
        let first = provider.current().await.unwrap();
        assert_eq!(first.secret_access_key.reveal(), "hunter2");
        assert_eq!(first.session_token.as_ref().unwrap().reveal(), "token of FIRST");
        hand.set(3_299);
        assert_eq!(name(&provider).await, "FIRST");
        std::fs::write(&token, "Bearer two\n").unwrap();
        hand.set(3_300);
        assert_eq!(name(&provider).await, "SECOND");
        assert_eq!(name(&provider).await, "SECOND");
    });
    let received = server.received();
    let tokens: Vec<_> = received.iter().map(|request| request.header("authorization")).collect();
    assert_eq!(tokens, [Some("Bearer one"), Some("Bearer two")]);
    for request in received {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v1/credentials"));
        assert_eq!(request.header("host"), server.url.strip_prefix("http://"));
    }
}

#[test]
fn those_that_are_there_are_used_until_they_end() {
    let mut script = vec![metadata("FIRST", 3_600)];
    script.extend([failure(), failure()]);
    // When they have ended, a failure is tried again at once, twice.
    script.extend([failure(), failure(), failure()]);
    script.push(metadata("SECOND", 7_200));
    let server = Scripted::start(script);
    with_provider(container(&server, None), Roots::default(), async |provider, hand| {
        assert_eq!(name(&provider).await, "FIRST");
        // Asked at 3400, and after a pause at 3406; not in between.
        for now in [3_400, 3_404, 3_406, 3_407] {
            hand.set(now);
            assert_eq!(name(&provider).await, "FIRST", "{now}");
        }
        hand.set(3_600);
        for now in [3_600, 3_604] {
            hand.set(now);
            let error = provider.current().await.unwrap_err();
            assert!(matches!(error.reason(), Reason::Refused { status: 500, .. }), "{error}");
            assert!(error.is_transient());
            assert!(error.to_string().contains("\"not now\""), "{error}");
        }
        hand.set(3_605);
        assert_eq!(name(&provider).await, "SECOND");
    });
    assert_eq!(server.received().len(), 7);
}

#[test]
fn one_asks_for_all() {
    let server = Scripted::start(vec![metadata("FIRST", 3_600), metadata("SECOND", 7_200)]);
    with_provider(container(&server, None), Roots::default(), async |provider, hand| {
        let (one, other) = zip(provider.current(), provider.current()).await;
        assert!(Rc::ptr_eq(&one.unwrap(), &other.unwrap()));
        // While one is asking early, the others go on with what there is.
        hand.set(3_500);
        let (one, other) = zip(name(&provider), name(&provider)).await;
        assert_eq!((one.as_str(), other.as_str()), ("SECOND", "FIRST"));
    });
    assert_eq!(server.received().len(), 2);
}

#[test]
fn refused_credentials_are_asked_for_anew_but_not_all_the_time() {
    let server = Scripted::start(vec![
        metadata("FIRST", 3_600),
        metadata("SECOND", 3_600),
        metadata("SECOND", 3_600),
    ]);
    with_provider(container(&server, None), Roots::default(), async |provider, hand| {
        let first = provider.current().await.unwrap();
        assert!(!provider.rejected(&first).await);
        hand.set(5);
        let (one, other) = zip(provider.rejected(&first), provider.rejected(&first)).await;
        assert!(one && other);
        let second = provider.current().await.unwrap();
        assert_eq!(second.access_key_id, "SECOND");
        hand.set(10);
        assert!(!provider.rejected(&second).await);
        assert!(provider.rejected(&first).await);
    });
    assert_eq!(server.received().len(), 3);
}

#[test]
fn what_has_ended_by_a_wrong_clock_is_used_all_the_same() {
    let server = Scripted::start(vec![metadata("FIRST", 60)]);
    with_provider(container(&server, None), Roots::default(), async |provider, hand| {
        hand.set(100_000);
        assert_eq!(name(&provider).await, "FIRST");
        assert_eq!(name(&provider).await, "FIRST");
    });
}

#[test]
fn an_instance_is_asked_with_a_token_of_its_own() {
    let server = Scripted::start(vec![
        reply("200 OK", "the-token"),
        reply("200 OK", "edge-role\nanother"),
        metadata("AKID", 3_600),
    ]);
    let source = Source::Server(Server::Instance(origin(&server)));
    with_provider(source, Roots::default(), async |provider, _| {
        assert_eq!(name(&provider).await, "AKID");
    });
    let [token, roles, role] = server.received().try_into().unwrap();
    assert_eq!((token.method.as_str(), token.path.as_str()), ("PUT", "/latest/api/token"));
    assert_eq!(token.header("x-aws-ec2-metadata-token-ttl-seconds"), Some("60"));
    let path = "/latest/meta-data/iam/security-credentials/";
    assert_eq!((roles.method.as_str(), roles.path.as_str()), ("GET", path));
    assert_eq!(role.path, format!("{path}edge-role"));
    for request in [roles, role] {
        assert_eq!(request.header("x-aws-ec2-metadata-token"), Some("the-token"));
    }
}

#[test]
fn refusals_are_final_and_say_what_to_do() {
    let server = Scripted::start(vec![
        reply("403 Forbidden", r#"{"message":"Access Denied"}"#),
        reply("200 OK", r#"{"AccessKeyId":"AKID","Secret":"hunter2"}"#),
        reply("200 OK", &"x".repeat(70_000)),
    ]);
    with_provider(container(&server, None), Roots::default(), async |provider, hand| {
        for (now, words) in [
            (0, "it answered 403 \"Access Denied\""),
            (10, "its answer has no SecretAccessKey"),
            (20, "its answer is too long"),
        ] {
            hand.set(now);
            let error = provider.current().await.unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(words) && !shown.contains("hunter2"), "{shown}");
            assert!(shown.contains(&server.url), "{shown}");
            assert!(!error.is_transient());
            assert!(error.advice().contains("SAPT_AWS_CONTAINER_CREDENTIALS_URI"));
        }
    });
}

#[test]
fn a_token_that_no_header_can_carry_is_not_shown() {
    let server = Scripted::start(vec![vec![]]);
    let token = Authorization::Token(Secret::new("hunter2\nX: y"));
    with_provider(container(&server, Some(token)), Roots::default(), async |provider, _| {
        let error = provider.current().await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("authorization") && !shown.contains("hunter2"), "{shown}");
    });
}

/// A server that lets in only who has this certificate; with what vouches for the server itself.
fn mutual(connections: Vec<Vec<Reply>>, client: &Path) -> (Scripted, Roots) {
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    let provider = Arc::new(ring::default_provider());
    let mut clients = RootCertStore::empty();
    clients.add(CertificateDer::from_pem_file(client).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone());
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certified.cert.der().clone()], PrivateKeyDer::from(key))
        .unwrap();
    let roots = Roots::default().with_pem(certified.cert.pem().as_bytes()).unwrap();
    (Scripted::serve(connections, Some(Arc::new(config))), roots)
}

fn role_alias(server: &Scripted, certificate: &Path, key: &Path) -> Source {
    Source::Server(Server::RoleAlias(Box::new(RoleAlias {
        endpoint: origin(server),
        name: "edge=role".to_owned(),
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        thing_name: Some("gateway-1".to_owned()),
    })))
}

const IOT: &str = r#"{"credentials":{"accessKeyId":"AKID","secretAccessKey":"hunter2",
    "sessionToken":"t","expiration":"2020-09-13T13:26:40Z"}}"#;

#[test]
fn a_device_proves_who_it_is() {
    for (certificate, key) in [
        ("rsa-certificate.pem", "rsa-pkcs8.pem"),
        ("rsa-certificate.pem", "rsa-pkcs1.pem"),
        ("ec-certificate.pem", "ec-sec1.pem"),
    ] {
        let (certificate, key) =
            (Path::new(FIXTURES).join(certificate), Path::new(FIXTURES).join(key));
        let (server, roots) = mutual(vec![reply("200 OK", IOT)], &certificate);
        let source = role_alias(&server, &certificate, &key);
        with_provider(source, roots, async |provider, hand| {
            assert_eq!(name(&provider).await, "AKID");
            // Until five minutes before their end no other connection is made.
            hand.set(3_299);
            assert_eq!(name(&provider).await, "AKID");
        });
        let [request] = server.received().try_into().unwrap();
        assert_eq!(request.path, "/role-aliases/edge=role/credentials");
        assert_eq!(request.header("x-amzn-iot-thingname"), Some("gateway-1"));
    }
}

#[test]
fn a_replaced_certificate_is_used_at_the_next_time() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("cert"), directory.path().join("key"));
    let put = |name: &str, key_name: &str| {
        std::fs::copy(Path::new(FIXTURES).join(name), &certificate).unwrap();
        std::fs::copy(Path::new(FIXTURES).join(key_name), &key).unwrap();
    };
    // The server knows the other one only.
    let known = Path::new(FIXTURES).join("rsa-certificate.pem");
    let (server, roots) = mutual(vec![vec![], vec![], vec![], reply("200 OK", IOT)], &known);
    with_provider(role_alias(&server, &certificate, &key), roots, async |provider, hand| {
        put("ec-certificate.pem", "rsa-pkcs8.pem");
        let error = provider.current().await.unwrap_err();
        assert!(matches!(error.reason(), Reason::Identity(_)), "{error}");
        hand.set(10);
        put("ec-certificate.pem", "ec-sec1.pem");
        let error = provider.current().await.unwrap_err();
        assert!(matches!(error.reason(), Reason::Request(_)), "{error}");
        assert!(error.advice().contains("iot:AssumeRoleWithCertificate"));
        hand.set(20);
        put("rsa-certificate.pem", "rsa-pkcs8.pem");
        assert_eq!(name(&provider).await, "AKID");
    });
}

#[test]
fn files_are_read_before_each_use() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credentials");
    let write = |id: &str| {
        let text = format!("[edge]\naws_access_key_id={id}\naws_secret_access_key=hunter2\n");
        std::fs::write(&file, text).unwrap();
    };
    let profile = Profile { file: file.clone(), name: "edge".to_owned() };
    let source = Source::Files(Files::Profile(profile));
    with_provider(source, Roots::default(), async |provider, _| {
        let error = provider.current().await.unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        write("FIRST");
        let first = provider.current().await.unwrap();
        assert!(!provider.rejected(&first).await);
        write("SECOND");
        assert!(provider.rejected(&first).await);
        assert_eq!(name(&provider).await, "SECOND");
    });
    let fixed = Credentials {
        access_key_id: "AKID".to_owned(),
        secret_access_key: Secret::new("hunter2"),
        session_token: None,
    };
    with_provider(fixed.clone().into(), Roots::default(), async |provider, _| {
        assert_eq!(name(&provider).await, "AKID");
        assert!(!provider.rejected(&fixed).await);
    });
}
