//! The places that credentials come from.

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use super::remote::Remote;
use super::{Container, Credentials, Lease, Profile, Reason, RoleAlias, directory, instance};
use crate::s3::origin::Origin;

/// Where credentials come from. Displays as a phrase for the operator that holds no key.
#[derive(Debug, Clone)]
pub enum Source {
    /// They are part of the configuration, and stay as they are.
    Fixed(Rc<Credentials>),
    /// Files, which are read before each use.
    Files(Files),
    /// A server that gives temporary ones.
    Server(Server),
}

/// Files that hold credentials.
#[derive(Debug, Clone)]
pub enum Files {
    /// A directory with one file for each part, as a Kubernetes Secret volume.
    Directory(PathBuf),
    /// A profile of AWS's shared credentials file.
    Profile(Profile),
}

/// A server that gives temporary credentials.
#[derive(Debug, Clone)]
pub enum Server {
    /// AWS IoT, for a device's certificate.
    RoleAlias(Box<RoleAlias>),
    /// One beside this program, as ECS, EKS and Greengrass have.
    Container(Box<Container>),
    /// The instance metadata service of EC2, version 2.
    Instance(Origin),
}

impl From<Credentials> for Source {
    fn from(credentials: Credentials) -> Self {
        Self::Fixed(Rc::new(credentials))
    }
}

impl Files {
    /// Reads the credentials as they are now. Blocks.
    pub(super) fn read(&self) -> Result<Credentials, Reason> {
        match self {
            Self::Directory(path) => directory::read(path),
            Self::Profile(profile) => profile.read(),
        }
    }
}

impl Server {
    pub(super) async fn ask(&self, remote: &Remote) -> Result<Lease, Reason> {
        match self {
            Self::RoleAlias(role_alias) => role_alias.ask(remote).await,
            Self::Container(container) => container.ask(remote).await,
            Self::Instance(origin) => instance::ask(origin, remote).await,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(_) => f.write_str("the configuration"),
            Self::Files(Files::Directory(path)) => write!(f, "the directory {}", path.display()),
            Self::Files(Files::Profile(profile)) => profile.fmt(f),
            Self::Server(Server::RoleAlias(role_alias)) => role_alias.fmt(f),
            Self::Server(Server::Container(container)) => container.fmt(f),
            Self::Server(Server::Instance(origin)) => {
                write!(f, "the instance metadata service at {origin}")
            }
        }
    }
}
