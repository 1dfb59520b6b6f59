//! Which source of credentials is set.
//!
//! The first one counts. All are read and checked all the same: what is wrong is told.

use super::{Reader, absolute};
use crate::s3::credentials::{
    Authorization, Container, Credentials, Files, Profile, Reason, RoleAlias, Server, Source,
    WebLocation,
};
use crate::s3::{InvalidIdentity, Origin};
use crate::secret::Secret;

/// Where ECS answers (Amazon ECS Developer Guide, "Task IAM role").
const ECS: &str = "http://169.254.170.2";

/// Where EC2 answers (Amazon EC2 User Guide, "Access instance metadata").
const INSTANCE_METADATA: &str = "http://169.254.169.254";

impl Reader<'_> {
    pub(super) fn credentials(&mut self) -> Option<Source> {
        let fixed = self.fixed().map(Source::from);
        let directory = self.parsed("SAPT_CREDENTIALS_DIR", absolute).map(Files::Directory);
        let profile = self.profile().map(Files::Profile);
        let role_alias = self.role_alias().map(|it| Server::RoleAlias(Box::new(it)));
        let container = self.container().map(|it| Server::Container(Box::new(it)));
        let instance = self.parsed("SAPT_AWS_IMDS", instance).flatten().map(Server::Instance);
        fixed
            .or_else(|| directory.or(profile).map(Source::Files))
            .or_else(|| role_alias.or(container).or(instance).map(Source::Server))
    }

    fn fixed(&mut self) -> Option<Credentials> {
        let known = self.problems.len();
        let access_key_id = self.text("SAPT_AWS_ACCESS_KEY_ID");
        let secret_access_key = self.text("SAPT_AWS_SECRET_ACCESS_KEY");
        let session_token = self.text("SAPT_AWS_SESSION_TOKEN").map(Secret::new);
        let (access_key_id, secret_access_key) = match (access_key_id, secret_access_key) {
            (Some(id), Some(secret)) => (id, Secret::new(secret)),
            (id, secret) => {
                let incomplete = id.is_some() || secret.is_some() || session_token.is_some();
                if incomplete && self.problems.len() == known {
                    for (variable, is_missing) in [
                        ("SAPT_AWS_ACCESS_KEY_ID", id.is_none()),
                        ("SAPT_AWS_SECRET_ACCESS_KEY", secret.is_none()),
                    ] {
                        if is_missing {
                            self.problem(variable, "is missing while the rest of the key is set");
                        }
                    }
                }
                return None;
            }
        };
        Some(Credentials { access_key_id, secret_access_key, session_token })
    }

    fn profile(&mut self) -> Option<Profile> {
        let name = self.text("SAPT_AWS_PROFILE");
        let file = self.parsed("SAPT_AWS_SHARED_CREDENTIALS_FILE", absolute);
        if name.is_some() && (self.lookup)("SAPT_AWS_SHARED_CREDENTIALS_FILE").is_none() {
            self.problem("SAPT_AWS_PROFILE", "needs SAPT_AWS_SHARED_CREDENTIALS_FILE");
        }
        Some(Profile { file: file?, name: name.unwrap_or_else(|| "default".to_owned()) })
    }

    fn role_alias(&mut self) -> Option<RoleAlias> {
        let known = self.problems.len();
        let endpoint = self.parsed("SAPT_AWS_IOT_ENDPOINT", iot_endpoint);
        let name = self.parsed("SAPT_AWS_IOT_ROLE_ALIAS", role_alias_name);
        let certificate = self.parsed("SAPT_AWS_IOT_CERTIFICATE", absolute);
        let key = self.parsed("SAPT_AWS_IOT_KEY", absolute);
        let thing_name = self.parsed("SAPT_AWS_IOT_THING_NAME", thing_name);
        let set = [
            ("SAPT_AWS_IOT_ENDPOINT", endpoint.is_some()),
            ("SAPT_AWS_IOT_ROLE_ALIAS", name.is_some()),
            ("SAPT_AWS_IOT_CERTIFICATE", certificate.is_some()),
            ("SAPT_AWS_IOT_KEY", key.is_some()),
        ];
        let any = thing_name.is_some() || set.iter().any(|(_, is_set)| *is_set);
        if any && self.problems.len() == known {
            for (variable, is_set) in set {
                if !is_set {
                    self.problem(variable, "is missing while the rest of the role alias is set");
                }
            }
        }
        let (endpoint, name, certificate, key) = (endpoint?, name?, certificate?, key?);
        let role_alias = RoleAlias { endpoint, name, certificate, key, thing_name };
        match role_alias.check() {
            Ok(()) => Some(role_alias),
            Err(reason) => {
                let variable = match &reason {
                    Reason::Read(path, _) if *path == role_alias.certificate => {
                        "SAPT_AWS_IOT_CERTIFICATE"
                    }
                    Reason::Identity(InvalidIdentity::Certificate) => "SAPT_AWS_IOT_CERTIFICATE",
                    _ => "SAPT_AWS_IOT_KEY",
                };
                self.problem(variable, reason.to_string());
                None
            }
        }
    }

    /// Where nothing of our own is set, what ECS, EKS and Greengrass set for every program.
    fn container(&mut self) -> Option<Container> {
        let mut location = self.parsed("SAPT_AWS_CONTAINER_CREDENTIALS_URI", location);
        if location.is_none() {
            let relative = |path: &str| self::location(&format!("{ECS}{path}"));
            location = self.parsed("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", relative);
        }
        if location.is_none() {
            location = self.parsed("AWS_CONTAINER_CREDENTIALS_FULL_URI", self::location);
        }
        let file = self.parsed("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", absolute);
        let token = self.text("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::new);
        // Of the two the file counts: the token may be an old one.
        let authorization =
            file.map(Authorization::File).or_else(|| token.map(Authorization::Token));
        Some(Container { location: location?, authorization })
    }
}

