# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go installations that are not ours."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host import user_access
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain import unmanaged
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.unmanaged import (
    UnmanagedGo,
    find_unmanaged,
    parse_packages,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.workspaces import (
    AvailableGo,
    mismatches_as,
)

from tests.support.mounts import hanging


@dataclasses.dataclass
class Host:
    """A host's files below a directory, and the home of one user there."""

    root: pathlib.Path

    def tree(self, path: str, version: str = "") -> pathlib.Path:
        directory = self.root / path
        directory.mkdir(parents=True)
        if version:
            (directory / "VERSION").write_text(f"go{version}\ntime x\n")
        return directory

    def found(self) -> set[tuple[str, str, str | None, str | None]]:
        me = Account("me", os.getuid(), os.getgid(), str(self.root / "home/me"), "/bin/sh")
        found, _problems = find_unmanaged([me], managed=str(self.root / "usr/local/lib/go"), host=str(self.root))
        return {(item.kind, os.path.relpath(item.path, self.root), item.version, item.user) for item in found}


@pytest.fixture
def unmanaged_host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(unmanaged, "_LISTS", ())
    return Host(tmp_path)


def test_a_host_without_go_has_none(unmanaged_host: Host) -> None:
    assert unmanaged_host.found() == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_a_home_that_hangs_costs_its_own_limit_and_no_other_home(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unmanaged, "_LISTS", ())
    monkeypatch.setattr(unmanaged, "_PATIENCE", 0.5)
    monkeypatch.setattr(user_access, "_UNRESPONSIVE", {})
    monkeypatch.setattr(user_access, "LIMIT", 0.5)
    homes = {name: tmp_path / name for name in ("hung", "other")}
    accounts = [Account(name, 0, 0, str(home), "/bin/sh") for name, home in homes.items()]
    (homes["hung"] / "sdk").mkdir(parents=True)
    (homes["other"] / "sdk/go1.20").mkdir(parents=True)
    with hanging(homes["hung"], 0):
        found, problems = find_unmanaged(accounts, managed="/usr/local/lib/go", host=str(tmp_path))
        (entry,) = mismatches_as(None, [str(homes["hung"])], AvailableGo([], None, "local"), None)
    assert [(item.kind, item.user) for item in found] == [("sdk", "other")]
    assert problems == [f"{homes['hung']} of user hung took longer than 0.5 s"]
    assert entry.cause == f"unreadable: {homes['hung']} took longer than 0.5 s"


def test_managed_toolchains_are_not_unmanaged(unmanaged_host: Host) -> None:
    unmanaged_host.tree("usr/local/lib/go/1.22.12", "1.22.12")
    (unmanaged_host.root / "usr/local/go").symlink_to("lib/go/1.22.12")
    assert unmanaged_host.found() == set()


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("distribution", "usr/lib/go-1.19"),
        ("distribution", "usr/lib/golang"),
        ("unpacked", "usr/local/go"),
        ("sdk", "home/me/sdk/go1.20.1"),
        ("sdk", "home/me/sdk/gotip"),
        ("unpacked", "opt/go"),
        ("unpacked", "opt/go/1.20.1"),
        ("unpacked", "opt/go1.20.1"),
        ("unpacked", "usr/local/go-1.20"),
        ("homebrew", "home/linuxbrew/.linuxbrew/Cellar/go/1.20.1/libexec"),
        ("homebrew", "home/linuxbrew/.linuxbrew/Cellar/go@1.20/1.20.1/libexec"),
        ("manager", "home/me/.gvm/gos/go1.20.1"),
        ("manager", "home/me/.goenv/versions/1.20.1"),
        ("manager", "home/me/.asdf/installs/golang/1.20.1/go"),
        ("manager", "home/me/.local/share/mise/installs/go/1.20.1"),
        ("manager", "home/me/.gobrew/versions/1.20.1/go"),
    ],
)
def test_a_tree_is_found_with_its_version(unmanaged_host: Host, kind: str, path: str) -> None:
    unmanaged_host.tree(path, "1.20.1")
    assert unmanaged_host.found() == {(kind, path, "1.20.1", "me" if kind in ("sdk", "manager") else None)}


def test_parts_of_a_tree_and_links_to_one_are_no_trees(unmanaged_host: Host) -> None:
    for part in ("src", "bin", "pkg"):
        unmanaged_host.tree(f"opt/go/{part}")
    (unmanaged_host.root / "opt/go/bin/go").write_text("")
    unmanaged_host.tree("home/me/.sdkman/candidates/go/1.22.1", "1.22.1")
    (unmanaged_host.root / "home/me/.sdkman/candidates/go/current").symlink_to("1.22.1")
    assert unmanaged_host.found() == {
        ("unpacked", "opt/go", None, None),
        ("manager", "home/me/.sdkman/candidates/go/1.22.1", "1.22.1", "me"),
    }


def test_a_tree_without_a_version(unmanaged_host: Host) -> None:
    unmanaged_host.tree("usr/lib/go-1.19")
    assert unmanaged_host.found() == {("distribution", "usr/lib/go-1.19", None, None)}


def test_a_link_to_another_tree_is_not_counted_twice(unmanaged_host: Host) -> None:
    unmanaged_host.tree("usr/lib/go-1.19")
    (unmanaged_host.root / "usr/lib/go").symlink_to("go-1.19")
    assert unmanaged_host.found() == {("distribution", "usr/lib/go-1.19", None, None)}


def test_snaps_current_revision(unmanaged_host: Host) -> None:
    unmanaged_host.tree("snap/go/10500", "1.22.1")
    (unmanaged_host.root / "snap/go/current").symlink_to("10500")
    assert unmanaged_host.found() == {("snap", "snap/go/current", "1.22.1", None)}


def test_commands_in_a_home_but_no_tools(unmanaged_host: Host) -> None:
    directory = unmanaged_host.tree("home/me/go/bin")
    for name in ("go", "go1.21.0", "go1.22rc1", "gotip", "gopls", "golangci-lint", "dlv", "go-outline"):
        (directory / name).write_text("")
    expected = ("go", "go1.21.0", "go1.22rc1", "gotip")
    assert unmanaged_host.found() == {("command", f"home/me/go/bin/{name}", None, "me") for name in expected}


def test_packages() -> None:
    listing = """installed golang-1.19-go 1.19.8-2
installed golang-1.19-go 1.19.8-2
installed golang-go 2:1.19~1
config-files golang-1.15-go 1.15.1
installed golang-github-spf13-cobra-dev 1.6
installed gopls 1:0.1
installed gccgo-12 12.2.0
"""
    assert list(parse_packages(listing)) == [
        UnmanagedGo("package", "gccgo-12", "12.2.0", None),
        UnmanagedGo("package", "golang-1.19-go", "1.19.8-2", None),
        UnmanagedGo("package", "golang-go", "2:1.19~1", None),
    ]


def test_the_package_managers_of_this_host_are_queried() -> None:
    assert all(item.version for item in find_unmanaged([], managed="/usr/local/lib/go")[0] if item.kind == "package")
