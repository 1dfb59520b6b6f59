//! Credentials from a server beside this program: ECS, EKS Pod Identity, Greengrass.

use std::fmt;
use std::path::PathBuf;

use super::answer::{self, METADATA};
use super::directory::read_file;
use super::remote::{Question, Remote};
use super::{Lease, Reason, WebLocation};
use crate::blocking::unblock;
use crate::secret::Secret;

/// Where it is, and how one is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// What is asked; trustworthy.
    pub location: WebLocation,
    /// The value of the header `Authorization`, where one is wanted.
    pub authorization: Option<Authorization>,
}

/// A token that is shown to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// This one.
    Token(Secret),
    /// The one in this file, which is replaced from time to time.
    File(PathBuf),
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What stands behind the path may be as good as a password.
        let scheme = if self.location.origin.tls { "https" } else { "http" };
        write!(f, "the server at {scheme}://{}", self.location.origin)
    }
}

impl Container {
    pub(super) async fn ask(&self, remote: &Remote) -> Result<Lease, Reason> {
        let mut question = Question::get(&self.location.origin, self.location.path.clone());
        match &self.authorization {
            None => {}
            Some(Authorization::Token(token)) => {
                question.headers.push(("authorization", token.reveal().to_owned()));
            }
            Some(Authorization::File(path)) => {
                let file = path.clone();
                let text = unblock(move || read_file(&file)).await;
                let text = text.map_err(|error| Reason::Read(path.clone(), error))?;
                question.headers.push(("authorization", text.trim_ascii().to_owned()));
            }
        }
        answer::read(&remote.ask(question).await?, None, &METADATA)
    }
}
