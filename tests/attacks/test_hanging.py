# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system of a user that does not respond, such as a stopped FUSE program: it costs that user alone."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.host import Options, evaluate_limited
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.unresponsive import unresponsive_users
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import apply, rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import login, shell
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.devcontainer import (
    DevcontainerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.goenv import GoEnvContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.systemd_system import (
    SystemdSystemContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.gopherops.devserver.plugins.module_utils._host import user_access
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._support_bundle.collect import BundlePlan, collect

from tests.support.directories import public_directory
from tests.support.mounts import hanging

from .users import FILES, WORKSPACE, environment_of, make_user, writers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several users")
# Seconds.
LIMIT = 0.5


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[list[Account]]:
    monkeypatch.setattr(user_access, "LIMIT", LIMIT)
    with public_directory() as directory:
        yield [make_user(directory, name, 50_000 + number) for number, name in enumerate(("alice", "bob"))]


@pytest.mark.parametrize("module", FILES)
@pytest.mark.parametrize("place", ["", "directory of the file"])
def test_a_hanging_file_system_costs_its_user_alone(
    users: list[Account], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, module: str, place: str
) -> None:
    alice, bob = users
    write = writers(tmp_path, monkeypatch)[module]
    file = pathlib.Path(alice.home, FILES[module][0])
    directory = file.parent if place else pathlib.Path(alice.home)
    directory.mkdir(parents=True, exist_ok=True)
    for made in pathlib.Path(alice.home).rglob("*"):
        os.chown(made, alice.uid, alice.gid)
    with hanging(directory, alice.uid):
        begin = time.monotonic()
        skipped = write(users)
        assert time.monotonic() - begin < 20
    assert {entry.user for entry in skipped} == {"alice"}
    assert f"took longer than {LIMIT:g} s" in skipped[0].reason and "To fix this" in skipped[0].reason
    assert all(os.path.lexists(f"{bob.home}/{name}") for name in FILES[module])
    # The next run is another process.
    user_access._UNRESPONSIVE.clear()
    assert {entry.user for entry in write(users)} == set()


def test_a_user_whose_environment_is_removed_costs_the_limit_once(
    users: list[Account], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = users
    writers(tmp_path, monkeypatch)
    monkeypatch.setattr(rendered, "find_known_account", {"alice": alice}.get)
    monkeypatch.setattr(apply, "user_exists", lambda name: name == "alice")
    declaration = Declaration([environment_of(bob)], "/g", [], exclusive=True)
    monkeypatch.setattr(apply, "KINDS", [*apply.KINDS, LoginContext(), SystemdSystemContext()])
    monkeypatch.setattr(shell, "SCRIPT", f"{tmp_path}/script.sh")
    monkeypatch.setattr(login, "HOOK", f"{tmp_path}/hook")
    apply.apply(dataclasses.replace(declaration, users=list(map(environment_of, users))), check=False)
    with hanging(pathlib.Path(alice.home), alice.uid):
        begin = time.monotonic()
        applied = apply.apply(declaration, check=False)
        assert time.monotonic() - begin < 10
    assert applied.skipped == [] and any("took longer" in warning for warning in applied.warnings)
    # The record by which a later run removes the rest.
    assert (tmp_path / "variables/alice.env").exists()
    user_access._UNRESPONSIVE.clear()
    assert apply.apply(declaration, check=False).warnings == []
    assert not (tmp_path / "variables/alice.env").exists()
    assert not os.path.exists(f"{alice.home}/.config/go/env")


@pytest.mark.parametrize("place", ["", WORKSPACE])
def test_a_report_leaves_out_a_user_whose_files_do_not_respond(users: list[Account], place: str) -> None:
    environments = list(map(environment_of, users))
    hung = pathlib.Path(users[0].home, place)
    assert unresponsive_users(environments, LIMIT) == []
    with hanging(hung, users[0].uid):
        begin = time.monotonic()
        ((user, problem),) = unresponsive_users(environments, LIMIT)
        assert time.monotonic() - begin < 10
    assert user is environments[0]
    assert f"of user alice took longer than {LIMIT:g} s" in problem


@pytest.mark.parametrize("place", [f"{WORKSPACE}/.devcontainer", ".config/go/telemetry", "go/pkg"])
def test_a_report_leaves_out_a_user_whose_files_hang_later(users: list[Account], place: str) -> None:
    environments = list(map(environment_of, users))
    hung = pathlib.Path(users[0].home, place)
    hung.mkdir(parents=True, exist_ok=True)
    for made in pathlib.Path(users[0].home).rglob("*"):
        os.chown(made, users[0].uid, users[0].gid)

    def evaluate(snapshot: Snapshot) -> list[list[str]]:
        return [[one.user.account.name, one.problem] for one in snapshot.observations]

    with hanging(hung, users[0].uid, also_root=True):
        assert unresponsive_users(environments, LIMIT) == []
        begin = time.monotonic()
        declaration = Declaration(environments, "/g", [])
        kinds = [GoEnvContext(), DevcontainerKind()]
        seen = evaluate_limited(declaration, Options(timeout=LIMIT), evaluate, kinds)
        assert time.monotonic() - begin < 40
    assert [name for name, problem in seen if not problem] == ["bob", "bob"]
    ((name, problem),) = [entry for entry in seen if entry[1]]
    assert name == "alice" and f"took longer than {LIMIT:g} s" in problem


def test_a_support_bundle_has_the_files_of_other_users(users: list[Account]) -> None:
    homes = [pathlib.Path(user.home) for user in users]
    for home in homes:
        (home / "crash.log").write_text("log\n")
    patterns = [f"{homes[0].parent}/*/crash.log", f"{homes[0].parent}/[a]*/*.log"]
    plan = BundlePlan(
        "/no", "/no", "/no", [], binaries=[f"{homes[0]}/crash.log"], logs=patterns, since="-1d", coredumps=False
    )
    with hanging(homes[0], users[0].uid, also_root=True):
        begin = time.monotonic()
        items = [item for item in collect(plan) if item.name.startswith(("logs/", "build-info/"))]
        assert time.monotonic() - begin < 20
    found = {item.name.rpartition("_")[0].rpartition("_")[2]: item for item in items if item.name.startswith("logs/")}
    assert found["bob"].text == "log\n"
    assert all(f"took longer than {LIMIT:g} s" in item.problem for item in items if item is not found["bob"])
