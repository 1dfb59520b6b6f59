//! A fresh certificate authority and a certificate of it, for https on loopback.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// Serves https for `127.0.0.1`, `localhost` and what else is wanted.
pub(super) struct Certificate {
    /// The authority's own certificate.
    pub(super) ca_pem: String,
    pub(super) acceptor: TlsAcceptor,
}

impl Certificate {
    pub(super) fn generate(more_names: &[String]) -> Certificate {
        let ca_key = KeyPair::generate().expect("a key for the CA");
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "lab CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_pem = ca.self_signed(&ca_key).expect("a self-signed CA certificate").pem();

        let key = KeyPair::generate().expect("a key for the server");
        let mut names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        names.extend_from_slice(more_names);
        let mut leaf = CertificateParams::new(names).expect("names of the server");
        leaf.distinguished_name.push(DnType::CommonName, "lab S3");
        // Some clients refuse a certificate that does not name its issuer's key.
        leaf.use_authority_key_identifier_extension = true;
        let leaf =
            leaf.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate for the server");

        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("the certificate fits its key");
        Certificate { ca_pem, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}
