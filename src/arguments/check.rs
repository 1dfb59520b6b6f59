//! `sapt check`.

use std::path::PathBuf;

use super::options::Options;
use super::{Invocation, misused};
use crate::check::Order;

pub(super) const HELP: &str = "\
Usage: sapt check [--environment FILE] [--write] [--json]

Looks whether this gateway is as it should be: the configuration, the running
translator and its registration with Edge Core, the agent and its models, the models
directory, S3 with this key and this clock. Prints a line each, and what to do where
it failed. It disturbs nothing that runs, and needs nothing to run.

  --environment FILE  the configuration is in this file, and not in the environment:
                      the service's, /etc/sapt/sapt.env for instance
  --write             writes an object below SAPT_AWS_S3_DATA_DIR, too, and deletes it
  --json              prints {\"ok\":…,\"checks\":[{\"name\",\"state\",\"seen\",\"fix\"},…]}, where
                      state is ok, failed or skipped

In a container it has the environment of the translator: kubectl exec POD -- /sapt check

Exit codes: 0 where nothing failed, 1 where something did, 64 for wrong arguments or an
environment file that cannot be read.
";

pub(super) fn parse(words: &[&str]) -> Invocation {
    match Options::read(words, &["--environment"], &["--write", "--json"]) {
        Ok(options) if options.rest.is_empty() => Invocation::Check(Order {
            environment: options.value("--environment").map(PathBuf::from),
            write: options.value("--write").is_some(),
            json: options.value("--json").is_some(),
        }),
        Ok(_) => misused("there are only options", "check"),
        Err(reason) => misused(&reason, "check"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::tests::{assert_misused, parse};

    #[test]
    fn options() {
        assert_eq!(parse(&["check"]), Invocation::Check(Order::default()));
        let all = Order { environment: Some("/e".into()), write: true, json: true };
        assert_eq!(
            parse(&["check", "--json", "--environment=/e", "--write"]),
            Invocation::Check(all.clone())
        );
        assert_eq!(
            parse(&["check", "--json", "--environment", "/e", "--write"]),
            Invocation::Check(all)
        );
        assert_misused(&["check", "--environment"], "--environment");
        assert_misused(&["check", "--fast"], "--fast");
        assert_misused(&["check", "--json=1"], "--json=1");
        assert_misused(&["check", "now"], "only options");
    }
}
