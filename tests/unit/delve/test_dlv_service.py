# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module in a process of its own, in check mode, and its options in the role."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.dlv_service import known_faults
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import SERVICE_SPEC

from tests.support.go_binaries import build_info, elf

from .samples import entry

ROLE = pathlib.Path(__file__).parents[3] / "roles/debugger/meta/argument_specs.yml"


def run(*services: dict[str, t.Any], **arguments: t.Any) -> tuple[int, dict[str, t.Any]]:
    """Run the module in check mode; return its exit code and result."""
    entries = [{name: value for name, value in service.items() if value is not None} for service in services]
    options = {"services": entries, "_ansible_check_mode": True, "_ansible_diff": True, **arguments}
    completed = subprocess.run(
        [sys.executable, "-m", "ansible_collections.gopherops.devserver.plugins.modules.dlv_service"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in completed.stderr
    return completed.returncode, json.loads(completed.stdout)


@pytest.mark.parametrize(
    ("service", "words"),
    [
        (entry(listen="0.0.0.0:2345"), "which other hosts can reach"),
        (entry(name="../x"), "letters, digits"),
        (entry(log=["everything"]), "must be one or more of"),
        (entry(mode="core"), "must be one of"),
        ({"name": "api"}, "missing required arguments"),
    ],
)
def test_invalid_input_is_rejected_with_a_message(service: dict[str, t.Any], words: str) -> None:
    code, result = run(service)
    assert code == 1 and words in result["msg"]


def test_no_services_change_nothing() -> None:
    code, result = run()
    assert (code, result["changed"], result["services"], result["ptrace"]) == (0, False, [], {})


@pytest.mark.parametrize(
    ("version", "go", "advice"),
    [
        ("v1.22.0", "go1.22.12", "use dlv v1.22.1 or later"),
        ("v1.22.1", "go1.22.12", ""),
        ("v1.23.0", "go1.22.12", ""),
        ("v1.23.0", "go1.23.4", "use dlv v1.23.1 or later"),
        ("v1.23.1", "go1.23.4", ""),
        ("v1.26.2", "go1.26.0", "use a later release of Go 1.26"),
        ("v1.26.2", "go1.26.1", ""),
    ],
)
def test_a_known_fault_of_the_installed_dlv_is_a_warning(
    tmp_path: pathlib.Path, version: str, go: str, advice: str
) -> None:
    lines = f"path\tgithub.com/go-delve/delve/cmd/dlv\nmod\tgithub.com/go-delve/delve\t{version}\t\n"
    dlv = tmp_path / "dlv"
    dlv.write_bytes(elf(build_info(go.encode(), lines.encode())))
    warnings = known_faults(str(dlv))
    assert [warning.partition("): ")[2] for warning in warnings] == ([advice] if advice else [])


def test_a_script_in_the_place_of_dlv_is_no_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "dlv").write_text('#!/bin/sh\nexec /usr/local/bin/dlv "$@"\n')
    assert known_faults(str(tmp_path / "dlv")) == known_faults(str(tmp_path / "none")) == []


def test_the_role_has_the_options_of_the_module() -> None:
    options = yaml.safe_load(ROLE.read_text())["argument_specs"]["main"]["options"]["debugger_services"]["options"]
    assert set(options) == set(SERVICE_SPEC)
    for name, spec in SERVICE_SPEC.items():
        for key in ("type", "default", "required"):
            assert options[name].get(key) == spec.get(key), name
        if "choices" in spec:
            assert options[name]["choices"] == list(spec["choices"]), name


def test_the_directory_of_a_new_service_must_exist(tmp_path: pathlib.Path) -> None:
    _code, rejected = run(entry(workspace=str(tmp_path), package="./none"))
    _code, accepted = run(entry(workspace=str(tmp_path), package="."))
    problem = f"debug service api: the directory {tmp_path}/none does not exist"
    assert problem in rejected["msg"] and "does not exist" not in accepted["msg"]
