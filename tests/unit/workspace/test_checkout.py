# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workspaces are cloned and updated as their user, and never over what the user has made."""

from __future__ import annotations

import os
import subprocess
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.workspace import (
    accept_services,
    reject_missing_workspaces,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.workspace_entry import parse_entry
from ansible_collections.gopherops.devserver.plugins.module_utils._workspace import git

from ..delve.samples import service
from .conftest import Developer


def changed(outcome: t.Any) -> bool:
    return bool(outcome.result["changed"])


def test_a_clone_belongs_to_its_user_and_a_second_run_changes_nothing(developer: Developer) -> None:
    planned = developer.converge(check=True, repo=developer.url)
    assert changed(planned) and not developer.shop.exists()
    made = developer.converge(repo=developer.url)
    assert changed(made) and made.failure is None
    assert {path.stat().st_uid for path in (developer.shop, *developer.shop.rglob("*"))} == {developer.account.uid}
    again = developer.converge(repo=developer.url)
    assert not changed(again) and not again.warnings


def test_a_plan_does_not_miss_what_the_clone_brings(developer: Developer) -> None:
    api = service(account=developer.account, workspace=str(developer.shop), package_dir=f"{developer.shop}/cmd/api")
    with pytest.raises(DevserverError, match="does not exist"):
        reject_missing_workspaces([api])
    developer.converge(check=True, repo=developer.url)
    reject_missing_workspaces([api])
    assert accept_services([api], skipped := []) == [api] and not skipped


def test_an_unchanged_workspace_follows_its_branch(developer: Developer) -> None:
    developer.converge(repo=developer.url, depth=1)
    assert developer.git("rev-list", "--count", "HEAD", at=developer.shop) == "1"
    commit = developer.commit({"new.go": "package main\n"})
    developer.commit({"newer.go": "package main\n"})
    assert changed(developer.converge(check=True, repo=developer.url, depth=1))
    assert not (developer.shop / "new.go").exists()
    assert changed(developer.converge(repo=developer.url, depth=1))
    assert (developer.shop / "newer.go").exists()
    assert developer.git("log", "-1", "--format=%H", commit, at=developer.shop) == commit


def dirty(developer: Developer) -> None:
    (developer.shop / "main.go").write_text("package main // mine\n")


def unpushed(developer: Developer) -> None:
    developer.commit({"mine.go": "package main\n"}, at=developer.shop)


def branch(developer: Developer) -> None:
    developer.git("switch", "--quiet", "--create=mine", at=developer.shop)


def detached(developer: Developer) -> None:
    developer.git("switch", "--quiet", "--detach", at=developer.shop)


def untracked(developer: Developer) -> None:
    (developer.shop / "new.go").write_text("package mine\n")


def moved(developer: Developer) -> None:
    developer.git("remote", "set-url", "origin", "https://example.com/other", at=developer.shop)


def unreachable(developer: Developer) -> None:
    developer.origin.rename(developer.origin.with_name("gone"))


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (dirty, "local changes, such as in main.go"),
        (unpushed, "1 commits that were not pushed"),
        (branch, "is on the branch mine"),
        (detached, "has a detached HEAD"),
        (untracked, "without a loss"),
        (moved, "from another repository"),
        (unreachable, "does not respond"),
    ],
)
def test_what_the_user_has_made_stays(
    developer: Developer, prepare: t.Callable[[Developer], None], reason: str
) -> None:
    developer.converge(repo=developer.url)
    developer.commit({"new.go": "package main\n", "main.go": "package main\n"})
    prepare(developer)
    before = developer.git("log", "--all", "--format=%H %D", at=developer.shop)
    contents = {path: path.read_bytes() for path in developer.shop.glob("*.go")}
    outcome = developer.converge(repo=developer.url)
    (warning,) = outcome.warnings
    assert reason in warning and str(developer.shop) in warning and "To fix this" in warning
    assert not changed(outcome) and outcome.failure is None
    assert {path: path.read_bytes() for path in developer.shop.glob("*.go")} == contents
    assert set(before.splitlines()[0].split()[:1]) <= set(
        developer.git("log", "--all", "--format=%H", at=developer.shop).splitlines()
    )


