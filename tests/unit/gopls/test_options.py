# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of debug services, which counts with that of gopls: declared, or installed by an earlier run."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.gopls_service import ARGUMENT_SPEC
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.memory import read_host_memory
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.options import validate_options
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import systemctl

ROLE = pathlib.Path(__file__).parents[3] / "roles/language_server"
HOST = read_host_memory()
LARGE = str(HOST + 1)


@pytest.fixture(autouse=True)
def unit_dir(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(systemctl, "UNIT_DIR", str(tmp_path))
    return tmp_path


def validate(exclusive: bool = False, **variables: t.Any) -> None:
    """Validate the options that the role passes with ``variables`` of the role debugger."""
    role = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    templar = Templar(loader=DataLoader(), variables=variables)
    services = templar.template(trust_as_template(role["language_server_debug_services"]))
    validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate({"debug_services": services, "exclusive": exclusive})
    assert validated.error_messages == []
    validate_options(validated.validated_parameters, check=True)


@pytest.mark.parametrize(
    "variables",
    [
        {"debugger_services": [{"name": "a", "memory": LARGE, "environment": {"X": "y"}}]},
        {"debugger_services": [{"name": "a", "memory": None}], "debugger_services_memory": LARGE},
        {"debugger_services": [{"name": "a"}, {"name": "b"}], "debugger_services_memory": str(HOST // 2 + 1)},
        {"debugger_services": [{"name": "a", "memory": LARGE, "state": "stopped"}]},
    ],
    ids=["own", "default", "sum", "stopped"],
)
def test_declared_debug_services_must_fit_the_host(variables: dict[str, t.Any]) -> None:
    with pytest.raises(DevserverError, match="for the debug services"):
        validate(**variables)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"debugger_services": [{"name": "a"}], "debugger_services_memory": str(HOST)},
        {"debugger_services": [{"name": "a", "memory": LARGE, "state": "absent"}]},
        {"debugger_services": [{"name": "a", "memory": LARGE}], "debugger_services_state": "absent"},
        {"debugger_services": [{"name": "a", "memory": LARGE, "state": "started"}], "debugger_state": "absent"},
    ],
    ids=["none", "fits", "absent", "default absent", "role absent"],
)
def test_absent_debug_services_do_not_count(variables: dict[str, t.Any]) -> None:
    validate(**variables)


def test_installed_debug_services_count_until_they_are_removed(unit_dir: pathlib.Path) -> None:
    (unit_dir / "dlv-old.service").write_text(f"[Service]\nExecStart=/bin/dlv\nMemoryMax={LARGE}\n")
    with pytest.raises(DevserverError, match="for the debug services"):
        validate()
    validate(exclusive=True)
    validate(debugger_services=[{"name": "old", "state": "absent"}])
    validate(debugger_services=[{"name": "old", "memory": "1G"}])
