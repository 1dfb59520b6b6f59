"""What is said to be in the programs, as CycloneDX's own library reads it."""

import hashlib
import json
import os
import pathlib
import subprocess

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import programs

SBOM = pathlib.Path(__file__).parents[2] / "musl-targets/sbom"


def sbom(program, machine, binary):
    command = [SBOM, program, machine, binary]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout


@pytest.mark.parametrize("machine", ["x86_64", "arm64", "armhf"])
@pytest.mark.parametrize("program, variable", [("sapt", "SAPT"), ("sapt-agent", "SAPT_AGENT")])
def test_it_is_valid_and_complete(program, variable, machine):
    binary = programs.program(variable)
    text = sbom(program, machine, binary)

    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text.decode()) is None
    bom = Bom.from_json(json.loads(text))
    # Each reference leads somewhere.
    assert bom.validate()
    component = bom.metadata.component
    assert component.name == program
    digest = hashlib.sha256(pathlib.Path(binary).read_bytes()).hexdigest()
    assert [each.content for each in component.hashes] == [digest]
    assert bom.metadata.timestamp.timestamp() == 1_700_000_000

    names = {each.name for each in bom.components}
    assert {"prost", "hyper" if program == "sapt" else "tract-onnx", "musl", "rust-std"} <= names
    # Other members of the workspace, macros, and what builds and tests use.
    assert not names & {"lab", "prost-derive", "syn", "protox", "tempfile"}
    for each in bom.components:
        assert each.licenses, each.name
        assert each.hashes or not each.purl, each.name


def test_it_is_the_same_again():
    binary = programs.program("SAPT")
    assert sbom("sapt", "armhf", binary) == sbom("sapt", "armhf", binary)


def test_machines_differ_where_what_is_linked_does():
    binary = programs.program("SAPT_AGENT")
    assert b"pkg:cargo/portable-atomic@" in sbom("sapt-agent", "armhf", binary)
    assert b"pkg:cargo/portable-atomic@" not in sbom("sapt-agent", "x86_64", binary)
