//! Reading on where a body breaks off, over several connections, and what is verified.

use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use super::server::read_request;
use super::*;
use crate::s3::download::Spread;

const ETAG: &str = "ETag: \"abc\"\r\n";

/// The beginning of a body of 10 bytes, after which the connection ends.
fn cut(headers: &str, body: &str) -> Reply {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n{headers}\r\n{body}");
    Reply::Send(head.into())
}

fn rest(range: &str, body: &str) -> Reply {
    let headers = format!("{ETAG}Content-Range: bytes {range}\r\n");
    Reply::Send(answer("206 Partial Content", &headers, body))
}

/// Reads an object whole, as far as it comes.
async fn content(client: &Client) -> (String, Option<Error>) {
    let mut object = client.read(&bucket(), &key("k")).await.unwrap();
    let mut content = Vec::new();
    let error = loop {
        match object.chunk().await {
            Ok(Some(part)) => content.extend_from_slice(&part),
            Ok(None) => break None,
            Err(error) => {
                // It stays one.
                assert!(object.chunk().await.is_err());
                break Some(error);
            }
        }
    };
    (String::from_utf8(content).unwrap(), error)
}

fn read(connections: Vec<Vec<Reply>>) -> (String, Option<Error>, Vec<Received>) {
    let server = Server::start(connections);
    let (content, error) = with_server(&server, async |client| content(&client).await);
    (content, error, server.received())
}

#[test]
fn what_is_cut_off_is_read_on() {
    let again = "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\
                 ETag: \"abc\"\r\nContent-Range: bytes 5-9/10\r\n\r\n56";
    let (content, error, received) = read(vec![
        vec![cut(ETAG, "01234")],
        vec![Reply::Send(again.into())],
        vec![rest("7-9/10", "789")],
    ]);
    assert_eq!(content, "0123456789");
    assert!(error.is_none(), "{error:?}");
    for (request, range) in received.iter().zip([None, Some("bytes=5-"), Some("bytes=7-")]) {
        assert_eq!(request.header("range"), range);
        assert_eq!(request.header("if-match"), range.map(|_| "\"abc\""));
        verify_signature(request);
    }
    assert_eq!(received[0].header("x-amz-checksum-mode"), Some("ENABLED"));
}

#[test]
fn answers_that_are_the_rest_too() {
    let partial = format!("{ETAG}Content-Range: bytes 5-9/10\r\n");
    for (reply, more) in [
        // As rclone answers.
        (Reply::Send(answer("200 OK", &partial, "56789")), vec![]),
        // As a server that knows no ranges does.
        (Reply::Send(answer("200 OK", ETAG, "0123456789")), vec![]),
        // A part of what was asked for.
        (rest("5-6/10", "56"), vec![rest("7-9/*", "789")]),
        (error_answer("503 Slow Down", "SlowDown"), vec![rest("5-9/10", "56789")]),
    ] {
        let replies = [vec![reply], more].into_iter().flatten().collect();
        let (content, error, _) = read(vec![vec![cut(ETAG, "01234")], replies]);
        assert_eq!(content, "0123456789");
        assert!(error.is_none(), "{error:?}");
    }
}

#[test]
fn another_object_is_never_mixed_in() {
    let other = "ETag: \"other\"\r\n";
    let other_part = format!("{other}Content-Range: bytes 5-9/10\r\n");
    let shorter = format!("{ETAG}Content-Range: bytes */4\r\n");
    for reply in [
        Reply::Send(answer("200 OK", other, "ABCDEFGHIJ")),
        Reply::Send(answer("206 Partial Content", &other_part, "FGHIJ")),
        error_answer("412 Precondition Failed", "PreconditionFailed"),
        Reply::Send(answer("416 Range Not Satisfiable", &shorter, "")),
    ] {
        let (content, error, _) = read(vec![vec![cut(ETAG, "01234")], vec![reply]]);
        let error = error.unwrap();
        assert_eq!(content, "01234");
        assert!(error.is_changed() && error.is_transient(), "{error}");
        assert!(error.to_string().contains("was replaced while it was read"), "{error}");
    }
}

#[test]
fn what_is_not_the_rest_is_refused() {
    let (content, error, _) = read(vec![vec![cut(ETAG, "01234")], vec![rest("4-8/10", "45678")]]);
    let error = error.unwrap();
    assert_eq!(content, "01234");
    assert!(!error.is_changed() && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("\"bytes 4-8/10\""), "{error}");
    let gone = error_answer("404 Not Found", "NoSuchKey");
    let (_, error, _) = read(vec![vec![cut(ETAG, "01234")], vec![gone]]);
    assert_eq!(error.unwrap().code(), Some("NoSuchKey"));
}

