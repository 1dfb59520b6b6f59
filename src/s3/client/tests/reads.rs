//! Reading objects, and the connections that are used for it.

use super::*;

#[test]
fn reads_an_object_as_it_arrives() {
    let server = Server::start(vec![vec![ok("hello world")]]);
    let content = with_server(&server, async |client| {
        let mut object = client.read(&bucket(), &key("a b//../ü+%20")).await.unwrap();
        assert_eq!(object.length, Some(11));
        assert_eq!(object.etag.as_deref(), Some("\"abc\""));
        let mut content = Vec::new();
        while let Some(part) = object.chunk().await.unwrap() {
            content.extend_from_slice(&part);
        }
        assert_eq!(object.chunk().await.unwrap(), None);
        content
    });
    assert_eq!(content, b"hello world");
    let received = server.next();
    assert_eq!(received.method, "GET");
    assert_eq!(received.path, "/models/a%20b//../%C3%BC%2B%2520");
    assert_eq!(received.header("host"), server.url.strip_prefix("http://"));
    verify_signature(&received);
}

#[test]
fn reads_a_body_in_http_chunks() {
    let body =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let cut = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nd";
    let server = Server::start(vec![vec![Reply::Send(body.into())], vec![Reply::Send(cut.into())]]);
    with_server(&server, async |client| {
        let whole = client.read_all(&bucket(), &key("k"), 5).await.unwrap();
        assert_eq!(whole, "abcde");
        // The server has closed the connection after its only answer.
        let error = client.read_all(&bucket(), &key("k"), 5).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Truncated { expected: None, .. }), "{error}");
    });
}

#[test]
fn a_truncated_body_is_an_error_that_says_so() {
    let server = Server::start(vec![vec![Reply::Send(
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec(),
    )]]);
    with_server(&server, async |client| {
        let mut object = client.read(&bucket(), &key("k")).await.unwrap();
        let mut received = 0;
        let error = loop {
            match object.chunk().await {
                Ok(part) => received += part.unwrap().len(),
                Err(error) => break error,
            }
        };
        assert_eq!(received, 5);
        assert!(error.is_transient());
        let text = error.to_string();
        assert!(text.contains("cut off after 5 of 10 bytes"), "{text}");
        // It stays one.
        assert!(object.chunk().await.is_err());
    });
}

#[test]
fn a_body_of_unknown_length_is_refused() {
    let server = Server::start(vec![vec![Reply::Send(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello".to_vec(),
    )]]);
    with_server(&server, async |client| {
        let error = client.read(&bucket(), &key("k")).await.err().unwrap();
        assert!(matches!(error.cause(), Cause::Unframed), "{error}");
    });
}

#[test]
fn reads_no_more_than_the_limit() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n";
    let server =
        Server::start(vec![vec![ok("abcde")], vec![Reply::Send(chunked.into())], vec![ok("abcd")]]);
    with_server(&server, async |client| {
        for length in [Some(5), None] {
            let error = client.read_all(&bucket(), &key("k"), 4).await.unwrap_err();
            assert!(
                matches!(error.cause(), Cause::TooLarge { limit: 4, length: l } if *l == length),
                "{error}"
            );
        }
        assert_eq!(client.read_all(&bucket(), &key("k"), 4).await.unwrap(), "abcd");
    });
}

#[test]
fn a_connection_is_used_again() {
    let server = Server::start(vec![vec![
        ok("one"),
        error_answer("404 Not Found", "NoSuchKey"),
        // The client asks for what is there instead.
        error_answer("403 Forbidden", "AccessDenied"),
        ok(""),
        ok("two"),
    ]]);
    with_server(&server, async |client| {
        assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), "one");
        client.read_all(&bucket(), &key("k"), 9).await.unwrap_err();
        let body = Upload::Bytes(Bytes::from_static(b"x"));
        client.write(&bucket(), &key("k"), body).await.unwrap();
        assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), "two");
    });
    assert_eq!(server.received().len(), 5);
}

#[test]
fn a_stale_connection_is_replaced_at_once() {
    let server = Server::start(vec![
        vec![ok("one"), Reply::Close],
        vec![ok("two"), Reply::Close],
        vec![ok("")],
    ]);
    let mut settings = settings(&server.url);
    settings.retry.tries = 1;
    with_client(settings, Roots::default(), async |client| {
        for content in ["one", "two"] {
            assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), content);
        }
        let body = Upload::Bytes(Bytes::from_static(b"replayed"));
        client.write(&bucket(), &key("k"), body).await.unwrap();
    });
    let connections: Vec<usize> = server.received().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 0, 1, 1, 2]);
}
