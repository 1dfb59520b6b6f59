//! The region that a bucket is in.

use std::fmt;

/// A region's name, such as `us-east-1`: letters, digits and hyphens, at most 63.
///
/// It becomes part of host names and of what is signed. Other S3 servers have regions with names of
/// their own (`garage`, `default`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(String);

impl Default for Region {
    /// `us-east-1`, AWS's own default.
    fn default() -> Self {
        Self("us-east-1".to_owned())
    }
}

impl Region {
    /// Checks a name that came from outside.
    pub fn parse(text: &str) -> Result<Self, InvalidRegion> {
        let valid = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRegion(text.chars().take(64).collect()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain of AWS's partition that the region belongs to.
    pub(super) fn domain(&self) -> &'static str {
        let partition = PARTITIONS.iter().find(|(prefix, _)| self.0.starts_with(prefix));
        partition.map_or("amazonaws.com", |(_, domain)| domain)
    }

    /// The region that a host of Amazon S3 serves, as far as its name tells.
    pub(super) fn of_host(host: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let known = PARTITIONS.iter().map(|(_, domain)| *domain).chain(["amazonaws.com"]);
        let name =
            known.filter_map(|domain| host.strip_suffix(domain)?.strip_suffix('.')).next()?;
        let label = name.rsplit('.').next()?;
        // The oldest names have a hyphen: `s3-eu-west-1.amazonaws.com`.
        let region = label.strip_prefix("s3-").unwrap_or(label);
        let has_number = region.ends_with(|last: char| last.is_ascii_digit());
        Self::parse(region).ok().filter(|_| has_number && region.contains('-'))
    }
}

/// The partitions beside the largest one, by how their regions' names begin.
const PARTITIONS: [(&str, &str); 6] = [
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov"),
];

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was given is not a region; holds its first 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRegion(String);

impl fmt::Display for InvalidRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a region: give its short name, such as us-east-1", self.0)
    }
}

impl std::error::Error for InvalidRegion {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["us-east-1", "cn-north-1", "garage", "us-gov-west-1"] {
            assert_eq!(Region::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "us east", "-a", "a-", "a/b", "a.b", "é", &"x".repeat(64)] {
            assert!(Region::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn partitions() {
        for (region, domain) in [
            ("eu-west-1", "amazonaws.com"),
            ("us-gov-west-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("eusc-de-east-1", "amazonaws.eu"),
            ("us-iso-east-1", "c2s.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
        ] {
            assert_eq!(Region::parse(region).unwrap().domain(), domain);
        }
    }

    #[test]
    fn regions_of_hosts() {
        for (host, region) in [
            ("bkt.s3.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("bkt.s3-eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("S3.dualstack.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("s3.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("bkt.s3.amazonaws.com", None),
            ("eu-west-1.example.com", None),
            ("s3.eu-west-1.evilamazonaws.com", None),
        ] {
            let found = Region::of_host(host);
            assert_eq!(found.as_ref().map(Region::as_str), region, "{host}");
        }
    }
}
