//! Writing objects: what arrives at the server.

use super::*;

#[test]
fn writes_bytes_with_their_hash() {
    let server = Server::start(vec![vec![ok(""), ok("")]]);
    let large: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
    with_server(&server, async |client| {
        for content in [large.clone(), Vec::new()] {
            let body = Upload::Bytes(content.into());
            client.write(&bucket(), &key("k"), body).await.unwrap();
        }
    });
    for (received, content) in server.received().iter().zip([large, Vec::new()]) {
        assert_eq!(received.method, "PUT");
        assert_eq!(received.header("content-length"), Some(content.len().to_string().as_str()));
        assert!(received.body == content);
        verify_signature(received);
    }
}

#[test]
fn writes_a_stream_in_signed_chunks() {
    let server = Server::start(vec![vec![ok(""), ok("")]]);
    let content: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    with_server(&server, async |client| {
        let body = upload(200_000, &content, 7_001);
        client.write(&bucket(), &key("k"), body).await.unwrap();
        client.write(&bucket(), &key("k"), upload(0, b"", 1)).await.unwrap();
    });
    let received = server.received();
    assert_eq!(received[0].header("x-amz-decoded-content-length"), Some("200000"));
    assert_eq!(received[0].header("content-encoding"), Some("aws-chunked"));
    assert!(verify_chunks(&received[0]) == content);
    verify_signature(&received[1]);
    assert_eq!(received[1].header("content-length"), Some("0"));
}

#[test]
fn a_stream_that_fails_is_an_error_of_its_own() {
    for (length, content) in [(6, "abc"), (2, "abc"), (100_000, "abc")] {
        let server = Server::start(vec![vec![ok("")]]);
        with_server(&server, async |client| {
            let body = upload(length, content.as_bytes(), 3);
            let error = client.write(&bucket(), &key("k"), body).await.unwrap_err();
            assert!(
                matches!(error.cause(), Cause::SourceLength { announced, given: 3 }
                    if *announced == length),
                "{error}"
            );
            assert!(!error.is_transient());
        });
    }
}

#[test]
fn a_stream_is_sent_again_from_its_beginning() {
    let slow = error_answer("503 Slow Down", "SlowDown");
    let server = Server::start(vec![vec![slow, Reply::Close], vec![ok("")]]);
    with_server(&server, async |client| {
        client.write(&bucket(), &key("k"), upload(3, b"abc", 2)).await.unwrap();
    });
    let received = server.received();
    assert_eq!(received.len(), 3);
    for request in received {
        assert_eq!(verify_chunks(&request), b"abc");
    }
}

#[test]
fn over_tls_a_stream_is_not_signed() {
    let (server, authority) = Server::start_tls(vec![vec![ok(""), ok("hello")]]);
    let roots = Roots::default().with_pem(authority.as_bytes()).unwrap();
    with_client(settings(&server.url), roots, async |client| {
        client.write(&bucket(), &key("k"), upload(6, b"abcdef", 3)).await.unwrap();
        assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), "hello");
    });
    let received = server.received();
    assert_eq!(received[0].header("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
    assert_eq!(received[0].body, b"abcdef");
    verify_signature(&received[0]);
    verify_signature(&received[1]);
}
