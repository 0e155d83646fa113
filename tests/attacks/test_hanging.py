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
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.unresponsive import unresponsive_users
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import apply, rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import login, shell
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.gopherops.devserver.plugins.module_utils._host import user_access
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account

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
    declaration = Declaration([environment_of(bob)], "/g", [], exclusive=True)
    monkeypatch.setattr(apply, "KINDS", [*apply.KINDS, LoginContext()])
    monkeypatch.setattr(shell, "SCRIPT", f"{tmp_path}/script.sh")
    monkeypatch.setattr(login, "HOOK", f"{tmp_path}/hook")
    apply.apply(dataclasses.replace(declaration, users=list(map(environment_of, users))), check=False)
    with hanging(pathlib.Path(alice.home), alice.uid):
        begin = time.monotonic()
        applied = apply.apply(declaration, check=False)
        assert time.monotonic() - begin < 10
    assert applied.skipped == [] and any("took longer" in warning for warning in applied.warnings)
    # The record by which a later run removes the rest.
    assert (tmp_path / "users/alice.sh").exists()
    user_access._UNRESPONSIVE.clear()
    assert apply.apply(declaration, check=False).warnings == []
    assert not (tmp_path / "users/alice.sh").exists()
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
