# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Neither other users nor the content of a repository make git and go run programs, or write to other files."""

from __future__ import annotations

import os
import pathlib
import random
import re
import socket
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.launch import (
    LaunchFileEdit,
    managed_launch_files,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._editor import go_editor
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import KINDS
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.workspace_entry import parse_entry
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import FileEdit, users_file
from ansible_collections.gopherops.devserver.plugins.module_utils._workspace import checkout, files, git, modules
from ansible_collections.gopherops.devserver.plugins.module_utils._workspace.programs import UserPrograms

from .conftest import Developer

MALLORY = 54329
ROOT = Account("root", 0, 0, "/root", "/bin/sh")


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


def test_a_repository_without_a_git_directory_is_not_read(developer: Developer) -> None:
    """Git finds it by its HEAD, objects and refs; its configuration came with the clone."""
    developer.git("init", "--quiet", "--bare", "services/shop")
    ran = trap(developer.origin / "services/shop/config", developer)
    developer.git("config", "--file=services/shop/config", "core.bare", "false")
    developer.git("config", "--file=services/shop/config", "core.worktree", ".")
    developer.commit({f"services/shop/{name}/.keep": "" for name in ("refs", "objects")})
    mono = developer.home / "mono"
    developer.git("clone", "--quiet", developer.url, str(mono), at=developer.home)
    shop = str(mono / "services/shop")
    outcome = developer.converge_all([{"path": shop, "manage": ["launch"], "manage_commit": "exclude"}])
    assert f"git would take {shop} for a repository" in str(outcome.failure) and not ran.exists()


def test_git_finds_no_repository_without_a_git_directory(developer: Developer) -> None:
    developer.variables.update(GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="x.own", GIT_CONFIG_VALUE_0="kept")
    user = UserEnvironment(developer.account, developer.variables, [], [])
    checkout = git.Git(UserPrograms(user, 60), parse_entry({"path": str(developer.origin)}, "dev"))
    settings = checkout.run("config", "--list").stdout.splitlines()
    assert "safe.barerepository=explicit" in settings and "x.own=kept" in settings


def test_building_in_advance_starts_no_version_control(developer: Developer) -> None:
    developer.git("clone", "--quiet", developer.url, str(developer.shop), at=developer.home)
    developer.variables["GOFLAGS"] = "-n"  # Go loads the packages, and compiles nothing.
    ran = trap(developer.shop / ".git/config", developer)
    outcome = developer.converge(warm_up=["."])
    assert outcome.result["changed"] and not outcome.warnings and not ran.exists()


def test_what_was_prepared_is_remembered_in_the_own_cache_without_following_a_link(developer: Developer) -> None:
    notes = developer.home / "notes"
    notes.write_text("precious")
    cache = developer.home / ".cache/gopherops"
    cache.mkdir(parents=True)
    developer.own(developer.home)
    developer.git("clone", "--quiet", developer.url, str(developer.shop), at=developer.home)
    developer.converge(modules=["."])
    (stamp,) = cache.iterdir()
    digest = stamp.read_text()
    stamp.unlink()
    stamp.symlink_to(notes)
    developer.own(developer.home)
    developer.converge(modules=["."])
    assert notes.read_text() == "precious" and not stamp.is_symlink() and stamp.read_text() == digest


def test_every_file_of_a_checkout_has_its_boundary(developer: Developer) -> None:
    shop = str(developer.shop)
    kinds = {shop: ["settings", "launch", "devcontainer"]}
    user = UserEnvironment(developer.account, developer.variables, [], [shop], manage=kinds)
    declaration = Declaration([user], "/g", [])
    edited = [file for kind in KINDS for file in kind.managed_files(declaration) if file.path.startswith(f"{shop}/")]
    edited += managed_launch_files({f"{shop}/.vscode/launch.json": LaunchFileEdit(developer.account, {}, [])})
    edited.append(go_editor._workspace_file(developer.account, shop, {}))
    assert len(edited) == 6 and {file.within for file in edited} == {shop}


@pytest.mark.parametrize("name", [".vscode/launch.json", ".vscode/tasks.json", "shop.code-workspace"])
def test_a_link_out_of_the_workspace_is_not_written(developer: Developer, name: str) -> None:
    profile = developer.home / ".bash_profile"
    developer.git("clone", "--quiet", developer.url, str(developer.shop), at=developer.home)
    (developer.shop / name).parent.mkdir(exist_ok=True)
    (developer.shop / name).symlink_to(os.path.relpath(profile, (developer.shop / name).parent))
    developer.own(developer.shop)
    outcome = developer.converge(manage=["launch", "tasks", "extensions", "code-workspace"], manage_commit="exclude")
    assert f"{developer.shop / name} is a link out of the workspace" in str(outcome.failure) and not profile.exists()
    assert (developer.shop / ".vscode/extensions.json").exists()


def test_git_ignores_nothing_by_a_file_outside_of_the_repository(developer: Developer) -> None:
    developer.git("clone", "--quiet", developer.url, str(developer.shop), at=developer.home)
    (developer.shop / ".git/info/exclude").unlink()
    (developer.shop / ".git/info/exclude").symlink_to(developer.home / "exclude")
    outcome = developer.converge(manage=["tasks"], manage_commit="exclude")
    assert "is a link out of the workspace" in str(outcome.failure) and not (developer.home / "exclude").exists()


@pytest.mark.parametrize(
    ("name", "modules"), [("go.sum", ["."]), ("go.mod", ["."]), ("go.work", ["a", "b"]), ("a/go.mod", ["a", "b"])]
)
def test_go_does_not_start_where_a_module_file_leads_out(
    developer: Developer, name: str, modules: t.Sequence[str]
) -> None:
    other = developer.home / "other"
    developer.git("clone", "--quiet", developer.url, str(developer.shop), at=developer.home)
    for module in ("a", "b"):
        developer.commit({f"{module}/go.mod": f"module example.com/{module}\n\ngo 1.21\n"}, at=developer.shop)
    (developer.shop / name).unlink(missing_ok=True)
    (developer.shop / name).symlink_to(other)
    outcome = developer.converge(modules=modules)
    assert f"{developer.shop / name} is a link out of the workspace" in outcome.warnings[0]
    assert not other.exists() and not outcome.result["changed"]


def test_a_module_that_leads_out_is_not_prepared(developer: Developer) -> None:
    developer.git("clone", "--quiet", developer.url, str(developer.shop), at=developer.home)
    other = developer.home / "other"
    other.mkdir()
    (developer.shop / "api").symlink_to(other)
    outcome = developer.converge(modules=["api"])
    assert "api/go.work is a link out of the workspace" in outcome.warnings[0]


def in_time(function: t.Callable[[], object]) -> bool:
    start = time.monotonic()
    function()
    return time.monotonic() - start < 2


def test_hostile_texts_take_linear_time() -> None:
    lines = [f"//{number * 7919 % 101}" for number in range(48_000)]
    text = "\n".join([*lines, "[]", *reversed(lines)])
    edit = FileEdit(users_file("/x", lambda _now: None, ROOT), text, text.replace("[]", "[1]"))
    assert in_time(lambda: files._difference(edit)) and files._difference(edit) == "-[]\n+[1]"
    assert in_time(lambda: modules._MISMATCH.search("go: x verifying " + "a@" * 50_000))
    texts = {"/x/go.mod": "replace (\n" + "".join(f"a.b/c => ./x{number}\n" for number in range(20_000)) + ")\n"}
    found = modules._lost_directories(modules.ModuleFiles("/x", texts, [], 0, []))
    assert len(found) == 5 and found[1].startswith("/x/go.mod:3: ./x1 has no go.mod")


@pytest.mark.parametrize("ref", ["main", "v2"])
def test_an_ignored_file_of_the_user_is_not_overwritten(developer: Developer, ref: str) -> None:
    developer.commit({".gitignore": ".env\n"})
    developer.converge(repo=developer.url)
    (developer.shop / ".env").write_text("API_KEY=own")
    if ref == "v2":
        developer.git("switch", "--quiet", "--detach", at=developer.shop)
    developer.commit({".env": "theirs"})
    developer.git("tag", "v2")
    outcome = developer.converge(repo=developer.url, ref=ref)
    assert "git does not update it without a loss" in outcome.warnings[0]
    assert (developer.shop / ".env").read_text() == "API_KEY=own"


def test_a_silent_server_costs_its_time_limit_once(developer: Developer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "_SILENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        entries = [{"path": f"{developer.shop}{number}", "repo": f"{url}/{number}"} for number in range(3)]
        other = {"path": str(developer.shop), "repo": developer.url}
        start = time.monotonic()
        outcome = developer.converge_all([*entries, other])
        assert time.monotonic() - start < 20
    assert "it timed out" in str(outcome.failure) and (developer.shop / "main.go").exists()
    assert len(outcome.warnings) == 2 and f"{developer.shop}2 of user" in outcome.warnings[1]
    assert all("did not respond in time" in warning for warning in outcome.warnings)


@pytest.mark.parametrize(
    ("repo", "host"),
    [("https://example.com/x", "example.com"), ("ssh://git@example.com:22/x", "example.com:22"), ("git@a:b/c", "a")],
)
def test_the_host_of_a_repository_is_known(developer: Developer, repo: str, host: str) -> None:
    user = UserEnvironment(developer.account, {}, [], [])
    assert git.Git(UserPrograms(user, 60), parse_entry({"path": "/x", "repo": repo}, "dev")).host == host


def test_a_branch_in_the_place_of_a_tag_is_reported(developer: Developer) -> None:
    developer.git("tag", "v1.0")
    assert not developer.converge(repo=developer.url, ref="v1.0").warnings
    developer.git("switch", "--quiet", "--create=v1.0")
    developer.commit({"main.go": "package evil\n"})
    developer.shop = developer.home / "another"
    (warning,) = developer.converge(repo=developer.url, ref="v1.0").warnings
    assert "is on the branch v1.0, not at the tag v1.0" in warning


def test_git_of_the_declared_path_does_not_run(developer: Developer) -> None:
    program, ran = developer.home / "bin/git", developer.home / "ran"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    developer.params["goroot"] = str(developer.home)
    for _number in range(2):
        assert not developer.converge(repo=developer.url).warnings
    assert (developer.shop / "main.go").exists() and not ran.exists()


COMMIT = "0123456789abcdef" * 2 + "01234567"
PARTS = [
    *("# branch.", "# branch.oid ", "# branch.head main", "\n", "\t", "\0", " ", "-", "+ a", "ref: refs/heads/"),
    *("\u00b2", "7", "9" * 5000, "x" * 20_000, "\udcff", COMMIT, COMMIT[1:], "HEAD", "refs/tags/v1", "/"),
    *("\trefs/heads/main\n", "\trefs/tags/v1\n", "\trefs/tags/v1^{}\n", "https://example.com/x", "1 .M a b c d e f g"),
]


class Forged(UserPrograms):
    """Prints what a program in the configuration of git can print in its place."""

    random = random.Random(1)

    def run(self, directory: str, argv: t.Sequence[str], **options: t.Any) -> Completed:
        text = "".join(self.random.choices(PARTS, k=self.random.randrange(7)))
        repo = "https://example.com/x" if "config" in argv and self.random.random() < 0.8 else text
        return Completed(argv, self.random.choice([0, 0, 0, 1]), repo, text)


@pytest.mark.parametrize("ref", ["main", "v1", ""])
def test_random_output_of_git_raises_no_other_error(developer: Developer, ref: str) -> None:
    (developer.shop / ".git").mkdir(parents=True)
    developer.own(developer.home)
    entry = parse_entry({"path": str(developer.shop), "repo": "https://example.com/x", "ref": ref or None}, "dev")
    repository = git.Git(Forged(UserEnvironment(developer.account, {"GIT_CONFIG_COUNT": "\u00b2"}, [], []), 60), entry)
    warnings: list[str] = []
    for _number in range(1000):
        checkout._update(repository, entry, warnings, check=False)
        warnings += repository.find_missing_parts()
        repository.count_unpushed()
        repository.tracked(["go.work"])
        assert all("\0" not in file.path for file in files.exclude_file(repository, entry, developer.account, []))
        target, status = repository.find_target(), repository.status()
        assert not isinstance(target, git.Target) or re.fullmatch("[0-9a-f]{40}", target.commit)
        assert status is None or re.fullmatch("([0-9a-f]{40})?", status.commit)
    for part in ("its submodule", "Git LFS", "does not respond as expected"):
        assert any(part in warning for warning in warnings)
    assert max(map(len, warnings)) < 11_000


def test_a_program_that_hangs_costs_its_time_limit_once(developer: Developer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "_QUERY_TIMEOUT", 1)
    entries = [{"path": f"{developer.shop}{number}", "repo": developer.url} for number in range(3)]
    developer.converge_all(entries)
    developer.git("config", "--global", "core.fsmonitor", "sleep 300; false", at=developer.home)
    outcome = developer.converge_all([*entries, {"path": str(developer.shop), "manage": ["launch"]}])
    assert f"git status in the workspace {developer.shop}0" in str(outcome.failure)
    assert "shop1" not in str(outcome.failure) and not developer.shop.exists()
    assert len(outcome.warnings) == 3
    assert all("is skipped: a program timed out" in warning for warning in outcome.warnings)


def test_thousands_of_attribute_files_are_no_arguments(developer: Developer) -> None:
    developer.converge(repo=developer.url)
    blob = developer.git("rev-parse", "HEAD:main.go")
    index = developer.shop / "index"
    index.write_text("".join(f"100644 {blob}\td{n}/{'n' * 200}/.gitattributes\n" for n in range(12_000)))
    developer.git("-c", f"alias.add-all=!git update-index --add --index-info <{index}", "add-all", at=developer.shop)
    user = UserEnvironment(developer.account, developer.variables, [], [])
    entry = parse_entry({"path": str(developer.shop)}, "dev")
    assert list(git.Git(UserPrograms(user, 60), entry).find_missing_parts()) == []
