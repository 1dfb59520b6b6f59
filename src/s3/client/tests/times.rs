//! Certificates, and gateways whose clock is wrong.

use super::server::certified;
use super::*;
use crate::s3::{Cause, CertificateTime, Proxies, Proxy};

/// 2033-11-06, in seconds since 1970.
const LATER: u64 = 2_014_879_777;
const DATE: &str = "Date: Sun, 06 Nov 2033 08:49:37 GMT\r\n";

fn trusting() -> Network {
    Network { trust_learned_time: true, ..Network::default() }
}

/// An answer that tells the server's time.
fn dated(status: &str, body: &str) -> Reply {
    Reply::Send(answer(status, DATE, body))
}

#[test]
fn the_error_tells_the_time_and_both_remedies() {
    for (years, expired, words) in [
        ((2030, 2040), false, ["begins 2030-01-01T00:00:00", "set the gateway's clock"]),
        ((2000, 2010), true, ["ended 2010-01-01T00:00:00", "renew"]),
    ] {
        let (config, authority) = certified("127.0.0.1", Some(years));
        let server = Server::start_tls_with(vec![vec![]], config);
        let roots = Roots::default().with_pem(authority.as_bytes()).unwrap();
        let error = with_client(settings(&server.url), roots, async |client| {
            client.read(&bucket(), &key("k")).await.err().unwrap()
        });
        let Cause::CertificateTime(CertificateTime { expired: found, .. }) = error.cause() else {
            panic!("{error}");
        };
        assert_eq!(*found, expired);
        assert!(!error.is_transient());
        for word in ["2013-05-24T00:00:00.000Z", "SAPT_TLS_LEARNED_TIME=1", words[0], words[1]] {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    }
}

#[test]
fn the_time_is_asked_for_where_that_is_allowed() {
    let (config, authority) = certified("127.0.0.1", Some((2030, 2040)));
    let server = Server::start_tls_with(
        // The first handshake fails, the second connection is asked for the time.
        vec![vec![], vec![dated("403 Forbidden", "")], vec![ok("one"), ok("two")]],
        config,
    );
    let roots = Roots::default().with_pem(authority.as_bytes()).unwrap();
    with_io(roots, trusting(), NOW, async |io| {
        let client = Client::new(settings(&server.url), io);
        for content in ["one", "two"] {
            assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), content);
        }
    });
    let received = server.received();
    assert_eq!(received.len(), 3);
    let asked = &received[0];
    assert_eq!((asked.connection, asked.method.as_str(), &*asked.path), (1, "HEAD", "/"));
    let names: Vec<&str> = asked.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["host"], "nothing of ours is sent");
    for request in &received[1..] {
        assert_eq!(request.connection, 2);
        verify_signature_for(request, LATER, "eu-west-1");
    }
}

#[test]
fn a_certificate_that_has_ended_stays_so() {
    let (config, authority) = certified("127.0.0.1", Some((2000, 2010)));
    // The server's time is the gateway's: nothing is learned.
    let date = "Date: Fri, 24 May 2013 00:00:00 GMT\r\n";
    let reply = Reply::Send(answer("200 OK", date, ""));
    let server = Server::start_tls_with(vec![vec![], vec![reply]], config);
    let roots = Roots::default().with_pem(authority.as_bytes()).unwrap();
    let error = with_io(roots, trusting(), NOW, async |io| {
        let client = Client::new(settings(&server.url), io);
        client.read(&bucket(), &key("k")).await.err().unwrap()
    });
    assert!(matches!(error.cause(), Cause::CertificateTime(_)), "{error}");
    assert_eq!(server.received().len(), 1);
}

#[test]
fn nobody_is_believed_without_a_signature_that_is_trusted() {
    let (config, _) = certified("127.0.0.1", Some((2030, 2040)));
    let server = Server::start_tls_with(vec![vec![], vec![]], config);
    let error = with_io(Roots::default(), trusting(), NOW, async |io| {
        let client = Client::new(settings(&server.url), io);
        client.read(&bucket(), &key("k")).await.err().unwrap()
    });
    assert!(matches!(error.cause(), Cause::Tls(_)), "{error}");
    assert_eq!(server.received().len(), 0);
}

#[test]
fn without_leave_a_learned_time_is_for_signatures_only() {
    let (config, authority) = certified("127.0.0.1", Some((2000, 2020)));
    let server = Server::start_tls_with(
        vec![vec![dated("403 Forbidden", ""), Reply::Close], vec![ok("one")]],
        config,
    );
    let roots = Roots::default().with_pem(authority.as_bytes()).unwrap();
    with_client(settings(&server.url), roots, async |client| {
        assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), "one");
    });
    let received = server.received();
    verify_signature_for(received.last().unwrap(), LATER, "eu-west-1");
    assert_eq!(received.last().unwrap().connection, 1);
}

#[test]
fn a_proxys_certificate_is_judged_likewise() {
    let (config, authority) = certified("127.0.0.1", Some((2030, 2040)));
    let (inner, inner_authority) = certified("s3.example.invalid", Some((2031, 2041)));
    let made = || Reply::Encrypt(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), inner.clone());
    let server = Server::start_tls_with(
        vec![
            vec![],
            // At 2030 the server's certificate is not valid yet, at 2031 both are.
            vec![made()],
            vec![made(), dated("403 Forbidden", "")],
            vec![made(), ok("one")],
        ],
        config,
    );
    let roots = Roots::default().with_pem(authority.as_bytes()).unwrap();
    let roots = roots.with_pem(inner_authority.as_bytes()).unwrap();
    let proxy = Some(Proxy::parse(&server.url).unwrap());
    let proxies = Proxies { https: proxy, ..Proxies::default() };
    let network = Network { proxies, trust_learned_time: true };
    with_io(roots, network, NOW, async |io| {
        let client = Client::new(settings("https://s3.example.invalid"), io);
        assert_eq!(client.read_all(&bucket(), &key("k"), 9).await.unwrap(), "one");
    });
    verify_signature_for(server.received().last().unwrap(), LATER, "eu-west-1");
}
