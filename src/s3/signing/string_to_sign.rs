//! The string to sign: what the signature is computed over.

use crate::clock::Moment;

use super::canonical_request::CanonicalRequest;

/// The signature algorithm, as it is spelled in headers, queries and strings to sign.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The string to sign of a whole request ("Task 2" of SigV4).
pub fn string_to_sign(scope: &Scope, request: &CanonicalRequest) -> String {
    format!("{ALGORITHM}\n{}\n{scope}\n{}", scope.date_time(), request.hash())
}

/// What a signature is valid for: one day, one region, one service.
///
/// Displays as the credential scope, `20130524/us-east-1/s3/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    moment: Moment,
    region: String,
    service: String,
}

impl Scope {
    /// The scope of a request that is signed at `moment`.
    pub fn new(moment: Moment, region: impl Into<String>, service: impl Into<String>) -> Self {
        Self { moment, region: region.into(), service: service.into() }
    }

    /// `20130524T000000Z`: the value of `x-amz-date`.
    pub fn date_time(&self) -> String {
        self.moment.basic()
    }

    /// `20130524`.
    pub fn date(&self) -> String {
        self.moment.basic_date()
    }

    /// The region's name.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The service's name: `s3`.
    pub fn service(&self) -> &str {
        &self.service
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.date(), self.region, self.service)
    }
}
