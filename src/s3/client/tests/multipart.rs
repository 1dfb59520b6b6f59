//! Objects in parts: what is begun is completed or aborted.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::s3::checksum::etag_of_parts;

const LENGTH: usize = (16 << 20) + 1;

fn content() -> Vec<u8> {
    (0..LENGTH as u32).map(|n| (n / 1000 + n) as u8).collect()
}

fn md5(number: usize) -> String {
    format!("\"{}\"", number.to_string().repeat(32))
}

/// The ETag of the three parts together.
fn whole() -> String {
    etag_of_parts(&[md5(1), md5(2), md5(3)]).unwrap()
}

/// What part a request stores.
fn part(request: &Received) -> Option<usize> {
    let (_, number) = request.path.split_once("partNumber=")?;
    number.split('&').next()?.parse().ok()
}

fn status(status: &str, headers: &str, body: &str) -> Reply {
    Reply::Send(answer(status, headers, body))
}

/// What a server does with each request.
fn serve(request: &Received) -> Reply {
    match (request.method.as_str(), part(request)) {
        ("POST", _) if request.path.ends_with("?uploads=") => {
            let id = "<InitiateMultipartUploadResult><UploadId>a+b</UploadId>";
            status("200 OK", "", id)
        }
        ("POST", _) => status("200 OK", "", "<CompleteMultipartUploadResult xmlns=\"x\"/>"),
        ("PUT", Some(number)) => status("200 OK", &format!("ETag: {}\r\n", md5(number)), ""),
        ("DELETE", _) => Reply::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        other => panic!("{other:?}"),
    }
}

/// Writes an object of three parts; `except` answers in place of the server where it has something
/// to say, and is told how often that has been so. Gives the outcome and what was received.
fn write(
    except: impl Fn(&Received, usize) -> Option<Reply> + Send + Sync + 'static,
) -> (Result<(), Error>, Vec<Received>) {
    let times = AtomicUsize::new(0);
    let server =
        Server::answering(move |request| match except(request, times.load(Ordering::SeqCst)) {
            Some(reply) => {
                times.fetch_add(1, Ordering::SeqCst);
                reply
            }
            None => serve(request),
        });
    with_server(&server, async |client| {
        let body = upload(LENGTH as u64, &content(), 70_000);
        let outcome = client.write(&bucket(), &key("k"), body).await;
        let mut received = server.received_so_far();
        // What was left to be done beside it.
        while outcome.is_err() && received.last().is_none_or(|last| last.method != "DELETE") {
            Timer::after(Duration::from_millis(1)).await;
            received.extend(server.received_so_far());
        }
        (outcome, received)
    })
}

fn is_completion(request: &Received) -> bool {
    request.method == "POST" && request.path.contains("uploadId=")
}

fn count(received: &[Received], method: &str) -> usize {
    received.iter().filter(|request| request.method == method).count()
}

#[test]
fn parts_are_sent_side_by_side_and_put_together_in_order() {
    let slow = |request: &Received, times| {
        let fails = part(request) == Some(2) && times == 0;
        fails.then(|| error_answer("503 Slow Down", "SlowDown"))
    };
    let (outcome, received) = write(slow);
    outcome.unwrap();
    assert_eq!(received[0].path, "/models/k?uploads=");
    assert_eq!(count(&received, "PUT"), 4);
    let mut parts = vec![Vec::new(); 3];
    for request in &received {
        verify_signature(request);
        if let Some(number) = part(request) {
            assert!(request.path.contains("uploadId=a%2Bb"), "{}", request.path);
            parts[number - 1] = verify_chunks(request);
        }
    }
    assert!(parts.concat() == content());
    assert!(parts[0].len() == 8 << 20 && parts[1].len() == 8 << 20);
    let complete = received.last().unwrap();
    assert_eq!(complete.path, "/models/k?uploadId=a%2Bb");
    let document = String::from_utf8(complete.body.clone()).unwrap();
    let listed: String = (1..=3)
        .map(|n| format!("<Part><PartNumber>{n}</PartNumber><ETag>{}</ETag></Part>", md5(n)))
        .collect();
    assert!(document.contains(&listed), "{document}");
}

#[test]
fn an_error_behind_200_is_one() {
    let error = |code| {
        let body = format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code></Error>");
        status("200 OK", "", &body)
    };
    let (outcome, received) = write(move |request, times| {
        (is_completion(request) && times == 0).then(|| error("InternalError"))
    });
    outcome.unwrap();
    assert_eq!(count(&received, "POST"), 3);
    let (outcome, received) = write(move |request, _| match request.method.as_str() {
        "HEAD" => Some(status("404 Not Found", "", "")),
        _ => is_completion(request).then(|| error("InvalidPart")),
    });
    let error = outcome.unwrap_err();
    assert_eq!((error.code(), error.status()), (Some("InvalidPart"), Some(200)));
    assert_eq!((count(&received, "POST"), count(&received, "DELETE")), (2, 1));
}

#[test]
fn a_completion_whose_answer_was_lost_is_found_out() {
    let lost = |etag: String| {
        move |request: &Received, times| match request.method.as_str() {
            "HEAD" => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: {etag}\r\n\r\n");
                Some(Reply::Send(head.into()))
            }
            "POST" if is_completion(request) && times == 0 => Some(Reply::Close),
            "POST" if is_completion(request) => Some(error_answer("404 Not Found", "NoSuchUpload")),
            _ => None,
        }
    };
    let (outcome, received) = write(lost(whole()));
    outcome.unwrap();
    assert_eq!(count(&received, "DELETE"), 0);
    // What is there was there before.
    let (outcome, _) = write(lost(md5(1)));
    assert_eq!(outcome.unwrap_err().code(), Some("NoSuchUpload"));
}

#[test]
fn what_fails_is_aborted() {
    let (outcome, received) = write(|request, _| {
        (part(request) == Some(3)).then(|| error_answer("403 Forbidden", "AccessDenied"))
    });
    assert_eq!(outcome.unwrap_err().code(), Some("AccessDenied"));
    let last = received.last().unwrap();
    assert_eq!((last.method.as_str(), last.path.as_str()), ("DELETE", "/models/k?uploadId=a%2Bb"));
    verify_signature(last);
    assert_eq!(count(&received, "POST"), 1);
}

#[test]
fn what_is_given_up_is_aborted() {
    let server = Server::answering(|request| match part(request) {
        Some(_) => Reply::Hold(Vec::new()),
        None => serve(request),
    });
    with_server(&server, async |client| {
        let body = upload(LENGTH as u64, &content(), 70_000);
        let (bucket, key) = (bucket(), key("k"));
        let writing = client.write(&bucket, &key, body);
        let given_up = async {
            // Until a part has come.
            while server.received_so_far().iter().all(|request| part(request).is_none()) {
                Timer::after(Duration::from_millis(1)).await;
            }
            Ok(())
        };
        smol::future::or(writing, given_up).await.unwrap();
        loop {
            if server.received_so_far().iter().any(|request| request.method == "DELETE") {
                return;
            }
            Timer::after(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn what_is_no_s3_server_is_told() {
    let (server, body) = (Server::answering(|_| ok("hello")), upload(LENGTH as u64, b"", 1));
    let error = with_server(&server, async |client| {
        client.write(&bucket(), &key("k"), body).await.unwrap_err()
    });
    assert!(error.to_string().contains("it has no UploadId"), "{error}");
}