#[test]
fn without_a_strong_etag_nothing_is_read_on() {
    for headers in ["", "ETag: W/\"abc\"\r\n"] {
        let (content, error, received) = read(vec![vec![cut(headers, "01234")]]);
        assert_eq!((content.as_str(), received.len()), ("01234", 1));
        assert!(matches!(error.unwrap().cause(), Cause::Truncated { received: 5, .. }));
    }
}

#[test]
fn a_body_in_http_chunks_is_read_on_to_its_end() {
    let cut = |chunks| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"abc\"\r\n\r\n";
        Reply::Send(format!("{head}{chunks}").into())
    };
    let (content, error, _) = read(vec![vec![cut("3\r\nabc\r\n2\r\nd")], vec![rest("4-4/5", "e")]]);
    assert_eq!((content.as_str(), error.is_none()), ("abcde", true));
    // Only the end of the last chunk is missing.
    let end = answer("416 Range Not Satisfiable", "Content-Range: bytes */3\r\n", "<Error/>");
    let (content, error, _) = read(vec![vec![cut("3\r\nabc\r\n")], vec![Reply::Send(end)]]);
    assert_eq!((content.as_str(), error.is_none()), ("abc", true));
}

#[test]
fn reading_on_is_given_up_where_it_gets_nowhere() {
    let again = || {
        let head = "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\
                    ETag: \"abc\"\r\nContent-Range: bytes 5-9/10\r\n\r\n";
        vec![Reply::Send(head.into())]
    };
    let mut connections = vec![vec![cut(ETAG, "01234")]];
    connections.extend((0..6).map(|_| again()));
    let (content, error, received) = read(connections);
    assert_eq!((content.as_str(), received.len()), ("01234", 7));
    let error = error.unwrap();
    assert!(error.is_transient());
    assert!(error.to_string().contains("cut off after 5 of 10 bytes"), "{error}");
    assert!(error.to_string().contains("given up after 7 tries"), "{error}");
}

#[test]
fn a_body_that_stalls_is_read_on() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"abc\"\r\n\r\n01234";
    let server = Server::start(vec![vec![Reply::Hold(head.into())], vec![rest("5-9/10", "56789")]]);
    let mut settings = settings(&server.url);
    settings.timeouts.stall = Duration::from_millis(50);
    let (content, error) =
        with_client(settings, Roots::default(), async |client| content(&client).await);
    assert_eq!((content.as_str(), error.is_none()), ("0123456789", true));
}

#[test]
fn a_call_that_is_given_up_loses_nothing() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"abc\"\r\n\r\n01234";
    let server = Server::start(vec![vec![Reply::Hold(head.into())], vec![rest("5-9/10", "56789")]]);
    let mut settings = settings(&server.url);
    settings.timeouts.stall = Duration::from_millis(50);
    with_client(settings, Roots::default(), async |client| {
        let mut object = client.read(&bucket(), &key("k")).await.unwrap();
        assert_eq!(object.chunk().await.unwrap().unwrap(), "01234");
        for _ in 0..3 {
            let given_up = async { smol::future::yield_now().await };
            smol::future::or(async { drop(object.chunk().await) }, given_up).await;
        }
        assert_eq!(object.chunk().await.unwrap().unwrap(), "56789");
        assert_eq!(object.chunk().await.unwrap(), None);
    });
}

#[test]
fn what_came_is_compared_with_the_checksum() {
    // Of "0123456789"; computed with Python's zlib and hashlib.
    let right = "x-amz-checksum-crc32: poTHxg==\r\n";
    let wrong = "x-amz-checksum-crc32: poTHxA==\r\n";
    let md5 = "ETag: \"781e5e245d69b566979b86e28d23f2c7\"\r\n";
    let whole = |headers: &str| Reply::Send(answer("200 OK", headers, "0123456789"));
    for headers in [right, md5] {
        let (content, error, _) = read(vec![vec![whole(headers)]]);
        assert_eq!((content.as_str(), error.is_none()), ("0123456789", true));
    }
    let corrupted = Reply::Send(answer("200 OK", md5, "0123456780"));
    for reply in [whole(wrong), corrupted] {
        let error = read(vec![vec![reply]]).1.unwrap();
        assert!(error.is_corrupted() && error.is_transient(), "{error}");
        assert!(error.to_string().contains("corrupted"), "{error}");
    }
    // Over all that was read on.
    let resumed = |end: &str| {
        let headers = format!("{ETAG}{right}");
        let (_, error, _) = read(vec![vec![cut(&headers, "01234")], vec![rest("5-9/10", end)]]);
        error.is_none_or(|error| !error.is_corrupted())
    };
    assert!(resumed("56789"));
    assert!(!resumed("56780"));
}

