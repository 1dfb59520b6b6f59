//! Small requests: asking, listing, deleting.

use super::*;
use crate::s3::{Listing, ObjectInfo};

fn page(content: &str) -> Reply {
    ok(&format!("<ListBucketResult>{content}</ListBucketResult>"))
}

fn contents(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect()
}

#[test]
fn asks_for_an_object() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nETag: \"abc\"\r\n\r\n".to_vec();
    let missing = b"HTTP/1.1 404 Not Found\r\nx-amz-request-id: R1\r\n\r\n".to_vec();
    let server = Server::start(vec![vec![Reply::Send(head), Reply::Send(missing), ok("")]]);
    with_server(&server, async |client| {
        let info = client.head(&bucket(), &key("k")).await.unwrap();
        let etag = Some("\"abc\"".to_owned());
        assert_eq!(info, ObjectInfo { key: "k".into(), length: Some(7), etag });
        let error = client.head(&bucket(), &key("k")).await.unwrap_err();
        assert_eq!((error.status(), error.code()), (Some(404), None));
        assert!(error.to_string().contains("HEAD s3://models/k"), "{error}");
        client.read_all(&bucket(), &key("k"), 9).await.unwrap();
    });
    let received = server.received();
    assert_eq!((received.len(), received[0].method.as_str()), (3, "HEAD"));
    received.iter().for_each(|received| drop(verify_signature(received)));
}

#[test]
fn asks_for_a_bucket_and_takes_its_region() {
    let head = |status: &str| {
        Reply::Send(answer(status, "x-amz-bucket-region: us-west-2\r\nContent-Type: x\r\n", ""))
    };
    let server = Server::start(vec![vec![head("400 Bad Request"), head("200 OK")]]);
    with_server(&server, async |client| {
        let region = client.head_bucket(&bucket()).await.unwrap();
        assert_eq!(region.unwrap().as_str(), "us-west-2");
    });
    let received = server.received();
    assert_eq!((received[1].method.as_str(), received[1].path.as_str()), ("HEAD", "/models/"));
    verify_signature_for(&received[1], NOW, "us-west-2");
}

#[test]
fn deletes() {
    let gone = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
    let server = Server::start(vec![vec![Reply::Send(gone), ok("")]]);
    with_server(&server, async |client| {
        client.delete(&bucket(), &key("k")).await.unwrap();
        client.delete(&bucket(), &key("k")).await.unwrap();
    });
    let received = server.received();
    assert_eq!((received.len(), received[0].method.as_str()), (2, "DELETE"));
    verify_signature(&received[0]);
}

#[test]
fn lists_page_by_page() {
    let first =
        "<IsTruncated>true</IsTruncated><NextContinuationToken>a/b+c=</NextContinuationToken>";
    let second = "<CommonPrefixes><Prefix>d/e/</Prefix></CommonPrefixes>";
    let server = Server::start(vec![vec![
        page(&(contents(&["d/1", "d/2"]) + first)),
        page(&(contents(&["d/3"]) + second)),
    ]]);
    with_server(&server, async |client| {
        let listing = Listing { prefix: "d/".into(), delimiter: Some('/'), page: Some(2) };
        let bucket = bucket();
        let mut pages = client.list(&bucket, listing);
        let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().await.unwrap() {
            keys.extend(page.objects.into_iter().map(|object| object.key));
            prefixes.extend(page.prefixes);
        }
        assert_eq!(
            (keys, prefixes),
            (vec!["d/1".into(), "d/2".into(), "d/3".into()], vec!["d/e/".to_owned()])
        );
        assert_eq!(pages.next().await.unwrap(), None);
    });
    let received = server.received();
    assert_eq!(
        received.iter().map(|received| received.path.as_str()).collect::<Vec<_>>(),
        [
            "/models/?delimiter=%2F&encoding-type=url&list-type=2&max-keys=2&prefix=d%2F",
            "/models/?continuation-token=a%2Fb%2Bc%3D&delimiter=%2F&encoding-type=url&list-type=2&\
             max-keys=2&prefix=d%2F",
        ]
    );
}

#[test]
fn a_listing_that_is_not_whole_is_an_error() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<ListBucketResult>".to_vec();
    for (reply, word) in [
        (page("<IsTruncated>true</IsTruncated>"), "goes on"),
        (ok("<ListBucketResult><Contents>"), "cut off"),
        (Reply::Send(cut), "cut off"),
        (ok("<html/>"), "not a listing"),
    ] {
        let server = Server::start(vec![vec![reply]]);
        let error = with_server(&server, async |client| {
            client.list(&bucket(), Listing::default()).next().await.unwrap_err()
        });
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

#[test]
fn an_object_that_is_not_there_brings_up_those_that_are() {
    let missing = || error_answer("404 Not Found", "NoSuchKey");
    let server = Server::start(vec![vec![
        missing(),
        page(&contents(&["m/", "m/other", "m/keras-1.1"])),
        missing(),
        page(""),
        missing(),
        error_answer("403 Forbidden", "AccessDenied"),
    ]]);
    with_server(&server, async |client| {
        for end in
            ["directory, where there are keras-1.1, other", ", where no objects are", "directory"]
        {
            let error = client.read(&bucket(), &key("m/keras-1.0")).await.err().unwrap();
            assert_eq!(error.code(), Some("NoSuchKey"));
            assert!(error.to_string().ends_with(end), "{end}: {error}");
        }
    });
    let received = server.received();
    let listed = "/models/?delimiter=%2F&encoding-type=url&list-type=2&prefix=m%2F";
    assert_eq!(received[1].path, listed);
}
