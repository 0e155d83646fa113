# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension host of a real VS Code server gets what is declared, and the drift report knows what it gets."""

from __future__ import annotations

import pytest

# The server puts a command of its own before all others.
OWN = "/opt/code-server/server/bin/remote-cli:"
# bob's own files spoil what he gets.
DECLARED = ("alice", "zoe", "finn")


def variables(user: str) -> dict[str, str]:
    gopath = f"/home/{user}/go"
    return {
        "GOPATH": gopath,
        "GOMODCACHE": f"{gopath}/pkg/mod",
        "GOBIN": f"{gopath}/bin",
        "GOTOOLCHAIN": "local",
        "GOPROXY": "https://goproxy.example.com,direct",
        "GOFLAGS": "-mod=readonly",
    }


@pytest.mark.parametrize("user", DECLARED)
def test_it_gets_what_is_declared(seen, user):
    assert "--type=extensionHost" in seen[user].command
    for environment in (seen[user].given, seen[user].environment):
        assert variables(user).items() <= environment.items()
        assert environment["PATH"].startswith(f"{OWN}/usr/local/go/bin:/usr/local/bin:/home/{user}/go/bin:")


@pytest.mark.parametrize("user", DECLARED)
def test_a_go_that_it_starts_answers_the_same(seen, user):
    assert dict(variables(user), GOVERSION="go1.22.12").items() <= seen[user].go.items()


def test_a_users_own_lines_reach_it_too(seen):
    assert seen["bob"].environment["PATH"].startswith(f"{OWN}/opt/bob/bin:")
    assert seen["bob"].go["GOBIN"] == "/opt/bob/bin"
