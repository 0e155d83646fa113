# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Neither other users nor the content of a repository make git and go run programs, or write to other files."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from .conftest import Developer

MALLORY = 54329


def trap(config: pathlib.Path, developer: Developer) -> pathlib.Path:
    """Let git run a program in the repository with this configuration; return the file that it makes."""
    ran = developer.home / "ran"
    with config.open("a") as file:
        file.write(f'[core]\n\tfsmonitor = "touch {ran}; false"\n')
    return ran


def move_repository(developer: Developer) -> pathlib.Path:
    """Move the repository of the shop to a directory of its own, and return that."""
    place = developer.directory / "git"
    (developer.shop / ".git").rename(place)
    (developer.shop / ".git").write_text(f"gitdir: {place}\n")
    developer.own(developer.shop)
    return place


def share_by_commondir(developer: Developer) -> None:
    place = move_repository(developer)
    place.chmod(0o777)
    linked = developer.directory / "linked"
    linked.mkdir()
    (linked / "commondir").write_text("../git\n")
    (linked / "HEAD").write_text("ref: refs/heads/main\n")
    developer.own(linked)
    (developer.shop / ".git").write_text(f"gitdir: {linked}\n")


SHARED: dict[str, t.Callable[[Developer], object]] = {
    "configuration": lambda developer: (developer.shop / ".git/config").chmod(0o666),
    "workspace": lambda developer: developer.shop.chmod(0o777),
    "source file": lambda developer: os.chown(developer.shop / "main.go", MALLORY, -1),
    "gitdir": lambda developer: move_repository(developer).chmod(0o777),
    "file in gitdir": lambda developer: (move_repository(developer) / "config").chmod(0o666),
    "commondir": share_by_commondir,
}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("way", SHARED)
def test_nothing_runs_in_a_workspace_that_others_can_change(developer: Developer, way: str) -> None:
    developer.converge(repo=developer.url)
    ran = trap(developer.shop / ".git/config", developer)
    SHARED[way](developer)
    outcome = developer.converge(repo=developer.url, warm_up=["./..."], manage=["tasks"])
    (warning,) = outcome.warnings
    assert f"{developer.shop} of user {developer.account.name} is skipped" in warning and "To fix this" in warning
    assert ("all users can write to" in warning or "belongs to" in warning) and not outcome.result["changed"]
    assert not ran.exists() and not (developer.shop / ".vscode").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a user can write to the own directories")
def test_a_shared_workspace_needs_its_option(developer: Developer) -> None:
    team = developer.directory / "team"
    team.mkdir()
    developer.own(team)
    team.chmod(0o1777)
    developer.shop = team / "shop"
    assert "all users can write to" in developer.converge(repo=developer.url).warnings[0]
    assert not developer.shop.exists()
    outcome = developer.converge(repo=developer.url, allow_shared_workspace=True)
    assert outcome.result["changed"] and not outcome.warnings