fn location(text: &str) -> Result<WebLocation, String> {
    let location = WebLocation::parse(text).map_err(|error| error.to_string())?;
    if location.is_trustworthy() {
        Ok(location)
    } else {
        Err("must be https, unless the server is on loopback or is that of ECS or EKS".to_owned())
    }
}

/// `off`, `on`, or where the service is.
fn instance(text: &str) -> Result<Option<Origin>, String> {
    let url = match text {
        "off" => return Ok(None),
        "on" => INSTANCE_METADATA,
        url => url,
    };
    let origin = Origin::parse(url);
    origin.map(Some).map_err(|_| "must be off, on or http://HOST:PORT".to_owned())
}

fn iot_endpoint(text: &str) -> Result<Origin, String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    match Origin::parse(&url) {
        Ok(origin) if origin.tls => Ok(origin),
        _ => Err("must be the host name that aws iot describe-endpoint --endpoint-type \
                  iot:CredentialProvider tells"
            .to_owned()),
    }
}

/// AWS IoT API Reference, `CreateRoleAlias`.
fn role_alias_name(text: &str) -> Result<String, String> {
    named(text, "_=,@-")
        .ok_or_else(|| "must have 1 to 128 letters, digits and characters of _=,@-".to_owned())
}

/// AWS IoT API Reference, `CreateThing`.
fn thing_name(text: &str) -> Result<String, String> {
    named(text, ":_-")
        .ok_or_else(|| "must have 1 to 128 letters, digits and characters of :_-".to_owned())
}

