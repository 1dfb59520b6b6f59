//! Where an answer may send a request to.

use hyper::Method;

use crate::s3::answer::Answer;
use crate::s3::endpoint::Location;
use crate::s3::origin::Origin;
use crate::s3::signing::percent;

/// Where the answer to a request for `from` redirects it to; None where it does not. Only hosts of
/// this domain are gone to, as the request carries a signature and maybe an object: `Err` says what
/// is wrong with the one that is named.
pub(super) fn redirect(
    answer: &Answer,
    method: &Method,
    from: &Location,
    domain: &str,
) -> Option<Result<Location, &'static str>> {
    // RFC 9110 section 15.4: with the older two, other methods may become another one on the way.
    let keeps_method = matches!(*method, Method::GET | Method::HEAD);
    let redirects = match answer.status {
        307 | 308 => true,
        301 | 302 => keeps_method,
        _ => false,
    };
    let to = answer.location.as_deref().filter(|_| redirects)?;
    Some(target(to, from, domain))
}

fn target(to: &str, from: &Location, domain: &str) -> Result<Location, &'static str> {
    let (origin, rest) = if to.starts_with('/') && !to.starts_with("//") {
        (from.origin.clone(), to)
    } else {
        Origin::split(to).map_err(|_| "is no address of a server")?
    };
    if from.origin.tls && !origin.tls {
        return Err("is not https");
    }
    let below = origin.host.strip_suffix(domain);
    if !below.is_some_and(|below| below.is_empty() || below.ends_with('.')) {
        return Err("is not a host of the endpoint's domain");
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = if path.is_empty() { "/" } else { path };
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let text = |text: &str| {
            String::from_utf8(percent::decode(text)).map_err(|_| "has a query that is not UTF-8")
        };
        pairs.push((text(name)?, text(value)?));
    }
    Ok(Location { origin, path: path.to_owned(), query: pairs })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(url: &str) -> Location {
        let (origin, path) = Origin::split(url).unwrap();
        Location { origin, path: path.into(), query: Vec::new() }
    }

    fn follow(from: &str, to: &str, domain: &str) -> Result<String, &'static str> {
        target(to, &location(from), domain)
            .map(|to| format!("{} {}{}", to.origin.tls, to.origin, to.target()))
    }

    #[test]
    fn within_the_domain() {
        let aws = "https://bkt.s3.eu-west-1.amazonaws.com/k";
        for (from, to, domain, target) in [
            (
                aws,
                "https://bkt.s3-x.amazonaws.com/a%20b?rk=e%2Bf&x",
                "amazonaws.com",
                "true bkt.s3-x.amazonaws.com/a%20b?rk=e%2Bf&x=",
            ),
            ("http://minio/b/k", "https://minio/b/k", "minio", "true minio/b/k"),
            ("http://minio/b/k", "http://node1.minio:9001", "minio", "false node1.minio:9001/"),
            ("https://minio:9/b/k", "/c/k#f", "minio", "true minio:9/c/k"),
            ("http://127.0.0.1:1/k", "http://127.0.0.1:2/k", "127.0.0.1", "false 127.0.0.1:2/k"),
        ] {
            assert_eq!(follow(from, to, domain).as_deref(), Ok(target));
        }
    }

    #[test]
    fn refused() {
        let aws = "https://bkt.s3.eu-west-1.amazonaws.com/k";
        for (from, to, domain, word) in [
            (aws, "http://bkt.s3-x.amazonaws.com/k", "amazonaws.com", "https"),
            (aws, "https://evil.example/k", "amazonaws.com", "domain"),
            (aws, "https://evilamazonaws.com/k", "amazonaws.com", "domain"),
            (aws, "https://amazonaws.com.evil.example/k", "amazonaws.com", "domain"),
            (aws, "https://bkt.s3.cn-north-1.amazonaws.com.cn/k", "amazonaws.com", "domain"),
            (aws, "https://user@bkt.amazonaws.com/k", "amazonaws.com", "address"),
            (aws, "//evil.example/k", "amazonaws.com", "address"),
            (aws, "ftp://x.amazonaws.com", "amazonaws.com", "address"),
            (aws, "https://x.amazonaws.com/?%ff", "amazonaws.com", "UTF-8"),
            ("http://127.0.0.1/k", "http://10.127.0.0.1.example/k", "127.0.0.1", "domain"),
        ] {
            let reason = follow(from, to, domain).unwrap_err();
            assert!(reason.contains(word), "{to}: {reason}");
        }
    }

    #[test]
    fn what_redirects() {
        for (status, method, location, redirects) in [
            (307, Method::PUT, true, true),
            (308, Method::PUT, true, true),
            (301, Method::GET, true, true),
            (302, Method::HEAD, true, true),
            (301, Method::PUT, true, false),
            (303, Method::GET, true, false),
            (200, Method::GET, true, false),
            (307, Method::GET, false, false),
        ] {
            let answer =
                Answer { status, location: location.then(|| "/x".to_owned()), ..Answer::default() };
            let from = self::location("http://minio/k");
            let found = super::redirect(&answer, &method, &from, "minio");
            assert_eq!(found.is_some(), redirects, "{status} {method}");
        }
    }
}
