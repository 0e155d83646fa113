# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry points through which tests of this scenario run commands on the provisioned host."""

from __future__ import annotations

import shlex

import pytest
from fault_injections import EVERYONE
from injecting import DECLARED, declared
from module_call import Host

BARE = 'runuser -u {user} -- env -i HOME="$(getent passwd {user} | cut -d: -f6)" '
UNIT = "systemd-run --quiet --collect --pipe --wait "

# The ways in which a user starts a command.
ENTRY_POINTS = {
    "ssh": "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new {user}@localhost {command}",
    "login": BARE + "sh -lc {command}",
    "bash": BARE + "bash -ic {command} 2>/dev/null",
    "zsh": BARE + "zsh -c {command}",
    "zsh login": BARE + "zsh -lc {command}",
    "zsh interactive": BARE + "zsh -ic {command}",
    "fish": BARE + "fish -c {command}",
    "fish login": BARE + "fish -lc {command}",
    "su -": "su - {user} -c {command}",
    "su": "su {user} -c {command}",
    "sudo": "sudo -u {user} /bin/sh -c {command}",
    "sudo -i": "sudo -iu {user} /bin/sh -c {command}",
    "user unit": BARE + 'XDG_RUNTIME_DIR="/run/user/$(id -u {user})" ' + UNIT + "--user /bin/sh -c {command}",
    "system unit": UNIT + "-p User={user} -p EnvironmentFile=/etc/gopherops/units/{user}.env /bin/sh -c {command}",
}


@pytest.fixture(params=ENTRY_POINTS)
def entry_point(request):
    return request.param


@pytest.fixture
def run_as(host):
    """Run a command as a user in one of ENTRY_POINTS and return what it prints; it must succeed."""

    def run(user: str, entry_point: str, command: str) -> str:
        return host.check_output(ENTRY_POINTS[entry_point].format(user=user, command=shlex.quote(command)))

    return run


@pytest.fixture(scope="session")
def play(play):
    """Run a playbook against the host that all tests run on."""
    return lambda name, *arguments, **variables: play(name, "--limit", "bookworm", *arguments, **variables)


@pytest.fixture(scope="module")
def inside(host):
    return Host(host.backend.host)


@pytest.fixture(scope="module")
def drift(inside):
    """Run the module for users who are declared as these injections require."""

    def run(*names, users=EVERYONE, inject="", revert="", **changes):
        return inside.run_module({"users": declared(users, names), **DECLARED, **changes}, inject=inject, revert=revert)

    return run
