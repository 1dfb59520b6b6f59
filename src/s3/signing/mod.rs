//! AWS Signature Version 4, pure: no clock, no sockets.
//!
//! A request becomes a [`CanonicalRequest`], its hash a [`string_to_sign`], and that a signature.
//! [`Signer`] goes the whole way, for the `authorization` header and for presigned URLs.

mod canonical_request;
mod chunks;
pub mod percent;
mod signature;
mod string_to_sign;
#[cfg(test)]
mod vectors;

pub use canonical_request::{
    CanonicalRequest, PathRule, PayloadHash, RequestToSign, canonical_query,
};
pub use chunks::ChunkSigner;
pub use signature::{SigningKey, hex_sha256};
pub use string_to_sign::{ALGORITHM, Scope, string_to_sign};

use super::credentials::Credentials;
use crate::secret::Secret;

/// Signs requests of one moment, one region and one service.
#[derive(Debug, Clone)]
pub struct Signer<'a> {
    credentials: &'a Credentials,
    scope: Scope,
    key: SigningKey,
}

impl<'a> Signer<'a> {
    /// Derives the signing key for `scope`.
    pub fn new(credentials: &'a Credentials, scope: Scope) -> Self {
        let key = SigningKey::derive(&credentials.secret_access_key, &scope);
        Self { credentials, scope, key }
    }

    /// What the signatures are valid for.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What has to travel with every request as `x-amz-security-token`, among the signed headers.
    pub fn session_token(&self) -> Option<&Secret> {
        self.credentials.session_token.as_ref()
    }

    /// The signature of a request in canonical form.
    pub fn signature(&self, request: &CanonicalRequest) -> String {
        self.key.sign(&string_to_sign(&self.scope, request))
    }

    /// The value of the `authorization` header that carries `signature`.
    pub fn authorization(&self, request: &CanonicalRequest, signature: &str) -> String {
        format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.credentials.access_key_id,
            self.scope,
            request.signed_headers(),
        )
    }

    /// Signs the chunks of the body whose request has the signature `seed`.
    pub fn chunks(&self, seed: String) -> ChunkSigner {
        ChunkSigner::new(self.key.clone(), self.scope.clone(), seed)
    }

    /// The canonical request of a presigned URL: `request` with the `X-Amz-*` parameters of the
    /// query form, valid for `expires_s` seconds.
    pub fn presigned_canonical(
        &self,
        request: &RequestToSign<'_>,
        expires_s: u32,
    ) -> CanonicalRequest {
        self.with_presigned_query(request, expires_s, CanonicalRequest::new)
    }

    /// The query of a presigned URL, without the `?`: whoever has it can make `request` for
    /// `expires_s` seconds (S3 takes at most 604,800, a week).
    pub fn presigned_query(&self, request: &RequestToSign<'_>, expires_s: u32) -> String {
        self.with_presigned_query(request, expires_s, |request| {
            let signature = self.signature(&CanonicalRequest::new(request));
            format!("{}&X-Amz-Signature={signature}", canonical_query(request.query))
        })
    }

    fn with_presigned_query<T>(
        &self,
        request: &RequestToSign<'_>,
        expires_s: u32,
        use_it: impl FnOnce(&RequestToSign<'_>) -> T,
    ) -> T {
        let headers = CanonicalRequest::new(request);
        let credential = format!("{}/{}", self.credentials.access_key_id, self.scope);
        let (date_time, expires) = (self.scope.date_time(), expires_s.to_string());
        let mut query = request.query.to_vec();
        query.extend([
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &date_time),
            ("X-Amz-Expires", &expires),
            ("X-Amz-SignedHeaders", headers.signed_headers()),
        ]);
        if let Some(token) = &self.credentials.session_token {
            query.push(("X-Amz-Security-Token", token.reveal()));
        }
        use_it(&RequestToSign { query: &query, ..*request })
    }
}
