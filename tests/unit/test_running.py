# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process is looked into with the rights of whom it belongs to."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils import running as module
from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils.command import begin
from ansible_collections.gopherops.devserver.plugins.module_utils.running import running


@pytest.mark.parametrize("name", ["root", "nobody"])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_binary_and_environment_are_read_as_its_owner(monkeypatch, name):
    seen = []
    readlink = os.readlink
    monkeypatch.setattr(module.os, "readlink", lambda path: (seen.append(os.geteuid()), readlink(path))[1])
    account = find_account(name)
    with begin(["/bin/cat"], account, env={"A": "x=y", "B": ""}, cwd="/", stdin=subprocess.PIPE) as process:
        found = running(process.pid)
        process.stdin.close()
    assert seen == [account.uid]
    assert found.environment == {"A": "x=y", "B": ""}
    assert found.binary == os.path.realpath("/bin/cat")


def test_what_does_not_run_is_nothing():
    assert running(0) is None