def test_a_rewritten_branch_is_not_followed(developer: Developer) -> None:
    developer.commit({"a.go": "package main\n"})
    developer.converge(repo=developer.url)
    developer.git("reset", "--quiet", "--hard", "HEAD~1")
    developer.commit({"b.go": "package main\n"})
    outcome = developer.converge(repo=developer.url)
    assert "without a loss" in outcome.warnings[0] and (developer.shop / "a.go").exists()


def test_tags_and_commits_are_followed_without_the_remote(developer: Developer) -> None:
    first = developer.git("rev-parse", "HEAD")
    developer.git("tag", "--annotate", "--message=x", "v1.0.0")
    second = developer.commit({"b.go": "package main\n"})
    developer.git("tag", "v1.1.0")
    for ref, expected in (("v1.0.0", first), ("v1.1.0", second), (first, first), ("v1.1.0", second)):
        assert changed(developer.converge(repo=developer.url, ref=ref))
        assert developer.git("rev-parse", "HEAD", at=developer.shop) == expected
    unreachable(developer)
    outcome = developer.converge(repo=developer.url, ref="v1.1.0")
    assert not changed(outcome) and not outcome.warnings


@pytest.mark.parametrize("depth", [0, 1])
def test_a_commit_is_cloned(developer: Developer, depth: int) -> None:
    first = developer.git("rev-parse", "HEAD")
    developer.commit({"b.go": "package main\n"})
    developer.git("config", "uploadpack.allowAnySHA1InWant", "true")
    outcome = developer.converge(repo=developer.url, ref=first, depth=depth)
    assert outcome.failure is None
    assert developer.git("rev-parse", "HEAD", at=developer.shop) == first
    assert not (developer.shop / "b.go").exists()


def test_pointers_and_missing_submodules_are_reported(developer: Developer) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    developer.commit({".gitattributes": "*.bin filter=lfs\n", "logo.bin": pointer})
    developer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", developer.url, "lib")
    developer.commit({})
    outcome = developer.converge(repo=developer.url)
    submodule, lfs = outcome.warnings
    assert "submodule lib" in submodule and "logo.bin is a pointer of Git LFS" in lfs
    assert developer.converge(repo=developer.url).warnings == [submodule, lfs]


def test_a_failing_clone_stops_no_other_and_leaves_nothing(developer: Developer) -> None:
    good = developer.home / "good"
    entries = [
        {"path": str(developer.shop), "repo": f"{developer.url}-none"},
        {"path": str(good), "repo": developer.url},
    ]
    outcome = developer.converge_all(entries)
    assert outcome.failure and str(developer.shop) in str(outcome.failure) and "does not" in str(outcome.failure)
    assert (good / "main.go").exists() and not developer.shop.exists()
    assert not [path.name for path in developer.home.iterdir() if "unfinished" in path.name]


def test_a_checkout_that_its_user_makes_hang_costs_one_time_limit(
    developer: Developer, monkeypatch: pytest.MonkeyPatch
) -> None:
    developer.converge(repo=developer.url)
    developer.git("config", "core.fsmonitor", "sleep 60; false", at=developer.shop)
    monkeypatch.setattr(git, "_QUERY_TIMEOUT", 1)
    start = time.monotonic()
    outcome = developer.converge(repo=developer.url)
    assert "git status in the workspace" in str(outcome.failure) and time.monotonic() - start < 10


def test_other_files_are_no_workspace(developer: Developer) -> None:
    developer.shop.mkdir()
    (developer.shop / "mine").write_text("")
    developer.own(developer.shop)
    outcome = developer.converge(repo=developer.url)
    assert "contains other files" in str(outcome.failure) and list(developer.shop.iterdir()) == [
        developer.shop / "mine"
    ]


