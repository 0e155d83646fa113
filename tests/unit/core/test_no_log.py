# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that a play gives to a program are neither in the host's log nor in a result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t

import pytest

from ..delve.samples import entry

# Runs a module with its log on the standard error.
SCRIPT = """
import importlib, sys
from ansible.module_utils.basic import AnsibleModule
AnsibleModule.log = lambda self, text, log_args=None: print(text, log_args, file=sys.stderr)
importlib.import_module("ansible_collections.gopherops.devserver.plugins.modules." + sys.argv.pop()).main()
"""
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
