//! Requests whose credentials change or are missing.

use std::cell::Cell;
use std::path::Path;

use super::*;
use crate::s3::credentials::{Container, Files, Server as Giving, Source, WebLocation};

fn put(directory: &Path, id: &str, token: &str) {
    for (name, content) in
        [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", token)]
    {
        std::fs::write(directory.join(name), content).unwrap();
    }
}

fn with_directory<T, F: Future<Output = T>>(
    server: &Server,
    directory: &Path,
    act: impl FnOnce(Client) -> F,
) -> T {
    let credentials = Source::Files(Files::Directory(directory.to_owned()));
    let settings = Settings { credentials, ..settings(&server.url) };
    with_client(settings, Roots::default(), act)
}

/// The key id of each request that has come.
fn ids(server: &Server) -> Vec<String> {
    let id = |received: &Received| {
        let authorization = received.header("authorization").unwrap();
        let (_, rest) = authorization.split_once("Credential=").unwrap();
        rest.split('/').next().unwrap().to_owned()
    };
    server.received().iter().map(id).collect()
}

/// Lets `act` use a client that never tries again of itself, with these temporary credentials one
/// after the other.
fn with_temporary<T, F: Future<Output = T>>(
    server: &Server,
    ids: &[&str],
    act: impl FnOnce(Client) -> F,
) -> T {
    let lease = |id: &&str| {
        let lease = format!(
            r#"{{"AccessKeyId":"{id}","SecretAccessKey":"{SECRET}","Token":"token of {id}",
                "Expiration":"2999-01-01T00:00:00Z"}}"#
        );
        vec![Reply::Send(answer("200 OK", "", &lease))]
    };
    let giving = Server::start(ids.iter().map(lease).collect());
    let location = WebLocation::parse(&giving.url).unwrap();
    let container = Container { location, authorization: None };
    let mut settings = settings(&server.url);
    settings.credentials = Source::Server(Giving::Container(Box::new(container)));
    settings.retry.tries = 1;
    // Each look at the clock is a minute later: it is always time to ask again.
    let minutes = Cell::new(0);
    let clock = move || {
        minutes.set(minutes.get() + 1);
        UNIX_EPOCH + Duration::from_secs(1_369_353_600 + 60 * minutes.get())
    };
    let executor = Rc::new(LocalExecutor::new());
    let io = Io::new(executor.clone(), Rc::new(clock), Roots::default(), Network::default());
    smol::block_on(executor.run(act(Client::new(settings, io))))
}

#[test]
fn a_refused_request_is_signed_once_more_with_new_credentials() {
    let server =
        Server::start(vec![vec![error_answer("400 Bad Request", "ExpiredToken"), ok("1")]]);
    with_temporary(&server, &["FIRST", "SECOND"], async |client| {
        assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), "1");
    });
    assert_eq!(ids(&server), ["FIRST", "SECOND"]);
}

#[test]
fn new_credentials_that_are_refused_too_are_final() {
    let document =
        "<Error><Code>InvalidToken</Code><Message>Bad token of SECOND!</Message></Error>";
    let server = Server::start(vec![vec![
        error_answer("403 Forbidden", "InvalidToken"),
        Reply::Send(answer("403 Forbidden", "", document)),
    ]]);
    with_temporary(&server, &["FIRST", "SECOND", "THIRD"], async |client| {
        let error = client.read(&bucket(), &key("k")).await.err().unwrap();
        // What is hidden is the token that was used.
        assert!(error.to_string().contains("Bad [redacted]!"), "{error}");
    });
    assert_eq!(ids(&server), ["FIRST", "SECOND"]);
}

#[test]
fn without_credentials_nothing_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(vec![]);
    with_directory(&server, directory.path(), async |client| {
        let error = client.read(&bucket(), &key("k")).await.err().unwrap();
        assert!(matches!(error.cause(), Cause::Credentials(_)));
        for words in [
            "GET s3://models/k",
            "the request was not sent",
            "no file SAPT_AWS_ACCESS_KEY_ID",
            "trying again does not help",
            "SAPT_CREDENTIALS_DIR",
            directory.path().to_str().unwrap(),
        ] {
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    });
    assert!(server.received().is_empty());
}

#[test]
fn each_request_is_signed_with_what_there_is_then() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(vec![vec![ok("1"), ok("2")]]);
    with_directory(&server, directory.path(), async |client| {
        for id in ["FIRST", "SECOND"] {
            put(directory.path(), id, TOKEN);
            client.read_all(&bucket(), &key("k"), 9).await.unwrap();
        }
    });
    assert_eq!(ids(&server), ["FIRST", "SECOND"]);
}

#[test]
fn refused_credentials_that_nothing_has_replaced_are_final() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "FIRST", TOKEN);
    let server = Server::start(vec![vec![error_answer("403 Forbidden", "InvalidAccessKeyId")]]);
    with_directory(&server, directory.path(), async |client| {
        let error = client.read(&bucket(), &key("k")).await.err().unwrap();
        assert_eq!(error.code(), Some("InvalidAccessKeyId"));
    });
    assert_eq!(ids(&server), ["FIRST"]);
}
