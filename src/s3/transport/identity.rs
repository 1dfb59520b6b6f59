//! Who this client is, for servers that ask for a certificate.

use std::fmt;
use std::sync::Arc;

use futures_rustls::pki_types::pem::PemObject;
use futures_rustls::pki_types::{CertificateDer, PrivateKeyDer};
use futures_rustls::rustls::crypto::ring::sign::{RsaSigningKey, any_ecdsa_type};
use futures_rustls::rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};

/// A certificate with its private key.
#[derive(Debug, Clone)]
pub struct Identity(pub(super) Arc<SingleCertAndKey>);

impl Identity {
    /// Reads two PEM files: the certificate, with those that vouch for it where there are any; and
    /// its key, RSA or ECDSA, as PKCS#8, PKCS#1 or SEC1.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, InvalidIdentity> {
        let mut chain = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(certificate) {
            chain.push(certificate.map_err(|_| InvalidIdentity::Certificate)?);
        }
        if chain.is_empty() {
            return Err(InvalidIdentity::Certificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| InvalidIdentity::Key)?;
        let key: Arc<dyn SigningKey> = match RsaSigningKey::new(&key) {
            Ok(key) => Arc::new(key),
            Err(_) => any_ecdsa_type(&key).map_err(|_| InvalidIdentity::KeyType)?,
        };
        let identity = CertifiedKey::new(chain, key);
        identity.keys_match().map_err(|_| InvalidIdentity::Mismatch)?;
        Ok(Self(Arc::new(identity.into())))
    }
}

/// A certificate and a key cannot be used. Their text is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidIdentity {
    /// There is no certificate, or it is broken.
    Certificate,
    /// There is no private key.
    Key,
    /// The key is of a kind that is not known.
    KeyType,
    /// The key is not the certificate's.
    Mismatch,
}

impl fmt::Display for InvalidIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "there is no certificate in PEM where it should be",
            Self::Key => "there is no private key in PEM without a password where it should be",
            Self::KeyType => {
                "the private key is of no kind that can be used: RSA of 2048 to 8192 bits, or \
                 ECDSA with P-256 or P-384"
            }
            Self::Mismatch => "the private key does not belong to the certificate",
        })
    }
}

impl std::error::Error for InvalidIdentity {}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA_CERTIFICATE: &[u8] = include_bytes!("identity/fixtures/rsa-certificate.pem");
    const RSA_PKCS8: &[u8] = include_bytes!("identity/fixtures/rsa-pkcs8.pem");
    const RSA_PKCS1: &[u8] = include_bytes!("identity/fixtures/rsa-pkcs1.pem");
    const EC_CERTIFICATE: &[u8] = include_bytes!("identity/fixtures/ec-certificate.pem");
    const EC_SEC1: &[u8] = include_bytes!("identity/fixtures/ec-sec1.pem");

    #[test]
    fn all_forms_of_keys() {
        let certified = rcgen::generate_simple_self_signed(vec!["device".into()]).unwrap();
        let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
        for (certificate, key) in [
            (RSA_CERTIFICATE, RSA_PKCS8),
            (RSA_CERTIFICATE, RSA_PKCS1),
            (EC_CERTIFICATE, EC_SEC1),
            (certificate.as_bytes(), key.as_bytes()),
        ] {
            Identity::from_pem(certificate, key).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_used() {
        let broken = b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n";
        let strange = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
        for (certificate, key, error) in [
            (&b""[..], RSA_PKCS8, InvalidIdentity::Certificate),
            (broken, RSA_PKCS8, InvalidIdentity::Certificate),
            (RSA_PKCS8, RSA_PKCS8, InvalidIdentity::Certificate),
            (RSA_CERTIFICATE, b"", InvalidIdentity::Key),
            (RSA_CERTIFICATE, RSA_CERTIFICATE, InvalidIdentity::Key),
            (RSA_CERTIFICATE, strange.as_bytes(), InvalidIdentity::KeyType),
            (RSA_CERTIFICATE, EC_SEC1, InvalidIdentity::Mismatch),
        ] {
            assert_eq!(Identity::from_pem(certificate, key).unwrap_err(), error);
        }
    }
}
