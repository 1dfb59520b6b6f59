//! The JSON that credentials come in from remote sources. Pure.

use serde_json::{Map, Value};

use super::{Credentials, Lease, Reason};
use crate::clock::parse_rfc3339;
use crate::secret::Secret;

/// The names that a source has for the parts.
pub(super) struct Names {
    pub(super) access_key_id: &'static str,
    pub(super) secret_access_key: &'static str,
    pub(super) session_token: &'static str,
    pub(super) expiration: &'static str,
}

/// Those of the container and instance metadata services.
pub(super) const METADATA: Names = Names {
    access_key_id: "AccessKeyId",
    secret_access_key: "SecretAccessKey",
    session_token: "Token",
    expiration: "Expiration",
};

/// Those of AWS IoT.
pub(super) const IOT: Names = Names {
    access_key_id: "accessKeyId",
    secret_access_key: "secretAccessKey",
    session_token: "sessionToken",
    expiration: "expiration",
};

/// Reads an answer; where the parts are in an object of their own, `inside` is its name.
pub(super) fn read(body: &[u8], inside: Option<&str>, names: &Names) -> Result<Lease, Reason> {
    // The parser's words are not repeated: they may quote the answer.
    let object = object(body).ok_or_else(|| Reason::Answer("its answer is not JSON".into()))?;
    let parts = match inside {
        Some(name) => match object.get(name) {
            Some(Value::Object(parts)) => parts,
            _ => return Err(lacks(name)),
        },
        None => &object,
    };
    let text = |name| match parts.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.as_str()),
        _ => None,
    };
    let expires = match text(names.expiration) {
        None => None,
        Some(expiration) => Some(parse_rfc3339(expiration).ok_or_else(|| {
            Reason::Answer(format!("in its answer {} is not a time", names.expiration))
        })?),
    };
    Ok(Lease {
        credentials: Credentials {
            access_key_id: text(names.access_key_id)
                .ok_or_else(|| lacks(names.access_key_id))?
                .to_owned(),
            secret_access_key: text(names.secret_access_key)
                .map(Secret::new)
                .ok_or_else(|| lacks(names.secret_access_key))?,
            session_token: text(names.session_token).map(Secret::new),
        },
        expires,
    })
}

/// What a refusal says, at most so much of it as fits into a line.
pub(super) fn message(body: &[u8]) -> Option<String> {
    let object = object(body)?;
    let message = ["message", "Message"].iter().find_map(|name| object.get(*name)?.as_str())?;
    Some(message.chars().take(200).collect())
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn lacks(name: &str) -> Reason {
    Reason::Answer(format!("its answer has no {name}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn both_forms() {
        let expires = UNIX_EPOCH + Duration::from_secs(1_516_267_086);
        let iot = r#"{"credentials":{"accessKeyId":"AKID","secretAccessKey":"hunter2",
            "sessionToken":"t","expiration":"2018-01-18T09:18:06Z"}}"#;
        let metadata = r#"{"Code":"Success","AccessKeyId":"AKID","SecretAccessKey":"hunter2",
            "Token":"t","Expiration":"2018-01-18T09:18:06Z","RoleArn":"TASK_ROLE_ARN"}"#;
        for lease in [
            read(iot.as_bytes(), Some("credentials"), &IOT).unwrap(),
            read(metadata.as_bytes(), None, &METADATA).unwrap(),
        ] {
            assert_eq!(lease.expires, Some(expires));
            assert_eq!(lease.credentials.access_key_id, "AKID");
            assert_eq!(lease.credentials.secret_access_key.reveal(), "hunter2");
            assert_eq!(lease.credentials.session_token.unwrap().reveal(), "t");
        }
        let lasting = br#"{"AccessKeyId":"AKID","SecretAccessKey":"s"}"#;
        let lease = read(lasting, None, &METADATA).unwrap();
        assert_eq!((lease.expires, lease.credentials.session_token), (None, None));
    }

    #[test]
    fn what_is_wrong_is_named_without_secrets() {
        for (body, inside, words) in [
            ("hunter2", None, "not JSON"),
            (r#"["hunter2"]"#, None, "not JSON"),
            (r#"{"Code":"Failed"}"#, None, "no AccessKeyId"),
            (r#"{"AccessKeyId":""}"#, None, "no AccessKeyId"),
            (r#"{"AccessKeyId":"a","SecretAccessKey":5}"#, None, "no SecretAccessKey"),
            (
                r#"{"AccessKeyId":"a","SecretAccessKey":"hunter2","Expiration":"soon"}"#,
                None,
                "Expiration is not a time",
            ),
            (r#"{"credentials":"hunter2"}"#, Some("credentials"), "no credentials"),
        ] {
            match read(body.as_bytes(), inside, &METADATA) {
                Err(Reason::Answer(told)) => {
                    assert!(told.contains(words) && !told.contains("hunter2"), "{told}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn refusals_have_words() {
        assert_eq!(message(br#"{"message":"Access Denied"}"#).as_deref(), Some("Access Denied"));
        assert_eq!(message(br#"{"Message":5}"#), None);
        assert_eq!(message(b"<html>"), None);
    }
}
