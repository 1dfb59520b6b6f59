//! Which servers are trusted.

use std::cell::OnceCell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_rustls::TlsConnector;
use futures_rustls::pki_types::pem::PemObject;
use futures_rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use futures_rustls::rustls::client::Resumption;
use futures_rustls::rustls::sign::SingleCertAndKey;
use futures_rustls::rustls::time_provider::TimeProvider;
use futures_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};

use crate::s3::error::CertificateTime;

use super::{Identity, crypto};

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
pub(super) struct Tls {
    roots: Roots,
    identity: Option<Arc<SingleCertAndKey>>,
    connector: OnceCell<TlsConnector>,
    /// What the connector takes for the time.
    now: Arc<HandshakeTime>,
}

impl Tls {
    pub(super) fn new(roots: Roots, identity: Option<Identity>) -> Self {
        let identity = identity.map(|identity| identity.0);
        Self { roots, identity, connector: OnceCell::new(), now: Arc::default() }
    }

    /// For handshakes that begin now.
    pub(super) fn connector(&self, now: SystemTime) -> io::Result<TlsConnector> {
        self.now.set(now);
        if let Some(connector) = self.connector.get() {
            return Ok(connector.clone());
        }
        let connector = self.make_connector(self.now.clone())?;
        Ok(self.connector.get_or_init(|| connector).clone())
    }

    /// For one handshake at another time. It shares no sessions with the others, where a certificate
    /// that was taken once would be taken again.
    pub(super) fn connector_at(&self, time: SystemTime) -> io::Result<TlsConnector> {
        let at = Arc::new(HandshakeTime::default());
        at.set(time);
        self.make_connector(at)
    }

    fn make_connector(&self, time: Arc<HandshakeTime>) -> io::Result<TlsConnector> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        roots.extend(self.roots.own.iter().cloned());
        // The provider is named: a process-wide default might not have been set.
        let provider = crypto::provider();
        let config = ClientConfig::builder_with_details(Arc::new(provider), time)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => config.with_client_cert_resolver(identity.clone()),
        };
        // There are one or two hosts: the default of 256 sessions would only hold memory.
        config.resumption = Resumption::in_memory_sessions(8);
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// The time that certificates are judged by, in seconds since 1970.
#[derive(Debug, Default)]
struct HandshakeTime(AtomicU64);

impl HandshakeTime {
    fn set(&self, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.store(since.as_secs(), Ordering::Relaxed);
    }
}

impl TimeProvider for HandshakeTime {
    fn current_time(&self) -> Option<UnixTime> {
        let since = Duration::from_secs(self.0.load(Ordering::Relaxed));
        Some(UnixTime::since_unix_epoch(since))
    }
}

/// Whether a handshake failed for nothing but the time, and for which.
pub(super) fn certificate_time(error: &io::Error) -> Option<CertificateTime> {
    let at = |time: &UnixTime| UNIX_EPOCH + Duration::from_secs(time.as_secs());
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext {
            time,
            not_before,
        }) => Some(CertificateTime { now: at(time), bound: at(not_before), expired: false }),
        rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }) => {
            Some(CertificateTime { now: at(time), bound: at(not_after), expired: true })
        }
        _ => None,
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
