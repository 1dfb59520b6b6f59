//! `sapt prepare`.

use std::path::PathBuf;

use super::options::Options;
use super::{Invocation, misused};
use crate::prepare::{Machine, Order, Pod};

pub(super) const HELP: &str = "\
Usage: sapt prepare ENV_FILE [--service DIRECTORY] [--agent DIRECTORY]
                    [--pod DIRECTORY --manifest TEMPLATE [--node DEVICE_ID]
                    [--machine MACHINE]] [--dry-run]

Reads the env file of an installation, without running it, tells everything that is
wrong with it at once, and writes what is made of it. Without any directory it only
checks. Secrets are never printed.

  --service DIRECTORY  writes sapt.env, the EnvironmentFile of a systemd service that
                       runs sapt (mode 0600)
  --agent DIRECTORY    writes sagemaker_agent.env, what the agent's service is started
                       with, and neo_config.json, the agent's configuration
  --pod DIRECTORY      writes the manifest, filled, under its template's name, and the
                       Secret with the key, sapt-credentials.yaml (mode 0600 both)
  --manifest TEMPLATE  edge-agent.yaml, or another one with the same places to fill
  --node DEVICE_ID     the gateway; or MVS_PELION_GW_DEVICE_ID in the env file
  --machine MACHINE    x86_64, aarch64, arm64 or armhf (default: that of this program)
  --dry-run            tells what would be written, and writes nothing

A line of standard output is a file: changed PATH, unchanged PATH or, with --dry-run,
would change PATH. A file is replaced as a whole, and only where it or its mode
differs: a second run changes nothing. Remarks go to standard error.

The env file has lines NAME=value and export NAME=\"value\", comments, and blocks

  if [ -z \"${NAME}\" ]; then
      export NAME=\"value\"
  fi

with values and quotes as a shell has them. As in a shell, a block leaves alone what
the environment of this process has set, or an earlier line; of plain lines the last
one counts. $NAME, $(command) and all else that takes a shell is refused, by line.

Its variables are those of sapt run (sapt help run) and, for the agent, each key of
its configuration in capitals: SAGEMAKER_EDGE_CORE_DEVICE_FLEET_NAME. What is not set
there is made of the others. SAGEMAKER_EDGE_AGENT_MESSAGE_LIMIT is the most bytes that
a message to it may have (default: 524288000).

Of the files that it names (PEM files, for instance) it looks only at those that sapt
run reads as it starts.

Exit codes: 0; 64 for wrong arguments or a wrong env file, then nothing is written;
1 where a file cannot be read or written.
";

pub(super) fn parse(words: &[&str]) -> Invocation {
    match order(words) {
        Ok(order) => Invocation::Prepare(order),
        Err(reason) => misused(&reason, "prepare"),
    }
}

fn order(words: &[&str]) -> Result<Order, String> {
    let valued = ["--service", "--agent", "--pod", "--manifest", "--node", "--machine"];
    let options = Options::read(words, &valued, &["--dry-run"])?;
    let env_file = match options.rest[..] {
        [] => return Err("the env file is missing".to_owned()),
        [file] => file.into(),
        [_, word, ..] => return Err(format!("cannot make sense of {word:?} here")),
    };
    let path = |name| options.value(name).map(PathBuf::from);
    let machine = match options.value("--machine").map(Machine::parse) {
        None => None,
        Some(Some(machine)) => Some(machine),
        Some(None) => return Err("--machine is x86_64, aarch64, arm64 or armhf".to_owned()),
    };
    let node = options.value("--node").map(str::to_owned);
    let pod = match (path("--pod"), path("--manifest")) {
        (Some(directory), Some(manifest)) => {
            Some(Pod { directory, manifest, node, machine: machine.unwrap_or_default() })
        }
        (None, None) if node.is_none() && machine.is_none() => None,
        _ => return Err("--pod and --manifest go together".to_owned()),
    };
    let dry = options.value("--dry-run").is_some();
    Ok(Order { env_file, service: path("--service"), agent: path("--agent"), pod, dry })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::tests::{assert_misused, parse};

    #[test]
    fn orders() {
        let order = |words: &[&str]| match parse(&[&["prepare"], words].concat()) {
            Invocation::Prepare(order) => order,
            other => panic!("{words:?}: {other:?}"),
        };
        let plain = Order { env_file: "my.env".into(), ..Order::default() };
        assert_eq!(order(&["my.env"]), plain);
        assert_eq!(
            order(&["--service", "/etc/sapt", "my.env", "--agent=/etc", "--dry-run"]),
            Order {
                service: Some("/etc/sapt".into()),
                agent: Some("/etc".into()),
                dry: true,
                ..plain.clone()
            }
        );
        let words = ["my.env", "--pod", "p", "--manifest", "t", "--node=n", "--machine", "armhf"];
        let pod = order(&words).pod.unwrap();
        assert_eq!((pod.directory, pod.manifest), ("p".into(), "t".into()));
        assert_eq!((pod.node.as_deref(), pod.machine.as_str()), (Some("n"), "armhf"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, part) in [
            (&["prepare"][..], "env file is missing"),
            (&["prepare", "--dry-run"], "env file is missing"),
            (&["prepare", "a", "b"], "\"b\""),
            (&["prepare", "a", "--into", "b"], "--into"),
            (&["prepare", "a", "--agent"], "--agent"),
            (&["prepare", "a", "--agent="], "--agent"),
            (&["prepare", "a", "--dry-run=1"], "--dry-run"),
            (&["prepare", "a", "--pod", "p"], "together"),
            (&["prepare", "a", "--manifest", "p"], "together"),
            (&["prepare", "a", "--node", "n"], "together"),
            (&["prepare", "a", "--pod=p", "--manifest=m", "--machine=mips"], "armhf"),
        ] {
            assert_misused(words, part);
        }
    }
}
