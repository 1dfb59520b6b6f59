//! Requests that go through a proxy.

use super::server::certified;
use super::*;
use crate::s3::{Cause, Exempt, Proxies, Proxy, ProxyFailure};

/// A name that only the proxy could resolve.
const HOST: &str = "s3.example.invalid";

fn through(proxy: &str, exempt: &str) -> Network {
    let proxy = Some(Proxy::parse(proxy).unwrap());
    let exempt = Exempt::parse(exempt);
    let proxies = Proxies { https: proxy.clone(), http: proxy, exempt };
    Network { proxies, ..Network::default() }
}

fn tunnel() -> Vec<u8> {
    b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n".to_vec()
}

#[test]
fn http_is_addressed_to_the_proxy() {
    let proxy = Server::start(vec![vec![ok("one"), ok("two")]]);
    let with_user = proxy.url.replace("http://", "http://al:pa%20ss@");
    with_io(Roots::default(), through(&with_user, ""), NOW, async |io| {
        let client = Client::new(settings(&format!("http://{HOST}:9000")), io);
        for content in ["one", "two"] {
            assert_eq!(client.read_all(&bucket(), &key("k k"), 9).await.unwrap(), content);
        }
    });
    let received = proxy.received();
    assert_eq!(received.len(), 2);
    for mut received in received {
        assert_eq!(received.path, format!("http://{HOST}:9000/models/k%20k"));
        assert_eq!(received.header("host"), Some(format!("{HOST}:9000").as_str()));
        // `echo -n 'al:pa ss' | base64`
        assert_eq!(received.header("proxy-authorization"), Some("Basic YWw6cGEgc3M="));
        received.path = "/models/k%20k".into();
        verify_signature(&received);
    }
}

#[test]
fn https_goes_through_a_tunnel() {
    let (server, authority) = certified(HOST, None);
    let script = || vec![vec![Reply::Encrypt(tunnel(), server.clone()), ok("one"), ok("two")]];
    let clear = Server::start(script());
    let (encrypted, proxy_authority) = Server::start_tls(script());
    for proxy in [clear, encrypted] {
        let roots = Roots::default().with_pem(authority.as_bytes()).unwrap();
        let roots = roots.with_pem(proxy_authority.as_bytes()).unwrap();
        with_io(roots, through(&proxy.url.replace("://", "://al:pass@"), ""), NOW, async |io| {
            let client = Client::new(settings(&format!("https://{HOST}")), io);
            for content in ["one", "two"] {
                assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), content);
            }
        });
        let received = proxy.received();
        assert_eq!(received.len(), 3);
        let asked = &received[0];
        assert_eq!((asked.method.as_str(), &*asked.path), ("CONNECT", &*format!("{HOST}:443")));
        assert_eq!(asked.header("proxy-authorization"), Some("Basic YWw6cGFzcw=="));
        for request in &received[1..] {
            assert_eq!(request.path, "/models/k");
            assert_eq!(request.header("host"), Some(HOST));
            assert_eq!(request.header("proxy-authorization"), None);
            verify_signature(request);
        }
    }
}

#[test]
fn what_is_exempt_is_reached_directly() {
    let server = Server::start(vec![vec![ok("one")]]);
    with_io(Roots::default(), through("http://[::1]:9", "127.0.0.0/8"), NOW, async |io| {
        let client = Client::new(settings(&server.url), io);
        assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), "one");
    });
    assert_eq!(server.next().path, "/models/k");
}

fn failure(proxy: &str, url: &str) -> crate::s3::Error {
    let network = through(&proxy.replace("://", "://al:hunter2@"), "");
    with_io(Roots::default(), network, NOW, async |io| {
        let mut settings = settings(url);
        settings.retry.tries = 1;
        settings.retry.throttled_tries = 1;
        let client = Client::new(settings, io);
        client.read(&bucket(), &key("k")).await.err().unwrap()
    })
}

#[test]
fn a_proxy_that_refuses_says_so() {
    for (status, transient, word) in [
        ("407 Proxy Authentication Required", false, "user and password in SAPT_PROXY"),
        ("403 Forbidden", false, "SAPT_NO_PROXY"),
        ("503 Service Unavailable", true, "SAPT_NO_PROXY"),
    ] {
        let script = || vec![vec![Reply::Send(answer(status, "", "no"))]];
        let proxy = Server::start(script());
        let error = failure(&proxy.url, &format!("https://{HOST}"));
        let Cause::Proxy { failure: ProxyFailure::Refused(found), .. } = error.cause() else {
            panic!("{error}");
        };
        assert!(status.starts_with(&found.to_string()));
        assert_eq!(error.is_transient(), transient);
        let shown = format!("{error} {error:?}");
        for word in [word, &proxy.url, &status[..3], HOST] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        assert!(!shown.contains("hunter2"), "{shown}");
        // Where there is no tunnel the answer looks like S3's.
        let proxy = Server::start(script());
        let error = self::failure(&proxy.url, &format!("http://{HOST}"));
        assert!(error.to_string().contains(&format!("through the proxy {}", proxy.url)), "{error}");
    }
}

#[test]
fn a_proxy_that_is_none() {
    for (reply, not_http) in [
        (Reply::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), true),
        (Reply::Send(b"HTTP/1.1 yes\r\n\r\n".to_vec()), true),
        (Reply::Send([&b"HTTP/1.1 200 "[..], &[b'x'; 20_000][..]].concat()), true),
        (Reply::Close, false),
    ] {
        let proxy = Server::start(vec![vec![reply]]);
        let error = failure(&proxy.url, &format!("https://{HOST}"));
        let Cause::Proxy { failure, .. } = error.cause() else { panic!("{error}") };
        assert_eq!(matches!(failure, ProxyFailure::NotHttp), not_http, "{error}");
        assert_eq!(error.is_transient(), !not_http);
        assert!(error.to_string().contains("SAPT_PROXY"), "{error}");
    }
}

#[test]
fn a_proxy_that_is_not_there() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "https"] {
        let error = failure(&format!("http://{address}"), &format!("{scheme}://{HOST}"));
        let shown = format!("{error} {error:?}");
        for word in ["the proxy http://", "was not reached", "refused", "SAPT_PROXY"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_proxy_that_nobody_vouches_for() {
    let (proxy, _) = Server::start_tls(vec![vec![]]);
    let error = failure(&proxy.url, &format!("https://{HOST}"));
    assert!(!error.is_transient());
    let text = error.to_string();
    assert!(text.contains("the proxy") && text.contains("certificate"), "{text}");
}
