//! How S3 is reached: endpoint, proxy, and whom to trust about the time.

use super::environment::{Reader, flag};
use crate::s3::{
    Addressing, Aws, BucketOwner, Endpoint, Exempt, InvalidOrigin, Network, Proxies, Proxy,
};

impl Reader<'_> {
    /// The server, and where the bucket's name goes.
    pub(super) fn endpoint(&mut self) -> Endpoint {
        let server = self.parsed("SAPT_AWS_ENDPOINT_URL", |text| {
            Endpoint::parse(text).map_err(|error| match error {
                InvalidOrigin::UserInfo => {
                    format!("{error}: give the access key by its own variables")
                }
                InvalidOrigin::Path => format!("{error}: the bucket has a variable of its own"),
                _ => error.to_string(),
            })
        });
        let addressing = self.parsed("SAPT_AWS_ADDRESSING_STYLE", |text| {
            Addressing::parse(text).ok_or_else(|| "must be auto, path or virtual".to_owned())
        });
        let addressing = addressing.unwrap_or_default();
        let aws = Aws {
            addressing,
            dual_stack: self.parsed("SAPT_AWS_DUALSTACK", flag).unwrap_or_default(),
            fips: self.parsed("SAPT_AWS_FIPS", flag).unwrap_or_default(),
        };
        let Some(Endpoint::Server(origin, _)) = server else {
            return Endpoint::Aws(aws);
        };
        for (variable, is_set) in
            [("SAPT_AWS_DUALSTACK", aws.dual_stack), ("SAPT_AWS_FIPS", aws.fips)]
        {
            if is_set {
                let reason = "chooses among AWS's own endpoints, and SAPT_AWS_ENDPOINT_URL names \
                              another one: leave one of them out";
                self.problem(variable, reason);
            }
        }
        if addressing == Addressing::Virtual && origin.address().is_some() {
            let reason = "cannot be virtual where SAPT_AWS_ENDPOINT_URL has an address: give a host \
                          name, or leave it out";
            self.problem("SAPT_AWS_ADDRESSING_STYLE", reason);
        }
        Endpoint::Server(origin, addressing)
    }

    /// The account that the bucket has to belong to.
    pub(super) fn bucket_owner(&mut self) -> Option<BucketOwner> {
        self.parsed("SAPT_AWS_EXPECTED_BUCKET_OWNER", |text| {
            BucketOwner::parse(text).map_err(|error| error.to_string())
        })
    }

    /// Proxies and time.
    pub(super) fn network(&mut self) -> Network {
        Network {
            proxies: self.proxies(),
            trust_learned_time: self.parsed("SAPT_TLS_LEARNED_TIME", flag).unwrap_or_default(),
        }
    }

    /// The proxies; where there are none of our own, those that the environment has for everybody.
    fn proxies(&mut self) -> Proxies {
        let own = self.proxy(&["SAPT_PROXY"]);
        let exempt = ["SAPT_NO_PROXY", "no_proxy", "NO_PROXY"];
        let exempt = exempt.iter().find_map(|variable| self.text(variable));
        let exempt = exempt.map(|text| Exempt::parse(&text)).unwrap_or_default();
        if own.is_some() {
            return Proxies { https: own.clone(), http: own, exempt };
        }
        if exempt.has_all() {
            return Proxies::default();
        }
        let https = self.proxy(&["https_proxy", "HTTPS_PROXY"]);
        let http = self.proxy(&["http_proxy", "HTTP_PROXY"]);
        Proxies { https, http, exempt }
    }

    fn proxy(&mut self, variables: &[&'static str]) -> Option<Proxy> {
        variables.iter().find_map(|variable| {
            self.parsed(variable, |text| Proxy::parse(text).map_err(|error| error.to_string()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::environment::tests::{problems, read};
    use super::*;

    #[test]
    fn endpoints() {
        let endpoint = |variables| read(variables).unwrap().storage.endpoint;
        assert_eq!(endpoint(&[]), Endpoint::default());
        let aws = Aws { addressing: Addressing::Path, dual_stack: true, fips: true };
        assert_eq!(
            endpoint(&[
                ("SAPT_AWS_ADDRESSING_STYLE", "path"),
                ("SAPT_AWS_DUALSTACK", "1"),
                ("SAPT_AWS_FIPS", "true"),
            ]),
            Endpoint::Aws(aws)
        );
        let url = ("SAPT_AWS_ENDPOINT_URL", "http://minio");
        let server =
            endpoint(&[url, ("SAPT_AWS_ADDRESSING_STYLE", "virtual"), ("SAPT_AWS_DUALSTACK", "0")]);
        assert!(matches!(server, Endpoint::Server(_, Addressing::Virtual)), "{server:?}");
        assert_eq!(
            problems(&[url, ("SAPT_AWS_DUALSTACK", "1"), ("SAPT_AWS_FIPS", "1")]),
            ["SAPT_AWS_DUALSTACK", "SAPT_AWS_FIPS"]
        );
        assert_eq!(
            problems(&[
                ("SAPT_AWS_ENDPOINT_URL", "http://127.0.0.1:9000"),
                ("SAPT_AWS_ADDRESSING_STYLE", "virtual"),
            ]),
            ["SAPT_AWS_ADDRESSING_STYLE"]
        );
    }

    #[test]
    fn each_is_checked() {
        for (variable, value) in [
            ("SAPT_AWS_ADDRESSING_STYLE", "host"),
            ("SAPT_AWS_DUALSTACK", "yes"),
            ("SAPT_AWS_FIPS", "2"),
            ("SAPT_AWS_EXPECTED_BUCKET_OWNER", "1234"),
            ("SAPT_TLS_LEARNED_TIME", "on"),
            ("SAPT_PROXY", "socks5://al:hunter2@proxy"),
            ("HTTPS_PROXY", "socks5://al:hunter2@proxy"),
            ("http_proxy", "http://al:hunter2@"),
        ] {
            let found = read(&[(variable, value)]).unwrap_err();
            assert_eq!(found.0.len(), 1);
            assert_eq!(found.0[0].variable, variable);
            assert!(!found.to_string().contains("hunter2"), "{found}");
        }
    }

    #[test]
    fn proxies() {
        let shown = |variables: &[(&str, &str)]| {
            let proxies = read(variables).unwrap().network.proxies;
            let show =
                |proxy: Option<Proxy>| proxy.map(|proxy| proxy.to_string()).unwrap_or_default();
            (show(proxies.https), show(proxies.http))
        };
        let both = |both: &str| (both.to_owned(), both.to_owned());
        assert_eq!(shown(&[]), both(""));
        assert_eq!(
            shown(&[("SAPT_PROXY", "own:1"), ("HTTPS_PROXY", "theirs:2"), ("NO_PROXY", "*")]),
            both("http://own:1")
        );
        assert_eq!(
            shown(&[("HTTPS_PROXY", "a:1"), ("https_proxy", "b:2"), ("HTTP_PROXY", "c:3")]),
            ("http://b:2".to_owned(), "http://c:3".to_owned())
        );
        assert_eq!(shown(&[("HTTPS_PROXY", "socks5://a:1"), ("SAPT_NO_PROXY", "*")]), both(""));
    }

    #[test]
    fn our_own_list_counts_before_that_of_everybody() {
        let variables =
            [("SAPT_PROXY", "own:1"), ("SAPT_NO_PROXY", "minio"), ("no_proxy", "garage")];
        let exempt = read(&variables).unwrap().network.proxies.exempt;
        assert_eq!(exempt, Exempt::parse("minio"));
    }
}
