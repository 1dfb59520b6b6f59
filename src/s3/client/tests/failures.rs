//! What is tried again, what is given up, and what the errors say.

use super::*;

#[test]
fn passing_errors_are_tried_again() {
    let server = Server::start(vec![
        vec![Reply::Close],
        vec![error_answer("503 Slow Down", "SlowDown"), ok("")],
    ]);
    with_server(&server, async |client| {
        let body = Upload::Bytes(Bytes::from_static(b"x"));
        client.write(&bucket(), &key("k"), body).await.unwrap();
    });
    for received in server.received() {
        assert_eq!(received.body, b"x");
        verify_signature(&received);
    }
}

#[test]
fn tries_end() {
    for (status, code, tries) in
        [("503 Slow Down", "SlowDown", 5), ("500 Internal Error", "InternalError", 3)]
    {
        let replies = (0..6).map(|_| error_answer(status, code)).collect();
        let server = Server::start(vec![replies]);
        let error = with_server(&server, async |client| {
            client.read(&bucket(), &key("k")).await.err().unwrap()
        });
        assert_eq!(error.code(), Some(code));
        assert!(error.to_string().contains(&format!("after {tries} tries")), "{error}");
        assert_eq!(server.received().len(), tries);
    }
}

#[test]
fn clients_share_the_budget_for_retries() {
    // Each client has a connection of its own.
    let three = || (0..3).map(|_| error_answer("500 Internal Error", "InternalError")).collect();
    let server = Server::start((0..51).map(|_| three()).collect());
    with_io(Roots::default(), Network::default(), NOW, async |io| {
        // 100 retries, two a request.
        for _ in 0..50 {
            let client = Client::new(settings(&server.url), io.clone());
            client.read(&bucket(), &key("k")).await.err().unwrap();
        }
        let client = Client::new(settings(&server.url), io);
        let error = client.read(&bucket(), &key("k")).await.err().unwrap();
        assert!(error.to_string().contains("may work when tried again"), "{error}");
    });
    assert_eq!(server.received().len(), 151);
}

#[test]
fn every_request_names_the_bucket_owner() {
    let server = Server::start(vec![vec![ok(""), ok("")]]);
    let mut settings = settings(&server.url);
    settings.bucket_owner = Some(BucketOwner::parse("111122223333").unwrap());
    with_client(settings, Roots::default(), async |client| {
        client.read_all(&bucket(), &key("k"), 9).await.unwrap();
        client.write(&bucket(), &key("k"), Upload::Bytes(Bytes::new())).await.unwrap();
    });
    for received in server.received() {
        assert_eq!(received.header("x-amz-expected-bucket-owner"), Some("111122223333"));
        verify_signature(&received);
    }
}

#[test]
fn errors_name_what_s3_said_and_are_final() {
    let server = Server::start(vec![vec![
        error_answer("403 Forbidden", "AccessDenied"),
        error_answer("404 Not Found", "NoSuchBucket"),
        Reply::Send(answer("301 Moved Permanently", "", "")),
        Reply::Send(answer(
            "403 Forbidden",
            "",
            &format!("<Error><Code>InvalidToken</Code><Message>Bad {TOKEN}!</Message></Error>"),
        )),
    ]]);
    with_server(&server, async |client| {
        for words in [
            &["GET s3://models/dir/k", "403 AccessDenied", "\"No\"", "R1", "s3:GetObject"][..],
            &["404 NoSuchBucket", "SAPT_AWS_S3_BUCKET"],
            &["301", "SAPT_AWS_REGION"],
            &["InvalidToken", "Bad [redacted]!", "SAPT_AWS_SESSION_TOKEN"],
        ] {
            let error = client.read(&bucket(), &key("dir/k")).await.err().unwrap();
            assert!(!error.is_transient());
            let shown = format!("{error} {error:?}");
            for word in words {
                assert!(shown.contains(word), "{word}: {shown}");
            }
            for secret in [SECRET, TOKEN] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    });
}

#[test]
fn not_even_the_beginning_of_a_long_token_is_shown() {
    let token = "long+token/".repeat(100);
    let body = format!("<Error><Message>{token}</Message></Error>");
    let server = Server::start(vec![vec![Reply::Send(answer("400 Bad Request", "", &body))]]);
    let mut settings = settings(&server.url);
    let token = Some(Secret::new(token));
    settings.credentials = Credentials { session_token: token, ..credentials() }.into();
    let error = with_client(settings, Roots::default(), async |client| {
        client.read(&bucket(), &key("k")).await.err().unwrap()
    });
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("\"[redacted]\"") && !shown.contains("long+token"), "{shown}");
}

