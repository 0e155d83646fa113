# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that a play gives to a program are neither in the host's log nor in a result."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

from tests.support.documentation import documented_options

from ..delve.samples import entry

ROOT = pathlib.Path(__file__).parents[3]
MODULES = "ansible_collections.gopherops.devserver.plugins.modules."

# Runs a module with its log on the standard error.
SCRIPT = """
import importlib, sys
from ansible.module_utils.basic import AnsibleModule
AnsibleModule.log = lambda self, text, log_args=None: print(text, log_args, file=sys.stderr)
importlib.import_module("ansible_collections.gopherops.devserver.plugins.modules." + sys.argv.pop()).main()
"""
# Runs each module of a list with its options, and prints what it logs and its result.
MANY = """
import contextlib, importlib, io, json, sys
from ansible.module_utils import basic
logged = []
basic.AnsibleModule.log = lambda self, text, log_args=None: logged.append(f"{text} {log_args}")
basic._ANSIBLE_PROFILE = "legacy"
outcomes = {}
for name, options in json.load(sys.stdin):
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()
    logged.clear()
    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.suppress(SystemExit):
        importlib.import_module("ansible_collections.gopherops.devserver.plugins.modules." + name).main()
    outcomes[name] = ["\\n".join(logged), output.getvalue()]
print(json.dumps(outcomes))
"""
# By its name and by its forms.
SECRETS = ("correct horse", "battery+staple", "xkcd-936-comic")
URL = "https://alice:battery+staple@proxy.example.com/mod?access_token=xkcd-936-comic"
VARIABLES = {"CORP_API_TOKEN": "correct horse", "GOPROXY": URL, "GOFLAGS": "-ldflags=-X=main.token=xkcd-936-comic"}
ENVIRONMENT = {"DB_PASSWORD": "correct horse", "GREETING": "battery staple", "LEVEL": "1"}


def run(module: str, given: dict[str, t.Any]) -> tuple[str, dict[str, t.Any]]:
    """Run a module in check mode; return what it logs, and its result."""
    arguments = {"ANSIBLE_MODULE_ARGS": {"_ansible_check_mode": True, "_ansible_diff": True, **given}}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, module],
        input=json.dumps(arguments),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Invoked with" in done.stderr
    return done.stderr, json.loads(done.stdout)


def service() -> dict[str, t.Any]:
    """Return an entry that is rejected by a message with a number in it."""
    options = entry(listen="192.0.2.1:2345", environment=ENVIRONMENT)
    return {name: value for name, value in options.items() if value is not None}


@pytest.mark.parametrize(
    ("module", "given", "message"),
    [
        ("go_env", {"users": [{"name": "carol-1", "variables": ENVIRONMENT}], "variables": {"LEVEL": "1"}}, "carol-1"),
        ("go_env_drift", {"users": [{"name": "carol-1"}], "variables": ENVIRONMENT}, "carol-1"),
        ("dlv_service", {"services": [service()]}, "192.0.2.1:2345"),
        ("dlv_probe", {"environment": ENVIRONMENT, "address": "192.0.2.1:2345"}, "192.0.2.1:2345"),
    ],
)
def test_values_are_in_no_log_and_no_result_and_the_rest_can_be_read(
    module: str, given: dict[str, t.Any], message: str
) -> None:
    log, result = run(module, given)
    for value in ("correct horse", "battery staple"):
        assert value not in log + json.dumps(result)
    assert message in result["msg"]


def modules() -> list[str]:
    """Return the modules whose options can have any values; that of a plan takes tasks."""
    names = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
    return [name for name in names if name != "host_plan"]


def filled(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return values with a secret for all options of texts, which the documentation lists."""
    return {
        name: value
        for name, option in options.items()
        for value in [filled_option(option)]
        if "choices" not in option and value is not None
    }


def filled_option(option: dict[str, t.Any]) -> t.Any:
    kind = option.get("type", "str")
    if kind == "list":
        entry = filled_option({**option, "type": option.get("elements", "str"), "elements": "str"})
        return None if entry is None else [entry]
    if kind == "dict":
        return filled(option["suboptions"]) if "suboptions" in option else VARIABLES
    return {"str": URL, "path": f"/nowhere/{URL}", "raw": URL}.get(kind)


def test_no_module_shows_a_secret_that_an_option_contains() -> None:
    documented = {name: documented_options(importlib.import_module(MODULES + name)) for name in modules()}
    given = [
        (name, {"_ansible_check_mode": True, "_ansible_diff": True, **filled(options)})
        for name, options in documented.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", MANY],
        input=json.dumps(given),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    outcomes = json.loads(done.stdout)
    assert list(outcomes) == modules()
    for name, (log, result) in outcomes.items():
        # Ansible itself rejects the options of some, before it writes to the log.
        assert log.startswith("Invoked with") or "mutually exclusive" in result, name
        assert "***" in result or "VALUE_SPECIFIED" in result, name
        assert [(name, secret) for secret in SECRETS if secret in log + result] == []
        # No value of any option.
        assert "example.com" not in log


def test_no_unexpected_error_shows_a_secret() -> None:
    # Its action adds the option that is missing here, so the module does not expect this.
    _log, result = run("go_bundle_unpack", {"file": URL, "_delivery": {URL: ""}})
    assert result["msg"] == "an unexpected error occurred: KeyError: 'sha256'"
    assert [secret for secret in SECRETS if secret in json.dumps(result)] == []


def test_no_error_of_an_action_on_the_controller_shows_a_secret() -> None:
    module = "gopherops.devserver.go_bundle_unpack"
    ansible = pathlib.Path(sys.executable).with_name("ansible")
    arguments = json.dumps({"file": f"/nowhere/{URL}", "verify": False})
    done = subprocess.run(
        [ansible, "-i", "localhost,", "-c", "local", "localhost", "-m", module, "-a", arguments],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "***@proxy.example.com" in done.stdout
    assert [secret for secret in SECRETS if secret in done.stdout + done.stderr] == []
