# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests of this scenario run commands on the provisioned host."""

from __future__ import annotations

import shlex

import pytest

SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new {user}@localhost {command}"


@pytest.fixture
def run_as(host):
    """Run a command as a user who comes over ssh, and return what it prints; it must succeed."""

    def run(user: str, command: str) -> str:
        return host.check_output(SSH.format(user=user, command=shlex.quote(command)))

    return run


@pytest.fixture
def try_as(host):
    """Run a command as a user who comes over ssh, and return the result; it may fail."""
    return lambda user, command: host.run(SSH.format(user=user, command=shlex.quote(command)))