#[test]
fn the_body_of_an_error_is_bounded() {
    let body = format!("<Error><Code>NoSuchKey</Code>{}", " ".repeat(1 << 20));
    let server = Server::start(vec![vec![Reply::Send(answer("404 Not Found", "", &body))]]);
    with_server(&server, async |client| {
        let error = client.read(&bucket(), &key("k")).await.err().unwrap();
        assert_eq!(error.code(), Some("NoSuchKey"));
    });
}

#[test]
fn what_is_not_http_is_refused_with_advice() {
    let server = Server::start(vec![vec![Reply::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())]]);
    with_server(&server, async |client| {
        let error = client.read(&bucket(), &key("k")).await.err().unwrap();
        assert!(!error.is_transient(), "{error}");
        assert!(error.to_string().contains("SAPT_AWS_ENDPOINT_URL"), "{error}");
    });
}

#[test]
fn silence_ends() {
    let short = Duration::from_millis(50);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec();
    let server = Server::start(vec![
        vec![Reply::Hold(Vec::new())],
        vec![Reply::Hold(head)],
        vec![Reply::Ignore],
    ]);
    let mut settings = settings(&server.url);
    settings.timeouts.answer = short;
    settings.timeouts.stall = short;
    settings.retry.tries = 1;
    with_client(settings, Roots::default(), async |client| {
        let error = client.read(&bucket(), &key("k")).await.err().unwrap();
        assert!(matches!(error.cause(), Cause::Timeout(Phase::Answer, _)), "{error}");
        let mut object = client.read(&bucket(), &key("k")).await.unwrap();
        assert_eq!(object.chunk().await.unwrap().unwrap(), "hello");
        let error = object.chunk().await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Timeout(Phase::Body, _)), "{error}");
        // More than the sockets' buffers take in.
        let body = Upload::Bytes(vec![0; 8 << 20].into());
        let error = client.write(&bucket(), &key("k"), body).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Timeout(Phase::Answer, _)), "{error}");
    });
}

#[test]
fn nobody_listens() {
    // A port that was free a moment ago: on loopback nobody else takes it so soon.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error =
        with_client(settings(&format!("http://{address}")), Roots::default(), async |client| {
            client.write(&bucket(), &key("k"), upload(3, b"abc", 3)).await.unwrap_err()
        });
    for word in [&address.to_string(), "refused", "after 3 tries", "firewall"] {
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

#[test]
fn a_name_without_an_address() {
    // A label has at most 63 characters: no name server is asked for this one.
    let mut settings = settings(&format!("http://{}", "x".repeat(64)));
    settings.retry.tries = 1;
    let error = with_client(settings, Roots::default(), async |client| {
        client.read(&bucket(), &key("k")).await.err().unwrap()
    });
    assert!(matches!(error.cause(), Cause::Resolve(_)), "{error}");
}

#[test]
fn credentials_that_no_header_can_carry() {
    let server = Server::start(vec![vec![]]);
    let mut settings = settings(&server.url);
    let token = Some(Secret::new("hunter2\n"));
    settings.credentials = Credentials { session_token: token, ..credentials() }.into();
    let error = with_client(settings, Roots::default(), async |client| {
        client.read(&bucket(), &key("k")).await.err().unwrap()
    });
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("the session token"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_server_that_nobody_vouches_for() {
    let (server, _) = Server::start_tls(vec![vec![]]);
    with_client(settings(&server.url), Roots::default(), async |client| {
        let error = client.read(&bucket(), &key("k")).await.err().unwrap();
        assert!(matches!(error.cause(), Cause::Tls(_)), "{error}");
        assert!(!error.is_transient(), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    });
}
