# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host made up for the rules: a declaration, and observations that hold it but for what a test changes."""

from __future__ import annotations

import dataclasses
import getpass
import os

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._drift import snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.cells import cells
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import GoResult, Observation
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import findings, startup
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import CONTEXTS
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

ROOMY = os.statvfs_result((1 << 20, 1 << 20, 10000, 9000, 9000, 1000, 900, 900, 0, 255))
CONTEXT = {context.name: context for context in CONTEXTS}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A declaration for the present user, and a way to observe what holds it but for what a test changes."""
    # What runs on this machine, what is rendered there and how full its disk is does not belong to a made-up host.
    monkeypatch.setattr(startup, "extension_hosts", list)
    monkeypatch.setattr(snapshot, "_lacks", lambda _file: False)
    monkeypatch.setattr(os, "statvfs", lambda _path: ROOMY)
    goroot = tmp_path / "go"
    (goroot / "bin").mkdir(parents=True)
    (goroot / "bin/go").write_text("")
    (goroot / "bin/go").chmod(0o755)
    (goroot / "go.env").write_text("# c\nGOPROXY=https://u:secret@a.example,direct\n")
    (goroot / "go.env").chmod(0o600)
    (goroot / "VERSION").write_text("go1.22.12\ntime x\n")
    account = find_account(getpass.getuser())
    user = UserEnvironment(
        account, {"GOPATH": str(tmp_path)}, [str(goroot / "bin"), "/usr/local/bin", str(tmp_path / "bin")]
    )
    declaration = Declaration([user], str(goroot), [])

    def seen(context="login", set_by=(), environment=None, answer=None, **changes):
        env = {"PATH": ":".join([*user.path, "/usr/bin"]), "GOPATH": str(tmp_path), **(environment or {})}
        told = {
            "GOPATH": env["GOPATH"],
            "GOROOT": str(goroot),
            "GOVERSION": "go1.22.12",
            "GOENV": str(tmp_path / "env"),
        }
        told.update({"GOPROXY": "https://u:secret@a.example,direct"}, **(answer or {}))
        programs = {"go": [str(goroot / "bin/go")]}
        made = Observation(user, CONTEXT[context], env, "", programs, GoResult(told), list(set_by))
        return dataclasses.replace(made, **changes)

    def judge(*observations, tools=()):
        matrix = cells(declaration, observations, "1.22.12")
        found = findings(snapshot.Snapshot(declaration, observations, matrix, tools))
        return {(c.context, c.variable): c for c in matrix}, found

    seen.ids = lambda *observations, **more: [found.rule.id for found in judge(*observations, **more)[1]]
    seen.judge, seen.goroot, seen.tmp, seen.declaration = judge, goroot, tmp_path, declaration
    return seen
