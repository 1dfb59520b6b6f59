//! Which servers are trusted.

use std::cell::OnceCell;
use std::fmt;
use std::io;
use std::sync::Arc;

use futures_rustls::TlsConnector;
use futures_rustls::pki_types::pem::PemObject;
use futures_rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use futures_rustls::rustls::client::Resumption;
use futures_rustls::rustls::crypto::{CryptoProvider, KeyProvider, ring};
use futures_rustls::rustls::sign::{SigningKey, SingleCertAndKey};
use futures_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::Identity;

/// The certificate authorities that are trusted: Mozilla's, and others of one's own.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    own: Vec<TrustAnchor<'static>>,
}

impl Roots {
    /// Adds the authorities of a PEM file, one or more certificates.
    pub fn with_pem(mut self, pem: &[u8]) -> Result<Self, InvalidRoots> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| InvalidRoots::Pem(error.to_string()))?;
            store.add(certificate).map_err(|error| InvalidRoots::Certificate(error.to_string()))?;
        }
        if store.is_empty() {
            return Err(InvalidRoots::Empty);
        }
        self.own.extend(store.roots);
        Ok(self)
    }
}

/// A file of certificate authorities cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidRoots {
    /// There is no certificate in it.
    Empty,
    /// It is not PEM, in these words.
    Pem(String),
    /// A certificate in it is broken, in these words.
    Certificate(String),
}

impl fmt::Display for InvalidRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str(
                "there is no certificate among the certificate authorities: give a PEM file with \
                 BEGIN CERTIFICATE lines",
            ),
            Self::Pem(error) => write!(f, "the certificate authorities are not PEM: {error}"),
            Self::Certificate(error) => {
                write!(f, "a certificate authority's certificate is broken: {error}")
            }
        }
    }
}

impl std::error::Error for InvalidRoots {}

/// The TLS configuration, made when it is first needed: an installation that speaks http only never
/// pays for it.
pub(in crate::s3) struct Tls {
    roots: Roots,
    identity: Option<Arc<SingleCertAndKey>>,
    connector: OnceCell<TlsConnector>,
}

impl Tls {
    pub(in crate::s3) fn new(roots: Roots) -> Self {
        Self { roots, identity: None, connector: OnceCell::new() }
    }

    /// Proves who this is to servers that want to know.
    pub(in crate::s3) fn with_identity(roots: Roots, identity: Identity) -> Self {
        Self { identity: Some(identity.0), ..Self::new(roots) }
    }

    pub(super) fn connector(&self) -> io::Result<TlsConnector> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector.clone());
        }
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        roots.extend(self.roots.own.iter().cloned());
        // The provider is named: a process-wide default might not have been set.
        let provider = CryptoProvider { key_provider: &NoKeys, ..ring::default_provider() };
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => config.with_client_cert_resolver(identity.clone()),
        };
        // There are one or two hosts: the default of 256 sessions would only hold memory.
        config.resumption = Resumption::in_memory_sessions(8);
        let connector = TlsConnector::from(Arc::new(config));
        Ok(self.connector.get_or_init(|| connector).clone())
    }
}

/// Reads no private keys: where this client proves itself by a certificate and not by signed
/// requests, an [`Identity`] has read them. So what reads the other kinds of keys is not linked.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("this client has no certificate of its own".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_an_authority() {
        assert_eq!(Roots::default().with_pem(b"").unwrap_err(), InvalidRoots::Empty);
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(Roots::default().with_pem(broken), Err(InvalidRoots::Certificate(_))));
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(Roots::default().with_pem(cut), Err(InvalidRoots::Pem(_))));
    }
}
