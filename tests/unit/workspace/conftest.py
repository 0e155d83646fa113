# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real repository, and a user whose workspaces are completed from it."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.workspace_entry import parse_entry
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.skipped_files import find_failure
from ansible_collections.gopherops.devserver.plugins.module_utils._workspace.go_workspace import WorkspaceRun

# Root works for another account, so that what it must not do itself fails.
_ENTRY = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
AUTHOR = ["-c", "user.name=dev", "-c", "user.email=dev@example.com"]


class Developer:
    """A user with a home, and a repository ``origin`` on the same host."""

    def __init__(self, directory: pathlib.Path, goroot: str) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.home.mkdir()
        self.account = Account("nobody", _ENTRY.pw_uid, _ENTRY.pw_gid, str(self.home), "/bin/sh")
        self.account = self.account._replace(name=_ENTRY.pw_name)
        self.params: dict[str, t.Any] = {"timeout": 60, "goroot": goroot, "toolchain_root": str(directory / "go")}
        self.params["vscode_tools"] = {}
        self.variables = {
            "GOPATH": f"{self.home}/go",
            "GOMODCACHE": f"{self.home}/go/pkg/mod",
            "GOCACHE": f"{self.home}/.cache/go-build",
            "GOTOOLCHAIN": "local",
            "GOPROXY": f"file://{directory}/proxy",
            "GONOSUMDB": "*",
        }
        self.origin = directory / "origin"
        self.url = f"file://{self.origin}"
        self.shop = self.home / "shop"
        self.own(self.home)

    def own(self, path: pathlib.Path) -> None:
        """Give what is below a path to the user."""
        subprocess.run(["chown", "-R", f"{self.account.uid}:{self.account.gid}", path], check=True)

    def git(self, *words: str, at: pathlib.Path | None = None) -> str:
        """Run git as the user."""
        argv = ["git", "-C", str(at or self.origin), *AUTHOR, *words]
        user = {"user": self.account.uid, "group": self.account.gid} if os.geteuid() == 0 else {}
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=env, **user).stdout.rstrip()

    def commit(self, files: t.Mapping[str, str], at: pathlib.Path | None = None) -> str:
        """Write and commit files; return the commit."""
        top = at or self.origin
        for name, text in files.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
        self.own(top)
        self.git("add", "--all", "--force", at=top)
        self.git("commit", "--quiet", "--message=x", at=top)
        return self.git("rev-parse", "HEAD", at=top)

    def converge(self, *, check: bool = False, **options: t.Any) -> Outcome:
        """Complete the workspace shop with these options."""
        return self.converge_all([{"path": str(self.shop), **options}], check=check)

    def converge_all(self, entries: t.Sequence[t.Mapping[str, t.Any]], *, check: bool = False) -> Outcome:
        parsed = [parse_entry(entry, "dev") for entry in entries]
        path = [f"{self.params['goroot']}/bin"]
        user = UserEnvironment(self.account, self.variables, path, [entry.path for entry in parsed], entries=parsed)
        run = WorkspaceRun(self.params, check=check)
        run.converge_user(user)
        return Outcome(run.changes.result(), run.warnings, find_failure(run.skipped))


@pytest.fixture
def developer(goroot: str) -> t.Iterator[Developer]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="workspace-"))
    directory.chmod(0o755)
    made = Developer(directory, goroot)
    made.origin.mkdir()
    made.own(made.origin)
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit({"go.mod": "module example.com/shop\n\ngo 1.21\n", "main.go": "package main\n\nfunc main() {}\n"})
    yield made
    # The module cache is read-only.
    subprocess.run(["chmod", "-R", "u+w", directory], check=True)
    shutil.rmtree(directory)
