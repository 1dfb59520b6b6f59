//! Answers that send a request another way.

use super::*;

/// An answer with this header and S3's code.
fn turning(status: &str, headers: &str, elements: &str) -> Reply {
    Reply::Send(answer(status, headers, &format!("<Error>{elements}</Error>")))
}

fn malformed(region: &str) -> Reply {
    let elements = format!("<Code>AuthorizationHeaderMalformed</Code><Region>{region}</Region>");
    turning("400 Bad Request", "", &elements)
}

fn regions(received: &[Received]) -> Vec<&str> {
    received.iter().map(|r| r.header("authorization").unwrap().split('/').nth(2).unwrap()).collect()
}

#[test]
fn the_region_of_an_answer_is_taken_and_remembered() {
    for reply in [
        malformed("us-west-2"),
        turning("301 Moved Permanently", "x-amz-bucket-region: us-west-2\r\n", ""),
        turning("301 Moved Permanently", "", "<Region>us-west-2</Region>"),
        turning(
            "301 Moved Permanently",
            "",
            "<Code>PermanentRedirect</Code><Endpoint>b.s3-us-west-2.amazonaws.com</Endpoint>",
        ),
        Reply::Send(answer("400 Bad Request", "x-amz-bucket-region: us-west-2\r\n", "")),
    ] {
        let server = Server::start(vec![vec![reply, ok("one"), ok("two"), ok("")]]);
        let mut settings = settings(&server.url);
        // None of this is another try.
        settings.retry.tries = 1;
        with_client(settings, Roots::default(), async |client| {
            for content in ["one", "two"] {
                assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), content);
            }
            let other = Bucket::parse("other").unwrap();
            client.read_all(&other, &key("k"), 9).await.unwrap();
        });
        let received = server.received();
        assert_eq!(regions(&received), ["eu-west-1", "us-west-2", "us-west-2", "eu-west-1"]);
        verify_signature_for(&received[1], NOW, "us-west-2");
    }
}

#[test]
fn regions_that_contradict_each_other_end() {
    let replies = ["a-1", "b-2", "c-3", "d-4"].map(malformed).into();
    let server = Server::start(vec![replies]);
    let error =
        with_server(&server, async |client| client.read(&bucket(), &key("k")).await.err().unwrap());
    assert!(error.to_string().contains("SAPT_AWS_REGION=c-3"), "{error}");
    assert_eq!(regions(&server.received()), ["eu-west-1", "a-1", "b-2"]);
}

#[test]
fn a_body_is_sent_again_to_the_right_region() {
    let server = Server::start(vec![vec![malformed("us-west-2"), ok("")]]);
    with_server(&server, async |client| {
        client.write(&bucket(), &key("k"), upload(3, b"abc", 3)).await.unwrap();
    });
    assert_eq!(regions(&server.received()), ["eu-west-1", "us-west-2"]);
}

#[test]
fn a_temporary_redirect_is_followed_and_not_remembered() {
    let target = Server::start(vec![vec![ok("")]]);
    let location = format!("Location: {}/other/k%20k?rk=e%2Bf\r\n", target.url);
    let server =
        Server::start(vec![vec![turning("307 Temporary Redirect", &location, ""), ok("")]]);
    with_server(&server, async |client| {
        for _ in 0..2 {
            let body = Upload::Bytes(Bytes::from_static(b"x"));
            client.write(&bucket(), &key("k"), body).await.unwrap();
        }
    });
    assert_eq!(server.received().len(), 2);
    let mut received = target.next();
    assert_eq!((received.method.as_str(), received.body.as_slice()), ("PUT", &b"x"[..]));
    assert_eq!(received.path, "/other/k%20k?rk=e%2Bf");
    assert_eq!(received.header("host"), target.url.strip_prefix("http://"));
    received.path = "/other/k%20k?rk=e+f".into();
    verify_signature(&received);
}

#[test]
fn redirects_end_and_do_not_leave_the_domain() {
    let to = |location: &str| {
        turning("307 Temporary Redirect", &format!("Location: {location}\r\n"), "")
    };
    let server = Server::start(vec![vec![
        to("/1"),
        to("/2"),
        to("/3"),
        to("/4"),
        to("https://evil.example/x?X-Amz-Signature=hunter2"),
    ]]);
    with_server(&server, async |client| {
        for words in [["\"/4\"", "too many"], ["https://evil.example/x", "domain"]] {
            let error = client.read(&bucket(), &key("k")).await.err().unwrap();
            assert_eq!(error.status(), Some(307));
            assert!(!error.is_transient());
            for word in words {
                assert!(error.to_string().contains(word), "{word}: {error}");
            }
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    });
    let paths: Vec<String> = server.received().into_iter().map(|r| r.path).collect();
    assert_eq!(paths, ["/models/k", "/1", "/2", "/3", "/models/k"]);
}

#[test]
fn the_servers_time_is_taken_and_shared() {
    // Years ahead of the gateway.
    let date = "Date: Sun, 06 Nov 2033 08:49:37 GMT\r\n";
    let server_time = 2_014_879_777;
    let skewed = || turning("403 Forbidden", date, "<Code>RequestTimeTooSkewed</Code>");
    let server = Server::start(vec![
        vec![skewed(), ok("one"), ok("")],
        vec![ok("two"), turning("403 Forbidden", date, "<Code>AccessDenied</Code>")],
    ]);
    with_io(Roots::default(), Network::default(), NOW, async |io| {
        let mut settings = settings(&server.url);
        settings.retry.tries = 1;
        let client = Client::new(settings.clone(), io.clone());
        assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), "one");
        drop(client);
        let client = Client::new(settings, io);
        assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), "two");
        let error = client.read(&bucket(), &key("k")).await.err().unwrap();
        assert_eq!(error.code(), Some("AccessDenied"));
    });
    let received = server.received();
    verify_signature(&received[0]);
    for later in &received[1..] {
        verify_signature_for(later, server_time, "eu-west-1");
    }
    assert_eq!(received.len(), 4);
}

#[test]
fn a_server_whose_time_jumps_is_not_followed_forever() {
    let at = |year: &str| {
        let date = format!("Date: Sun, 06 Nov {year} 08:49:37 GMT\r\n");
        turning("403 Forbidden", &date, "<Code>RequestTimeTooSkewed</Code>")
    };
    let server = Server::start(vec![vec![at("2033"), at("2034"), at("2035")]]);
    let error =
        with_server(&server, async |client| client.read(&bucket(), &key("k")).await.err().unwrap());
    assert!(error.to_string().contains("clock"), "{error}");
    assert_eq!(server.received().len(), 2);
}

#[test]
fn an_answer_of_the_right_time_changes_nothing() {
    let date = "Date: Fri, 24 May 2013 00:03:59 GMT\r\n";
    let server =
        Server::start(vec![vec![turning("403 Forbidden", date, "<Code>AccessDenied</Code>")]]);
    with_server(&server, async |client| {
        client.read(&bucket(), &key("k")).await.err().unwrap();
    });
    assert_eq!(server.received().len(), 1);
}
