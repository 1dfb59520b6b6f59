//! Credentials from AWS IoT for a device's certificate (AWS IoT Core Developer Guide, "Authorizing
//! direct calls to AWS services using AWS IoT Core credential provider").

use std::fmt;
use std::path::{Path, PathBuf};

use super::answer::{self, IOT};
use super::directory::read_file;
use super::remote::{Question, Remote};
use super::{Lease, Reason};
use crate::blocking::unblock;
use crate::s3::origin::Origin;
use crate::s3::transport::Identity;

/// A role alias, and what proves that this device may have its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAlias {
    /// The account's credentials endpoint; over TLS.
    pub endpoint: Origin,
    /// The role alias.
    pub name: String,
    /// The PEM file with the device's certificate. Read at each use: it may be replaced.
    pub certificate: PathBuf,
    /// The PEM file with its private key, likewise.
    pub key: PathBuf,
    /// The thing's name, where the policy asks for it.
    pub thing_name: Option<String>,
}

impl fmt::Display for RoleAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the role alias {} at {}", self.name, self.endpoint)
    }
}

impl RoleAlias {
    /// Whether the certificate and the key can be used as they are now. Blocks.
    pub fn check(&self) -> Result<(), Reason> {
        identity(&self.certificate, &self.key).map(drop)
    }

    pub(super) async fn ask(&self, remote: &Remote) -> Result<Lease, Reason> {
        let (certificate, key) = (self.certificate.clone(), self.key.clone());
        let identity = unblock(move || identity(&certificate, &key)).await?;
        let path = format!("/role-aliases/{}/credentials", self.name);
        let mut question = Question::get(&self.endpoint, path);
        if let Some(name) = &self.thing_name {
            question.headers.push(("x-amzn-iot-thingname", name.clone()));
        }
        let body = remote.ask_as(identity, question).await?;
        answer::read(&body, Some("credentials"), &IOT)
    }
}

/// Reads a certificate and its key. Blocks.
fn identity(certificate: &Path, key: &Path) -> Result<Identity, Reason> {
    let read = |path: &Path| read_file(path).map_err(|error| Reason::Read(path.to_owned(), error));
    Identity::from_pem(read(certificate)?.as_bytes(), read(key)?.as_bytes())
        .map_err(Reason::Identity)
}