#[test]
fn what_is_read_into_memory_is_read_again_once_it_was_replaced() {
    let server = Server::start(vec![
        vec![cut(ETAG, "01234")],
        vec![
            error_answer("412 Precondition Failed", "PreconditionFailed"),
            Reply::Send(answer("200 OK", "ETag: \"other\"\r\n", "ABCDEFGHIJ")),
        ],
    ]);
    with_server(&server, async |client| {
        assert_eq!(client.read_all(&bucket(), &key("k"), 10).await.unwrap(), "ABCDEFGHIJ");
    });
}

#[test]
fn what_is_known_is_not_read_again() {
    let server = Server::start(vec![vec![
        Reply::Send(b"HTTP/1.1 304 Not Modified\r\nETag: \"abc\"\r\n\r\n".to_vec()),
        ok("new"),
    ]]);
    with_server(&server, async |client| {
        let known = client.read_unless(&bucket(), &key("k"), "\"abc\"").await.unwrap();
        assert!(known.is_none());
        let object = client.read_unless(&bucket(), &key("k"), "\"old\"").await.unwrap();
        assert_eq!(object.unwrap().chunk().await.unwrap().unwrap(), "new");
    });
    let received = server.received();
    assert_eq!(received[0].header("if-none-match"), Some("\"abc\""));
    received.iter().for_each(|request| drop(verify_signature(request)));
    // A server that looks at no condition.
    let server = Server::start(vec![vec![ok("same")]]);
    with_server(&server, async |client| {
        assert!(client.read_unless(&bucket(), &key("k"), "\"abc\"").await.unwrap().is_none());
    });
}

/// Serves ranges of an object over any number of connections, each of which ends after `answers`
/// answers; the last is cut in its middle. Gives the URL and what was asked for, as it is asked.
fn serve(content: Vec<u8>, answers: usize, ranges: bool) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    let content = Arc::new(content);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (content, sender) = (content.clone(), sender.clone());
            thread::spawn(move || {
                for answered in 1.. {
                    let Some(request) = read_request(&mut stream, 0, true) else { return };
                    let asked = request.header("range").unwrap_or("whole").to_owned();
                    let range = request.header("range").filter(|_| ranges).map(|range| {
                        assert_eq!(request.header("if-match"), Some("\"abc\""));
                        let (first, last) = range[6..].split_once('-').unwrap();
                        let last = last.parse().unwrap_or(content.len() - 1);
                        first.parse().unwrap()..last + 1
                    });
                    let _ = sender.send(asked);
                    let (status, range) = match range {
                        Some(range) => (206, range),
                        None => (200, 0..content.len()),
                    };
                    let head = format!(
                        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nETag: \"abc\"\r\n",
                        range.len()
                    );
                    let more = if status == 206 {
                        let last = range.end - 1;
                        format!("Content-Range: bytes {}-{last}/{}\r\n", range.start, content.len())
                    } else {
                        String::new()
                    };
                    let cut = answered == answers;
                    let end = if cut { range.start + range.len() / 2 } else { range.end };
                    let _ = write!(stream, "{head}{more}\r\n");
                    let _ = stream.write_all(&content[range.start..end]);
                    if cut {
                        return;
                    }
                }
            });
        }
    });
    (url, received)
}

/// Reads all of a large object, beginning with several connections.
fn read_with_several(answers: usize, ranges: bool) -> Vec<String> {
    let content: Vec<u8> = (0..20_000_001_u32).map(|n| (n / 1000 + n) as u8).collect();
    let (url, asked) = serve(content.clone(), answers, ranges);
    with_client(settings(&url), Roots::default(), async |client| {
        client.preference().learn(Spread::Several, Instant::now());
        let read = client.read_all(&bucket(), &key("k"), u64::MAX).await.unwrap();
        assert!(read == content);
    });
    asked.try_iter().collect()
}

#[test]
fn several_connections_read_ranges_in_order() {
    let asked = read_with_several(usize::MAX, true);
    assert_eq!(asked[0], "whole");
    // Each once, over what the first connection gave.
    let mut starts: Vec<u32> = asked[1..]
        .iter()
        .map(|range| range[6..].split_once('-').unwrap().0.parse().unwrap())
        .collect();
    starts.sort_unstable();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == 768 * 1024), "{starts:?}");
    assert!(starts.len() >= 25, "{starts:?}");
}

#[test]
fn each_range_is_read_on_alone() {
    let asked = read_with_several(2, true);
    assert!(asked.len() > 25, "{asked:?}");
}

#[test]
fn a_server_without_ranges_is_read_with_one_connection() {
    let asked = read_with_several(usize::MAX, false);
    // Ranges that were asked for at once arrive in any order.
    let to_the_end = asked.iter().filter(|range| range.ends_with('-')).count();
    assert_eq!(to_the_end, 1, "{asked:?}");
}
