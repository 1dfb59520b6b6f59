//! What is connected to without a proxy.

use std::net::IpAddr;

use super::Origin;

/// A list as `NO_PROXY` has it.
///
/// Entries are separated by commas or spaces: `*` for everything, host names, which stand for what
/// is below them too, whether or not they begin with a dot, addresses, and networks such as
/// `10.0.0.0/8`. Each may end in `:port`, and then counts for that port only. As with curl, loopback
/// is no exception of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exempt(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// This name and those below it.
    Name(String),
    /// The addresses that have these first bits.
    Network(IpAddr, u32),
}

impl Exempt {
    /// Reads a list. What is no entry stands for a host that does not exist.
    pub fn parse(text: &str) -> Self {
        let entries = text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        Self(entries.map(Entry::parse).collect())
    }

    /// Whether it has everything.
    pub fn has_all(&self) -> bool {
        self.0.contains(&Entry { hosts: Hosts::All, port: None })
    }

    pub(super) fn has(&self, origin: &Origin) -> bool {
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|port| port == origin.port) && entry.hosts.have(origin)
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Self {
        // An IPv6 address has colons itself, and brackets where a port follows.
        if let Some(hosts) = Hosts::network(text) {
            return Self { hosts, port: None };
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()),
            None => (text, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let hosts = Hosts::network(host).unwrap_or_else(|| match host {
            "*" => Hosts::All,
            name => {
                let name = name.strip_prefix('*').unwrap_or(name);
                Hosts::Name(name.trim_matches('.').to_ascii_lowercase())
            }
        });
        Self { hosts, port }
    }
}

impl Hosts {
    fn network(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self::Network(address, bits))
    }

    fn have(&self, origin: &Origin) -> bool {
        match self {
            Self::All => true,
            Self::Name(name) => {
                let host = origin.host.trim_end_matches('.');
                host.strip_suffix(name.as_str())
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'))
                    && !name.is_empty()
            }
            Self::Network(network, bits) => match (network, origin.address()) {
                (IpAddr::V4(network), Some(IpAddr::V4(address))) => {
                    let differing = network.to_bits() ^ address.to_bits();
                    differing.leading_zeros() >= *bits
                }
                (IpAddr::V6(network), Some(IpAddr::V6(address))) => {
                    let differing = network.to_bits() ^ address.to_bits();
                    differing.leading_zeros() >= *bits
                }
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(list: &str, url: &str) -> bool {
        Exempt::parse(list).has(&Origin::split(url).unwrap().0)
    }

    #[test]
    fn what_is_on_the_list() {
        for (list, url) in [
            ("*", "http://anything"),
            ("minio", "http://minio:9000"),
            ("MINIO", "http://minio"),
            ("example.com", "http://example.com"),
            ("example.com", "http://s3.example.com"),
            (".example.com", "http://s3.example.com"),
            (".example.com", "http://example.com"),
            ("*.example.com", "http://s3.example.com"),
            ("example.com.", "http://s3.example.com"),
            ("a, b,minio", "http://minio"),
            ("a b minio", "http://minio"),
            ("minio:9000", "http://minio:9000"),
            ("minio:443", "https://minio"),
            ("10.1.2.3", "http://10.1.2.3"),
            ("10.0.0.0/8", "http://10.1.2.3"),
            ("10.0.0.0/8:9000", "http://10.1.2.3:9000"),
            ("0.0.0.0/0", "http://10.1.2.3"),
            ("::1", "http://[::1]:9000"),
            ("[::1]:9000", "http://[::1]:9000"),
            ("fd00::/8", "http://[fd12::1]"),
        ] {
            assert!(has(list, url), "{list} {url}");
        }
    }

    #[test]
    fn what_is_not() {
        for (list, url) in [
            ("", "http://minio"),
            (".", "http://minio"),
            ("minio", "http://notminio"),
            ("minio", "http://minio.example.com"),
            ("example.com", "http://notexample.com"),
            ("minio:9000", "http://minio:9001"),
            ("*:9000", "http://minio:9001"),
            ("10.0.0.0/8", "http://11.1.2.3"),
            ("10.0.0.0/33", "http://10.0.0.0"),
            ("10.0.0.0/8", "http://ten"),
            ("::/0", "http://10.1.2.3"),
            ("localhost", "http://127.0.0.1"),
        ] {
            assert!(!has(list, url), "{list} {url}");
        }
        assert!(Exempt::parse("a,*").has_all() && !Exempt::parse("a,*:80").has_all());
    }
}
