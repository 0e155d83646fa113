# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this scenario ask the provisioned host with."""

from __future__ import annotations

import shlex

import pytest

# The ways in which a user starts a command.
WAYS = {
    "ssh": "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new {user}@localhost {command}",
    "login": "runuser -u {user} -- env -i HOME=$(getent passwd {user} | cut -d: -f6) sh -lc {command}",
    "bash": "runuser -u {user} -- env -i HOME=$(getent passwd {user} | cut -d: -f6) bash -ic {command} 2>/dev/null",
    "su": "su - {user} -c {command}",
}


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture
def ask(host):
    """Run a command as a user in one of WAYS and return what it prints; it must succeed."""

    def run(user: str, way: str, command: str) -> str:
        return host.check_output(WAYS[way].format(user=user, command=shlex.quote(command)))

    return run
