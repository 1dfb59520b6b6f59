//! Credentials from the instance metadata service of EC2, version 2 (Amazon EC2 User Guide,
//! "Use the Instance Metadata Service to access instance metadata").

use hyper::Method;

use super::answer::{self, METADATA};
use super::remote::{Question, Remote};
use super::{Lease, Reason};
use crate::s3::origin::Origin;

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

pub(super) async fn ask(origin: &Origin, remote: &Remote) -> Result<Lease, Reason> {
    let mut question = Question::get(origin, "/latest/api/token".to_owned());
    question.method = Method::PUT;
    // For the two requests that follow.
    question.headers.push(("x-aws-ec2-metadata-token-ttl-seconds", "60".to_owned()));
    let token = text(&remote.ask(question).await?)?.to_owned();
    let ask = async |path: String| {
        let mut question = Question::get(origin, path);
        question.headers.push(("x-aws-ec2-metadata-token", token.clone()));
        remote.ask(question).await
    };
    let roles = ask(ROLES.to_owned()).await?;
    let role = text(&roles)?.lines().next().unwrap_or_default();
    if role.is_empty() {
        return Err(Reason::Missing("the instance has no role".to_owned()));
    }
    answer::read(&ask(format!("{ROLES}{role}")).await?, None, &METADATA)
}

fn text(body: &[u8]) -> Result<&str, Reason> {
    std::str::from_utf8(body)
        .map(str::trim)
        .map_err(|_| Reason::Answer("its answer is not text".to_owned()))
}
