# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, and Ansible itself, find the host's commands with any PATH in /etc/environment."""

from __future__ import annotations

from shlex import quote

import pytest

FILE = "/etc/environment"
SAVED = "/run/saved-environment"
LINES = (
    'PATH="$PATH:/usr/local/go/bin"',
    "PATH=/usr/local/go/bin",
    "PATH=",
    "PATH=${PATH}:/usr/local/go/bin",
    "PATH=~/bin:/usr/local/go/bin",
)
COMMANDS = ["sudo", "ls", "id", "date", "go"]
PROBE = "; ".join(f"command -v {name}" for name in COMMANDS)


@pytest.fixture(scope="module", autouse=True)
def restored(host, play):
    """Restore the file after the last line: provisioning depends on nothing of the line before."""
    host.check_output(f"cp -a {FILE} {SAVED}")
    yield
    host.check_output(f"mv {SAVED} {FILE}")
    provisioned = play("site", "--tags", "environment")
    assert provisioned.returncode == 0, provisioned.output


@pytest.mark.parametrize("line", LINES)
def test_commands_are_found_after_provisioning(host, play, drift, run_as, line):
    host.check_output(f"printf '%s\\n' {quote(line)} > {FILE}")
    provisioned = play("site", "--tags", "environment")
    assert provisioned.returncode == 0, provisioned.output
    for user in ("alice", "zoe", "finn"):
        paths = run_as(user, "ssh", PROBE).split()
        assert [path.rpartition("/")[2] for path in paths] == COMMANDS
    assert found_by_job(host, "alice") == COMMANDS
    assert ("GD110", "", "", "PATH") in drift(users=["alice"]).places


def found_by_job(host, user):
    """Return the commands that a job with the PATH of the user's crontab finds."""
    path = host.check_output(f"crontab -u {user} -l | sed -n 's/^PATH=//p'").strip('"')
    paths = host.check_output(f"PATH={quote(path)} /bin/sh -c {quote(PROBE)}").split()
    return [command.rpartition("/")[2] for command in paths]
