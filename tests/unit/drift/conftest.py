# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake host for the rules: a declaration, and observations that match it except for the changes of a test."""

from __future__ import annotations

import dataclasses
import getpass
import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import Cell
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.build_paths import missing_paths_of
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.cells import cells
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.directories import (
    directories_of,
    program_directories_of,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.go_files import (
    settings_files_of,
    texts_at_fault,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.paths import (
    real_paths_of,
    world_readable_files,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.tools import (
    fetched_toolchains,
    tool_copies,
    undeclared_tools,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.observation import (
    GoResult,
    Observation,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import evaluate
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import KINDS
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import Context
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.devcontainer import (
    DevcontainerContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.editor_files import EditorFile
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_debug import (
    VscodeDebugContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host import user_access
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.mounts import Mount

SERVER = VscodeServerContext()
CONTEXT = {
    **{kind.name: kind for kind in KINDS if isinstance(kind, Context)},
    SERVER.name: SERVER,
    VscodeDebugContext.name: VscodeDebugContext(SERVER, EditorFile("")),
    DevcontainerContext.name: DevcontainerContext(EditorFile(""), ""),
}


class FakeHost:
    """A declaration for the present user. Calling it makes an observation that matches the declaration."""

    def __init__(self, tmp: pathlib.Path) -> None:
        self.tmp, self.goroot = tmp, tmp / "go"
        (self.goroot / "bin").mkdir(parents=True)
        (self.goroot / "bin/go").write_text("")
        (self.goroot / "bin/go").chmod(0o755)
        (self.goroot / "go.env").write_text("# c\nGOPROXY=https://u:secret@a.example,direct\n")
        (self.goroot / "go.env").chmod(0o600)
        (self.goroot / "VERSION").write_text("go1.22.12\ntime x\n")
        path = [str(self.goroot / "bin"), "/usr/local/bin", str(tmp / "bin")]
        self._user = UserEnvironment(find_account(getpass.getuser()), {"GOPATH": str(tmp)}, path)
        self.declaration = Declaration([self._user], str(self.goroot), [])

    def __call__(
        self,
        context: str = "login",
        set_by: t.Sequence[t.Any] = (),
        environment: t.Mapping[str, t.Any] | None = None,
        go_values: t.Mapping[str, str] | None = None,
        **changes: t.Any,
    ) -> Observation:
        path = ":".join([*self._user.path, "/usr/bin"])
        env = {"PATH": path, "GOPATH": str(self.tmp), **(environment or {})}
        values = {
            "GOPATH": env["GOPATH"],
            "GOROOT": str(self.goroot),
            "GOVERSION": "go1.22.12",
            "GOENV": str(self.tmp / "env"),
            "GOPROXY": "https://u:secret@a.example,direct",
            **(go_values or {}),
        }
        programs = {"go": [str(self.goroot / "bin/go")]}
        made = Observation(self._user, CONTEXT[context], env, "", programs, GoResult(values), list(set_by))
        return dataclasses.replace(made, **changes)

    def snapshot(
        self,
        *observations: Observation,
        declaration: Declaration | None = None,
        mounted: t.Sequence[Mount] = (),
        tools: t.Sequence[t.Any] = (),
        **records: t.Any,
    ) -> Snapshot:
        """Return a snapshot with the files of this host, except for the ``records`` that a test states."""
        declaration = declaration or self.declaration
        base = Snapshot(declaration, observations, cells(declaration, observations, "1.22.12"), tools)
        base = dataclasses.replace(base, settings_files=settings_files_of(base))
        users = base.users_with_home
        read = {
            "directories": directories_of(users, mounted),
            "program_directories": list(program_directories_of(users, mounted)),
            "missing_paths": missing_paths_of(base),
            "tool_copies": list(tool_copies(declaration.users, tools)),
            "undeclared_tools": list(undeclared_tools(declaration.users, tools)),
            "fetched_toolchains": list(fetched_toolchains(declaration.users)),
            "texts": texts_at_fault(base),
            "real_paths": real_paths_of(base),
            "world_readable": world_readable_files(base),
            "goroot_version": "1.22.12",
        }
        return dataclasses.replace(base, **{**read, **records})

    def evaluate(self, *observations: Observation, **records: t.Any) -> tuple[dict[t.Any, Cell], list[Finding]]:
        """Return the cells by context and variable, and the findings."""
        snapshot = self.snapshot(*observations, **records)
        return {(cell.context, cell.variable): cell for cell in snapshot.cells}, evaluate(snapshot)

    def findings(self, *observations: Observation, **records: t.Any) -> list[Finding]:
        return evaluate(self.snapshot(*observations, **records))

    def ids(self, *observations: Observation, **records: t.Any) -> list[str]:
        return [finding.rule.id for finding in self.findings(*observations, **records)]


@pytest.fixture
def fake_host(tmp_path: pathlib.Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def slow_workspace(fake_host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a workspace whose module file takes longer to read than a user's files may take, 0.2 s here."""
    monkeypatch.setattr(user_access, "LIMIT", 0.2)
    monkeypatch.setattr(user_access, "_UNRESPONSIVE", {})
    directory = fake_host.tmp / "slow"
    directory.mkdir()
    (directory / "go.mod").write_text("module x\n" + "replace a => ./b\n" * 60_000)
    return str(directory)
