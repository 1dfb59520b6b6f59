"""A gateway to install on: a Debian system with a bundle in /bundle."""

import shutil

from installer.debian import System

ENV_FILE = """\
if [ -z "${SAPT_AWS_ACCESS_KEY_ID}" ]; then
\texport SAPT_AWS_ACCESS_KEY_ID="AKIDEXAMPLE"
fi
if [ -z "${SAPT_AWS_SECRET_ACCESS_KEY}" ]; then
    export SAPT_AWS_SECRET_ACCESS_KEY="a-secret+of/the=operator"
fi
export SAPT_AWS_S3_BUCKET="my-sagemaker-bucket"
export SAPT_AWS_S3_MODELS_DIR="DEMO-Sagemaker-Edge\\/compilation-output"
SAPT_AWS_S3_DATA_DIR=data
"""

# The PATH of each kind of gateway: what Debian has, with dash, and busybox with nothing else.
SHELLS = {"dash": "/usr/sbin:/usr/bin:/sbin:/bin", "busybox": "/busybox"}


class Gateway(System):
    """A system with a bundle and an env file."""

    def __init__(self, directory, bundle):
        super().__init__(directory)
        self.use(bundle)
        self.configure(ENV_FILE)
        self.pristine = self.snapshot()

    def use(self, bundle):
        """Has it another bundle."""
        shutil.rmtree(self.at("/bundle"), ignore_errors=True)
        shutil.copytree(bundle, self.at("/bundle"), symlinks=True)

    def configure(self, text):
        """Writes the operator's env file."""
        self.write("/tmp/my.env", text, 0o600)

    def install(self, *options, shell="dash", before="", **variables):
        """Installs; the exit code and what was said. `before` comes before the PATH."""
        path = f"{before}{SHELLS[shell]}"
        return self.run(
            "sh", "/bundle/install", *options, "/tmp/my.env", path=path, **variables
        )

    def installs(self, *options, **settings):
        """Installs, which has to succeed; what was said."""
        code, said = self.install(*options, **settings)
        assert code == 0, said
        return said

    def removes(self, *options, shell="dash"):
        """Removes with the gateway's own command, which has to succeed."""
        code, said = self.run(
            "sh", "/usr/local/lib/sapt/remove", *options, path=SHELLS[shell]
        )
        assert code == 0, said
        return said

    def shim(self, name, text):
        """A program that stands before a real one, for `before`."""
        self.write(f"/tmp/shims/{name}", f"#!/bin/sh\n{text}\n", 0o755)
        return "/tmp/shims:"