def test_the_rest_of_a_killed_clone_is_replaced(developer: Developer) -> None:
    rest = developer.home / ".shop.unfinished-clone/x"
    rest.mkdir(parents=True)
    developer.own(rest.parent)
    assert developer.converge(repo=developer.url).failure is None
    assert not rest.parent.exists() and (developer.shop / "main.go").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has more rights than the user")
def test_root_follows_no_link_of_the_user(developer: Developer) -> None:
    target = developer.directory / "roots"
    target.mkdir()
    developer.shop.symlink_to(target / "shop")
    (developer.home / ".shop.unfinished-clone").symlink_to(target)
    outcome = developer.converge(repo=developer.url)
    assert outcome.failure and not list(target.iterdir()) and target.exists()


def test_no_transport_but_the_declared_one_is_used(developer: Developer) -> None:
    ran = developer.home / "ran"
    settings = f'[url "ext::sh -c touch% {ran}"]\n\tinsteadOf = https://example.com/\n[protocol]\n\tallow = always\n'
    (developer.home / ".gitconfig").write_text(settings)
    outcome = developer.converge(repo="https://example.com/shop")
    assert "not allowed" in str(outcome.failure) and not ran.exists()


@pytest.mark.parametrize(
    "repo",
    [
        "https://dev:hunter2secret@example.com/x",
        "https://hunter2secret@example.com/x",
        "ssh://git:hunter2secret@example.com/x",
        "https://example.com/x?token=hunter2secret",
        "ext::sh -c hunter2secret",
        "--upload-pack=hunter2secret",
        "/srv/hunter2secret",
        "http://example.com/hunter2secret",
        "git@example.com:x\nhunter2secret",
        7,
    ],
)
def test_addresses_with_secrets_or_other_transports_are_rejected(repo: t.Any) -> None:
    with pytest.raises(DevserverError) as raised:
        parse_entry({"path": "/x", "repo": repo}, "alice")
    assert "repo of the workspace /x of user alice" in str(raised.value) and "hunter2secret" not in str(raised.value)


@pytest.mark.parametrize(
    "repo",
    ["https://example.com/x.git", "ssh://git@example.com:2222/x", "git@example.com:team/x.git", "file:///srv/git/x"],
)
def test_addresses_without_a_password_are_accepted(repo: str) -> None:
    assert parse_entry({"path": "/x", "repo": repo}, "alice").repo == repo


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ref", "--all"),
        ("ref", "a..b"),
        ("ref", 1.2),
        ("depth", "1"),
        ("depth", True),
        ("depth", -1),
        ("modules", ["../x"]),
        ("modules", ["/x"]),
        ("modules", "a"),
        ("go", "1.22"),
        ("warm_up", ["-toolexec=x"]),
        ("repair_checksums", "yes"),
        ("manage_commit", "always"),
    ],
)
def test_invalid_options_are_rejected_with_their_workspace(name: str, value: t.Any) -> None:
    with pytest.raises(DevserverError) as raised:
        parse_entry({"path": "/x", name: value}, "alice")
    assert f"{name} of the workspace /x of user alice is {value!r}" in str(raised.value)


def test_a_deploy_key_is_used_by_reference(developer: Developer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ssh of a test shows its arguments: a server would need a port of the host."""
    programs = developer.home / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/sh\necho "$@" >> {developer.home}/arguments\nexit 255\n')
    (programs / "ssh").chmod(0o755)
    key = developer.home / "key"
    missing = developer.converge(repo="git@example.com:x", deploy_key=str(key))
    assert "cannot be read by user" in str(missing.failure) and str(key) in str(missing.failure)
    key.write_text("secret")
    key.chmod(0o600)
    developer.own(developer.home)
    monkeypatch.setattr(git, "SYSTEM_PATH", f"{programs}:{git.SYSTEM_PATH}")
    developer.converge(repo="git@example.com:x", deploy_key=str(key))
    arguments = (developer.home / "arguments").read_text()
    assert "StrictHostKeyChecking=yes" in arguments and "BatchMode=yes" in arguments
    assert f"-i {key} -o IdentitiesOnly=yes" in arguments
    subprocess.run(["rm", "-rf", programs], check=True)