fn named(text: &str, others: &str) -> Option<String> {
    let known = |character: char| character.is_ascii_alphanumeric() || others.contains(character);
    (text.len() <= 128 && text.chars().all(known)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Problems;

    const FIXED: [(&str, &str); 2] =
        [("SAPT_AWS_ACCESS_KEY_ID", "AK"), ("SAPT_AWS_SECRET_ACCESS_KEY", "hunter2")];
    const DIRECTORY: (&str, &str) = ("SAPT_CREDENTIALS_DIR", "/keys");
    const PROFILE: (&str, &str) = ("SAPT_AWS_SHARED_CREDENTIALS_FILE", "/credentials");
    const CONTAINER: (&str, &str) = ("SAPT_AWS_CONTAINER_CREDENTIALS_URI", "http://localhost:8/x");
    const INSTANCE: (&str, &str) = ("SAPT_AWS_IMDS", "on");

    fn read(variables: &[(&str, &str)]) -> Result<Option<Source>, Problems> {
        super::super::tests::read(variables).map(|config| config.storage.credentials)
    }

    fn shown(variables: &[(&str, &str)]) -> String {
        read(variables).unwrap().map_or_else(|| "none".to_owned(), |source| source.to_string())
    }

    fn problems(variables: &[(&str, &str)]) -> Vec<&'static str> {
        let problems = read(variables).unwrap_err();
        assert!(!problems.to_string().contains("hunter"), "{problems}");
        problems.0.into_iter().map(|problem| problem.variable).collect()
    }

    fn write(directory: &Path, name: &str, content: &str) -> String {
        let path = directory.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_first_that_is_set_counts() {
        let files = tempfile::tempdir().unwrap();
        let certified = rcgen::generate_simple_self_signed(vec!["device".into()]).unwrap();
        let certificate = write(files.path(), "certificate.pem", &certified.cert.pem());
        let key = write(files.path(), "key.pem", &certified.signing_key.serialize_pem());
        let mut set = FIXED.to_vec();
        set.extend([DIRECTORY, PROFILE, ("SAPT_AWS_PROFILE", "edge")]);
        set.extend([
            ("SAPT_AWS_IOT_ENDPOINT", "c1.credentials.iot.eu-west-1.amazonaws.com"),
            ("SAPT_AWS_IOT_ROLE_ALIAS", "edge-role"),
            ("SAPT_AWS_IOT_CERTIFICATE", &certificate),
            ("SAPT_AWS_IOT_KEY", &key),
        ]);
        set.extend([CONTAINER, INSTANCE]);
        for (rest, wanted) in [
            (0, "the configuration"),
            (2, "the directory /keys"),
            (3, "the profile \"edge\" in /credentials"),
            (5, "the role alias edge-role at c1.credentials.iot.eu-west-1.amazonaws.com"),
            (9, "the server at http://127.0.0.1:8"),
            (10, "the instance metadata service at 169.254.169.254"),
            (11, "none"),
        ] {
            assert_eq!(shown(&set[rest..]), wanted);
        }
        assert_eq!(shown(&[PROFILE]), "the profile \"default\" in /credentials");
        assert_eq!(shown(&[("SAPT_AWS_IMDS", "off")]), "none");
        let instance = shown(&[("SAPT_AWS_IMDS", "http://127.0.0.1:1338")]);
        assert_eq!(instance, "the instance metadata service at 127.0.0.1:1338");
    }

    #[test]
    fn what_the_surroundings_set_for_every_program() {
        let relative = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1");
        let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:8000/c");
        let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2");
        let file = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token");
        for (variables, location, authorization) in [
            (&[relative, full][..], "http://169.254.170.2/v2/credentials/1", None),
            (
                &[full, token],
                "http://127.0.0.1:8000/c",
                Some(Authorization::Token(Secret::new("hunter2"))),
            ),
            (
                &[CONTAINER, full, token, file],
                "http://127.0.0.1:8/x",
                Some(Authorization::File("/token".into())),
            ),
        ] {
            let Some(Source::Server(Server::Container(container))) = read(variables).unwrap()
            else {
                panic!("{variables:?}");
            };
            assert_eq!(container.location.to_string(), location);
            assert_eq!(container.authorization, authorization);
            assert!(!format!("{container:?}").contains("hunter2"));
        }
        // Without a server it means nothing.
        assert_eq!(shown(&[token]), "none");
    }

    #[test]
    fn half_a_key_is_a_problem_and_never_shown() {
        assert_eq!(problems(&FIXED[1..]), ["SAPT_AWS_ACCESS_KEY_ID"]);
        assert_eq!(problems(&FIXED[..1]), ["SAPT_AWS_SECRET_ACCESS_KEY"]);
        assert!(!problems(&[("SAPT_AWS_SESSION_TOKEN", "t")]).is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_by_variable() {
        for (variable, value) in [
            ("SAPT_CREDENTIALS_DIR", "keys"),
            ("SAPT_AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            ("SAPT_AWS_PROFILE", "edge"),
            ("SAPT_AWS_IOT_ENDPOINT", "http://c1.credentials.iot.eu-west-1.amazonaws.com"),
            ("SAPT_AWS_IOT_ENDPOINT", "https://c1/path"),
            ("SAPT_AWS_IOT_ROLE_ALIAS", "a/b"),
            ("SAPT_AWS_IOT_CERTIFICATE", "certificate.pem"),
            ("SAPT_AWS_IOT_KEY", "key.pem"),
            ("SAPT_AWS_IOT_THING_NAME", "a b"),
            ("SAPT_AWS_CONTAINER_CREDENTIALS_URI", "http://10.0.0.1/hunter2"),
            ("SAPT_AWS_CONTAINER_CREDENTIALS_URI", "hunter2"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://metadata.example/x"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@hunter2.example/"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "token"),
            ("SAPT_AWS_IMDS", "yes"),
            ("SAPT_AWS_IMDS", "http://169.254.169.254/latest"),
        ] {
            // Whatever comes first, what comes later is checked too.
            let mut set = FIXED.to_vec();
            set.push((variable, value));
            assert_eq!(problems(&set), [variable], "{value}");
        }
    }

    #[test]
    fn a_role_alias_is_whole_and_its_files_are_there() {
        let files = tempfile::tempdir().unwrap();
        let [one, other] =
            [1, 2].map(|_| rcgen::generate_simple_self_signed(vec!["device".into()]).unwrap());
        let certificate = write(files.path(), "certificate.pem", &one.cert.pem());
        let key = write(files.path(), "key.pem", &one.signing_key.serialize_pem());
        let strange_key = write(files.path(), "strange.pem", &other.signing_key.serialize_pem());
        let empty = write(files.path(), "empty.pem", "");
        let problems_of = |certificate: &str, key: &str| {
            problems(&[
                ("SAPT_AWS_IOT_ENDPOINT", "c1.credentials.iot.eu-west-1.amazonaws.com"),
                ("SAPT_AWS_IOT_ROLE_ALIAS", "edge-role"),
                ("SAPT_AWS_IOT_CERTIFICATE", certificate),
                ("SAPT_AWS_IOT_KEY", key),
            ])
        };
        for (certificate, key, variable) in [
            ("/nowhere/at-all.pem", key.as_str(), "SAPT_AWS_IOT_CERTIFICATE"),
            (&empty, &key, "SAPT_AWS_IOT_CERTIFICATE"),
            (&certificate, "/nowhere/at-all.pem", "SAPT_AWS_IOT_KEY"),
            (&certificate, &empty, "SAPT_AWS_IOT_KEY"),
            (&certificate, &strange_key, "SAPT_AWS_IOT_KEY"),
            (&certificate, "", "SAPT_AWS_IOT_KEY"),
        ] {
            assert_eq!(problems_of(certificate, key), [variable], "{certificate} {key}");
        }
        assert_eq!(problems(&[("SAPT_AWS_IOT_THING_NAME", "thing")]).len(), 4);
    }
}
