# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A broken file or directory of one user is skipped and reported; everything else is written."""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import apply, rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import (
    cron,
    pam,
    shell,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.cron import CronContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.devcontainer import (
    DevcontainerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.goenv import GoEnvContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.systemd_system import (
    SystemdSystemContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_debug import (
    VscodeDebugKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_block import BEGIN, END

ENV = ".config/go/env"
SETTINGS = ".vscode-server/data/Machine/settings.json"
LAUNCH = "work/.vscode/launch.json"
CONTAINER = "work/.devcontainer/devcontainer.json"
# Below the directory of the test.
CRONTAB = "../crontabs/alice"
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


class Host:
    """Two users: ``alice`` has something broken, ``bob`` has not."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.alice, self.bob = (self._user(directory, name) for name in ("alice", "bob"))
        self.declaration = Declaration([self.alice, self.bob], "/g", [])

    @staticmethod
    def _user(directory: pathlib.Path, name: str) -> UserEnvironment:
        account: Account = find_account(getpass.getuser())._replace(name=name, home=str(directory / name))
        home = directory / name
        texts = {SETTINGS: '{\n  "go.gopath": "/x"\n}\n', LAUNCH: '{"configurations": []}', CONTAINER: "{}"}
        for path, text in texts.items():
            (home / path).parent.mkdir(parents=True)
            (home / path).write_text(text)
        (home / ENV).parent.mkdir(parents=True)
        variables = {"GOPATH": f"{home}/go", "GOCACHE": f"{home}/cache"}
        variables["GOPROXY"] = "https://proxy.example"
        manage = {f"{home}/work": ["launch", "devcontainer"]}
        return UserEnvironment(account, variables, [], [f"{home}/work"], [f"{home}/{SETTINGS}"], manage=manage)

    def of(self, user: UserEnvironment, path: str) -> pathlib.Path:
        return pathlib.Path(user.account.home, path)

    def apply(self, *, check: bool = False) -> apply.Applied:
        return apply.apply(self.declaration, check=check)


@pytest.fixture
def mixed_host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    contexts = [GoEnvContext(), CronContext(), VscodeServerKind(), VscodeDebugKind(), DevcontainerKind()]
    monkeypatch.setattr(apply, "KINDS", contexts)
    (tmp_path / "crontabs").mkdir()
    monkeypatch.setattr(cron, "CRONTABS", (str(tmp_path / "crontabs"),))
    for module, name in ((cron, "_PAM"), (pam, "DIRECTORY"), (pam, "SERVICE"), (pam, "USERS_SERVICE")):
        monkeypatch.setattr(module, name, f"{tmp_path}/pam/{name}")
    # The users of this test do not exist, so nobody's rights can be taken.
    monkeypatch.setattr("os.getgrouplist", lambda _name, gid: [gid])
    return Host(tmp_path)


def fifo(path: pathlib.Path) -> None:
    os.mkfifo(path)


def loop(path: pathlib.Path) -> None:
    path.symlink_to(path.name)


def dangling(path: pathlib.Path) -> None:
    (path.parent / "file").write_text("")
    path.symlink_to("file/go/env")


def foreign(path: pathlib.Path) -> None:
    path.write_text("GOPATH=/old\n")
    os.chown(path, 12345, 12345)


def foreign_directory(path: pathlib.Path) -> None:
    path.mkdir()
    os.chown(path, 12345, 12345)


def broken_json(path: pathlib.Path) -> None:
    path.write_text('{\n  "a": 1\n  "b": 2}')


def broken_block(path: pathlib.Path) -> None:
    path.write_text("MAILTO=me\n\n" + BEGIN + "\nPATH=/old\n")


def no_object(path: pathlib.Path) -> None:
    path.write_text('{"go.toolsEnvVars":\n  []}')


def below_a_file(path: pathlib.Path) -> None:
    path.write_text("")


# What is broken, where, how, and what is reported: line, column, and words of the reason.
KINDS: dict[str, t.Any] = {
    "a pipe in the place of a file": (ENV, fifo, None, None, "not a regular file"),
    "a directory in the place of a file": (ENV, pathlib.Path.mkdir, None, None, "not a regular file"),
    "a loop of links": (ENV, loop, None, None, "Too many levels of symbolic links"),
    "a dangling link to where nothing can be made": (ENV, dangling, None, None, "is a link to"),
    "settings with a syntax error": (SETTINGS, broken_json, 3, 3, "found '\"'"),
    "settings with a list in the place of an object": (SETTINGS, no_object, 2, 3, "passes through the array"),
    "a launch configuration with a syntax error": (LAUNCH, broken_json, 3, 3, "found '\"'"),
    "a dev container with a syntax error": (CONTAINER, broken_json, 3, 3, "found '\"'"),
    "a crontab with half a managed block": (
        CRONTAB,
        broken_block,
        3,
        None,
        "the marks of the managed block are broken",
    ),
    "a pipe in the place of settings": (SETTINGS, fifo, None, None, "not a regular file"),
    "a file in the place of a directory": ("go", below_a_file, None, None, "is not a directory"),
}
ROOT_KINDS: dict[str, t.Any] = {
    "a directory of another user": ("go", foreign_directory, None, None, "it belongs to uid 12345"),
}


@pytest.mark.parametrize("kind", [*KINDS, *(pytest.param(kind, marks=ROOT) for kind in ROOT_KINDS)])
def test_everything_else_is_written_and_a_repair_completes_it(mixed_host: Host, kind: str) -> None:
    name, break_it, line, column, words = {**KINDS, **ROOT_KINDS}[kind]
    broken = pathlib.Path(os.path.normpath(mixed_host.of(mixed_host.alice, name)))
    if broken.exists():
        broken.unlink()
    break_it(broken)

    announced, applied, again = mixed_host.apply(check=True), mixed_host.apply(), mixed_host.apply()

    (skipped,) = applied.skipped
    assert (skipped.user, skipped.file, skipped.line, skipped.column) == ("alice", str(broken), line, column)
    assert words in skipped.reason
    assert announced.skipped == again.skipped == applied.skipped
    assert announced.changes.result() == applied.changes.result()
    assert not again.changes
    for user in (mixed_host.alice, mixed_host.bob):
        written = [path for path in (ENV, SETTINGS, "go", "cache") if mixed_host.of(user, path) != broken]
        assert all(mixed_host.of(user, path).exists() for path in written), user
    assert "GOPATH=" in mixed_host.of(mixed_host.bob, ENV).read_text()
    assert f'"go.gopath": "{mixed_host.bob.account.home}/go"' in mixed_host.of(mixed_host.bob, SETTINGS).read_text()

    assert '"GOPROXY": "https://proxy.example"' in mixed_host.of(mixed_host.bob, CONTAINER).read_text()
    assert "PATH=" in mixed_host.of(mixed_host.bob, "../crontabs/bob").read_text()

    shutil.rmtree(broken) if broken.is_dir() else broken.unlink()
    repaired = mixed_host.apply()
    assert (repaired.skipped, repaired.failure) == ([], None)
    assert not mixed_host.apply().changes


def test_a_file_that_is_not_utf_8_keeps_its_bytes(mixed_host: Host) -> None:
    settings = mixed_host.of(mixed_host.alice, SETTINGS)
    settings.write_bytes(b'{\n  "name": "caf\xe9"\n}\n')
    applied = mixed_host.apply()
    assert not applied.skipped
    assert b'"name": "caf\xe9"' in settings.read_bytes()
    assert b"go.toolsEnvVars" in settings.read_bytes()


def test_the_message_lists_all_users_with_their_files(mixed_host: Host) -> None:
    broken_json(mixed_host.of(mixed_host.alice, SETTINGS))
    broken_json(mixed_host.of(mixed_host.bob, SETTINGS))
    fifo(mixed_host.of(mixed_host.bob, ENV))
    failure = str(mixed_host.apply().failure)
    assert failure.startswith("files of these users were not edited: alice, bob.\n")
    assert f"\nalice: {mixed_host.of(mixed_host.alice, SETTINGS)}:3:3: " in failure
    assert f"\nbob: {mixed_host.of(mixed_host.bob, ENV)} is not a regular file" in failure
    assert f"\nbob: {mixed_host.of(mixed_host.bob, SETTINGS)}:3:3: " in failure
    assert failure.count("To fix this: ") == 3


def unreadable(path: pathlib.Path) -> None:
    path.write_text("GOPATH=/old\n")
    path.chmod(0)


@ROOT
@pytest.mark.parametrize(("break_it", "words"), [(foreign, "belongs to uid 12345"), (unreadable, "Permission denied")])
def test_a_file_that_its_user_cannot_use_is_skipped(
    mixed_host: Host, tmp_path: pathlib.Path, break_it: t.Callable[[pathlib.Path], None], words: str
) -> None:
    """As root with the rights of one user, who cannot give the file back to another."""
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == 0 and directory != directory.parent:
            directory.chmod(directory.stat().st_mode | 0o011)
    nobody = find_account("nobody")
    users = [
        UserEnvironment(user.account._replace(uid=nobody.uid, gid=nobody.gid), user.variables, [])
        for user in (mixed_host.alice, mixed_host.bob)
    ]
    for path in (pathlib.Path(user.account.home) for user in users):
        for part in (path, *path.rglob("*")):
            os.chown(part, nobody.uid, nobody.gid)
    mixed_host.declaration = Declaration(users, "/g", [])
    broken = mixed_host.of(mixed_host.alice, ENV)
    break_it(broken)
    if break_it is unreadable:
        os.chown(broken, nobody.uid, nobody.gid)
    applied = mixed_host.apply()
    assert [(entry.user, entry.file) for entry in applied.skipped] == [("alice", str(broken))]
    assert words in str(applied.failure)
    assert (broken.read_text(), mixed_host.of(mixed_host.bob, ENV).exists()) == ("GOPATH=/old\n", True)


def test_a_failing_write_is_isolated_too(mixed_host: Host) -> None:
    """Only the write itself meets a disk quota; the limit on the size of a file has the same effect."""
    mixed_host.of(mixed_host.alice, ENV).write_text("# " + "x" * 300_000 + "\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        applied = mixed_host.apply()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (skipped,) = applied.skipped
    assert (skipped.user, skipped.file) == ("alice", str(mixed_host.of(mixed_host.alice, ENV)))
    assert "File too large" in skipped.reason
    assert str(mixed_host.of(mixed_host.alice, ENV)) not in str(applied.changes.result())
    assert "GOPATH=" in mixed_host.of(mixed_host.bob, ENV).read_text()
    assert sorted(os.listdir(mixed_host.of(mixed_host.alice, ENV).parent)) == ["env"]


def test_a_later_run_still_removes_what_this_one_could_not(
    mixed_host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """What units read is the only record of what was given; it must not forget it before all files have."""
    users = tmp_path / "units"
    monkeypatch.setattr(apply, "KINDS", [SystemdSystemContext(), VscodeServerKind()])
    monkeypatch.setattr(apply, "OWN_DIRECTORIES", [])
    monkeypatch.setattr(rendered, "UNITS", str(users))
    monkeypatch.setattr(apply, "user_exists", lambda _name: True)
    full = mixed_host.declaration
    mixed_host.declaration = Declaration(
        [
            UserEnvironment(user.account, {**user.variables, "GOFLAGS": "-x"}, [], (), user.vscode_settings)
            for user in full.users
        ],
        "/g",
        [],
    )
    assert not mixed_host.apply().skipped
    settings = mixed_host.of(mixed_host.alice, SETTINGS)
    good = settings.read_text()
    settings.write_text(good + "oops")
    mixed_host.declaration = full
    skipped = mixed_host.apply().skipped
    assert {entry.file for entry in skipped} == {str(settings), str(users / "alice.env")}
    assert "records the variables that are to be removed" in skipped[1].reason
    assert "GOFLAGS" in (users / "alice.env").read_text()
    assert "GOFLAGS" not in (users / "bob.env").read_text() + mixed_host.of(mixed_host.bob, SETTINGS).read_text()
    assert not mixed_host.apply().changes
    settings.write_text(good)
    assert not mixed_host.apply().skipped
    assert "GOFLAGS" not in (users / "alice.env").read_text() + settings.read_text()


def outsized(path: pathlib.Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 * 1024 * 1024 + 1)


def half_a_block(path: pathlib.Path) -> None:
    path.write_text(f"{END}\n")


@pytest.mark.parametrize("break_it", [half_a_block, outsized])
@pytest.mark.parametrize("name", [getpass.getuser(), "no-such-user"])
def test_the_crontab_of_an_unlisted_user_causes_only_a_warning(
    mixed_host: Host, break_it: t.Callable[[pathlib.Path], None], name: str
) -> None:
    mixed_host.declaration = dataclasses.replace(mixed_host.declaration, exclusive=True)
    crontab = mixed_host.of(mixed_host.bob, f"../crontabs/{name}")
    break_it(crontab)
    announced, applied = mixed_host.apply(check=True), mixed_host.apply()
    assert (applied.failure, announced.failure) == (None, None)
    (warning,) = applied.warnings
    assert f"of user {name}, who is not listed, was left as it is: {os.path.normpath(crontab)}" in warning
    assert announced.warnings == applied.warnings
    assert "GOPATH=" in mixed_host.of(mixed_host.bob, ENV).read_text()


@pytest.mark.parametrize("has_account", [True, False])
@pytest.mark.parametrize("broken", ["record", ENV])
def test_files_of_a_user_who_is_no_longer_listed_cause_only_a_warning(
    mixed_host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, has_account: bool, broken: str
) -> None:
    users = tmp_path / "units"
    monkeypatch.setattr(apply, "KINDS", [SystemdSystemContext(), GoEnvContext()])
    monkeypatch.setattr(apply, "OWN_DIRECTORIES", [])
    monkeypatch.setattr(rendered, "UNITS", str(users))
    account = mixed_host.alice.account if has_account else None
    monkeypatch.setattr(rendered, "find_known_account", lambda _name: account)
    monkeypatch.setattr(apply, "user_exists", lambda _name: has_account)
    assert not mixed_host.apply().skipped
    mixed_host.declaration = Declaration([mixed_host.bob], "/g", [], exclusive=True)
    record, env = users / "alice.env", mixed_host.of(mixed_host.alice, ENV)
    file = record if broken == "record" else env
    file.unlink()
    outsized(file)
    mixed_host.of(mixed_host.bob, ENV).write_text("")

    applied = mixed_host.apply()

    left = [file] if broken == "record" else [env, record] if has_account else []
    assert (applied.failure, applied.skipped) == (None, [])
    assert [text.partition(",")[0] for text in applied.warnings] == [f"{path} of user alice" for path in left]
    assert "GOPATH=" in mixed_host.of(mixed_host.bob, ENV).read_text()


def test_an_error_of_the_host_itself_ends_the_run(mixed_host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(apply, "KINDS", [LoginContext(), GoEnvContext()])
    monkeypatch.setattr(shell, "SCRIPT", str(tmp_path / "script.sh"))
    fifo(tmp_path / "script.sh")
    with pytest.raises(DevserverError, match="not a regular file"):
        mixed_host.apply()
    assert not mixed_host.of(mixed_host.bob, ENV).exists()


def run_module(**arguments: t.Any) -> dict[str, t.Any]:
    """Run go_env in a process of its own, in check mode because it writes to /etc."""
    completed = subprocess.run(
        [sys.executable, "-m", "ansible_collections.gopherops.devserver.plugins.modules.go_env"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {"_ansible_check_mode": True, **arguments}}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    result: dict[str, t.Any] = json.loads(completed.stdout)
    return result


@pytest.mark.parametrize("diff", [True, False])
def test_the_module_fails_at_its_end_with_the_whole_result(tmp_path: pathlib.Path, diff: bool) -> None:
    settings = tmp_path / "settings.json"
    broken_json(settings)
    users = [{"name": getpass.getuser()}]
    result = run_module(users=users, vscode_settings=[str(settings)], _ansible_diff=diff)
    assert (result["failed"], result["changed"], "diff" in result) == (True, True, diff)
    (skipped,) = result["skipped_files"]
    assert skipped["reason"] in result["msg"]
    assert {name: skipped[name] for name in ("user", "file", "line", "column")} == {
        "user": getpass.getuser(),
        "file": str(settings),
        "line": 3,
        "column": 3,
    }
    assert [user["name"] for user in result["users"]] == [getpass.getuser()]
