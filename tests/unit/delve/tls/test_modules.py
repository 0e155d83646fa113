# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the TLS modules, their validation, and the arguments that the role passes to them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import TLS_SERVICE_SPEC, TLS_SPEC

ROLE = pathlib.Path(__file__).parents[4] / "roles/debugger"
ADHOC = (sys.executable, "-m", "ansible", "adhoc", "localhost")
API = {"name": "api", "user": "alice", "listen": "127.0.0.1:2345", "tls": {"listen": "[::]:12345"}}


def error_of(module: str, *services: t.Any) -> str:
    """Run a module in check mode; return its error message."""
    options = {"services": services, "clients": ["ci"], "_ansible_check_mode": True}
    if module == "dlv_tls_client":
        options.update(directory="/nowhere/bundles", source="/nowhere", host="dev1", address="dev1")
    completed = subprocess.run(
        [sys.executable, "-m", f"ansible_collections.gopherops.devserver.plugins.modules.{module}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in completed.stderr
    return str(json.loads(completed.stdout)["msg"])


@pytest.mark.parametrize("module", ["dlv_tls", "dlv_tls_client"])
@pytest.mark.parametrize(
    ("service", "message"),
    [
        ({"name": "api"}, "missing required arguments: listen, user"),
        ({**API, "tls": {"listen": "[::]:12345", "client_port": "many"}}, "client_port"),
        ({**API, "tls": ["yes"]}, "dict"),
        ({**API, "tls": {"client_port": 1}}, "missing required arguments: listen"),
        ({**API, "environment": {"DB_PASSWORD": "x"}}, "environment"),
    ],
)
def test_invalid_services_are_rejected(module: str, service: dict[str, t.Any], message: str) -> None:
    assert message in error_of(module, service)


def role_variable(directory: pathlib.Path, name: str, **variables: t.Any) -> t.Any:
    """Return the value of the role's variable ``name`` with ``variables``."""
    role = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    (directory / "variables.yml").write_text(yaml.safe_dump({**role, "debugger_tls_clients": [], **variables}))
    completed = subprocess.run(
        [*ADHOC, "-m", "debug", "-a", f"var={name}", "-e", f"@{directory}/variables.yml"],
        env={
            **os.environ,
            "ANSIBLE_HOME": str(directory / "home"),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(completed.stdout.partition("=>")[2])[name]


def test_the_role_passes_no_program_variables(tmp_path: pathlib.Path) -> None:
    declared = {**API, "workspace": "/src/acme", "state": "started"}
    service = {**declared, "environment": {"DB_PASSWORD": "x"}, "mode": "exec"}
    (passed,) = role_variable(tmp_path, "debugger_tls_services", debugger_services=[service])
    assert passed == declared
    assert set(passed) == set(TLS_SERVICE_SPEC) and TLS_SPEC["listen"]["required"]


def test_only_files_of_revoked_clients_are_removed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "clients").mkdir()
    kept = [tmp_path / "ca.key", tmp_path / "clients/ci.key", tmp_path / "clients/other.key"]
    for path in kept:
        path.write_text("key")
    names = ["*", "?i", "[c]i", "../ca", "c/../ci", "ci.key", "", "ci\n", "ci"]
    variables = {"debugger_tls_dir": str(tmp_path), "debugger_tls_revoked": names}
    removed = role_variable(tmp_path, "debugger_tls_revoked_files", **variables)
    assert removed == [str(tmp_path / "clients/ci.key")]
    assert role_variable(tmp_path, "debugger_tls_invalid_names", debugger_tls_revoked=names) == names[:-1]


def test_client_names_are_validated_by_the_first_task() -> None:
    first = yaml.safe_load((ROLE / "tasks/tls.yml").read_text())[0]
    assert first["ansible.builtin.assert"]["that"] == "debugger_tls_errors | length == 0"


def test_invalid_client_names_are_errors_of_the_plan(tmp_path: pathlib.Path) -> None:
    names = {"debugger_tls_clients": ["../x", "ci"], "debugger_tls_revoked": []}
    error = role_variable(tmp_path, "debugger_tls_names_problem", **names)
    assert "debugger_tls_clients" in error and "../x" in error and "ci" not in error.split()
    assert role_variable(tmp_path, "debugger_tls_names_problem", **{**names, "debugger_tls_clients": ["ci"]}) == ""


def host_tasks() -> dict[str, dict[str, t.Any]]:
    """Return the arguments of the role's tasks that run a module of the collection on the host, by module."""
    prefix = "gopherops.devserver."
    tasks = [task for path in (ROLE / "tasks").glob("*.yml") for task in yaml.safe_load(path.read_text())]
    on_host = [task for task in tasks if "delegate_to" not in task]
    return {key[len(prefix) :]: task[key] for task in on_host for key in task if key.startswith(prefix)}


def test_arguments_of_modules_on_the_host_depend_on_no_earlier_task() -> None:
    tasks, variables = host_tasks(), yaml.safe_load((ROLE / "vars/main.yml").read_text())
    assert set(tasks) == {"kernel_parameters", "dlv_service", "dlv_tls"}
    texts = [str(tasks)]
    for text in texts:
        texts += [str(value) for name, value in variables.items() if name in text and str(value) not in texts]
    assert not [text for text in texts if "debugger_result" in text]


@pytest.mark.parametrize("services", [[], [API]], ids=["no TLS", "TLS"])
def test_arguments_of_dlv_tls_are_valid_without_certificates(tmp_path: pathlib.Path, services: list[t.Any]) -> None:
    variables = {
        "debugger_tls_revoked": [],
        "debugger_tls_minimum": "TLSv1.2",
        "debugger_tls_dir": str(tmp_path / "ca"),
    }
    variables["dlv_tls"] = host_tasks()["dlv_tls"]
    arguments = role_variable(tmp_path, "dlv_tls", debugger_services=services, **variables)
    assert arguments["services"] == services
    pem = [arguments[name] for name in ("authority", "certificate", "key", "revocations")]
    assert pem == [""] * 4


def test_certificates_on_the_controller_are_pending_until_they_exist(tmp_path: pathlib.Path) -> None:
    variables: dict[str, t.Any] = {
        "debugger_tls_revoked": [],
        "debugger_tls_dir": str(tmp_path),
        "debugger_tls_address": "dev1",
        "debugger_tls_addresses": [],
        "debugger_tls_key_type": "ECC",
        "devserver_tls_renew_before": "+30d",
    }
    assert role_variable(tmp_path, "debugger_tls_pending", debugger_services=[API], **variables) is True
    assert role_variable(tmp_path, "debugger_tls_pending", debugger_services=[], **variables) is False


def test_bundles_of_clients_follow_every_change_of_the_server() -> None:
    tasks = {task["name"]: task for task in yaml.safe_load((ROLE / "tasks/main.yml").read_text())}
    server, bundles = tasks["Run the TLS server of the debug services"], tasks["Write the client bundles"]
    assert bundles["when"] == server["when"]
    ours, theirs = bundles["gopherops.devserver.dlv_tls_client"], server["gopherops.devserver.dlv_tls"]
    for option in ("services", "exclusive", "revoked", "minimum"):
        assert ours[option] == theirs[option]
