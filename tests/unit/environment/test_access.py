# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that changes the host's own files prepares their restoration; one that does not costs nothing."""

from __future__ import annotations

import getpass
import os
import pathlib
import subprocess
import time
import types
import typing as t

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from ansible_collections.gopherops.devserver.plugins.action.go_env import ActionModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import (
    access,
    apply,
    go_env,
    rendered,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import pam
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import ContextKind
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import (
    ManagedFile,
    block_in,
    users_file,
    whole_file,
)
from ansible_collections.gopherops.devserver.plugins.plugin_utils import access as action

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the host's files")


class Host:
    """A host with one file of its own, whose last line is ``text``; ``users`` are files of users."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.file = directory / "sudo"
        self.file.write_text("auth include common-auth\n")
        self.file.chmod(0o640)
        self.record = directory / "access.json"
        self.text = "session include gopherops-go\n"
        self.users: list[ManagedFile] = []

    def files(self) -> list[ManagedFile]:
        return [*self.users, block_in(str(self.file), self.text, first=False)]

    def run(
        self, *, check: bool = False, rollback_after: int = 60, proven: bool = True, **request: t.Any
    ) -> dict[str, t.Any]:
        params = {name: option.get("default") for name, option in go_env.ARGUMENT_SPEC.items()}
        params.update(rollback_after=rollback_after, _access=dict(request, proven=proven) if request else {})
        return go_env.converge(params, check=check).result

    @property
    def changed(self) -> bool:
        return "gopherops-go" in self.file.read_text()

    def wait_for_restoration(self) -> None:
        deadline = time.monotonic() + 20
        while self.changed or self.record.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    fake = Host(tmp_path)

    class Kind(ContextKind):
        def contexts_of(self, user: t.Any, outer: t.Any) -> t.Any:
            return []

        def managed_files(self, declaration: t.Any) -> list[ManagedFile]:
            return fake.files()

    monkeypatch.setattr(apply, "KINDS", [Kind()])
    monkeypatch.setattr(apply, "OWN_DIRECTORIES", [])
    for name, file in {"DIRECTORY": "", "RECORD": "access.json", "PROGRAM": "roll_back.py"}.items():
        monkeypatch.setattr(access, name, str(tmp_path / file))
    return fake


def test_files_that_are_not_confirmed_come_back(host: Host) -> None:
    before = (host.file.read_text(), host.file.stat().st_mode)
    assert host.run(prepare=True, rollback_after=1)["unconfirmed"]
    assert host.changed
    host.wait_for_restoration()
    assert (host.file.read_text(), host.file.stat().st_mode) == before


def test_files_that_are_confirmed_stay(host: Host) -> None:
    host.run(confirm=host.run(prepare=True, rollback_after=1)["unconfirmed"])
    time.sleep(2)
    assert host.changed
    assert not host.record.exists()
    assert "unconfirmed" not in host.run(prepare=True)


def test_files_can_be_restored_at_once(host: Host) -> None:
    identifier = host.run(prepare=True)["unconfirmed"]
    for _time in range(2):
        host.run(roll_back=identifier)
        assert not host.changed
    with pytest.raises(DevserverError, match="raise rollback_after"):
        host.run(confirm=identifier)


def test_a_failure_restores_at_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: t.Any, edits: t.Any) -> None:
        host.file.write_text(edits[0].after)
        raise OSError("disk full")

    monkeypatch.setattr(apply._Run, "write", fail)
    with pytest.raises(DevserverError, match="disk full"):
        host.run(prepare=True)
    assert not host.changed
    assert not host.record.exists()


def test_the_next_run_begins_with_what_was_before_an_unconfirmed_one(host: Host) -> None:
    host.run(prepare=True)
    assert host.run(check=True)["changed"]
    host.text = "session include gopherops-go-users\n"
    host.run(confirm=host.run(prepare=True)["unconfirmed"])
    assert not host.run(check=True)["changed"]
    assert host.file.read_text().count("session include") == 1


@pytest.mark.parametrize(
    ("check", "rollback_after", "request_"),
    [(True, 60, {"prepare": True}), (False, 0, {"prepare": True}), (False, 60, {})],
    ids=["check mode", "without rollback", "without the action"],
)
def test_nothing_is_prepared(host: Host, check: bool, rollback_after: int, request_: dict[str, bool]) -> None:
    assert "unconfirmed" not in host.run(check=check, rollback_after=rollback_after, **request_)
    assert not host.record.exists()
    assert host.changed != check


def test_files_of_users_need_no_proof(host: Host, tmp_path: pathlib.Path) -> None:
    host.run(confirm=host.run(prepare=True)["unconfirmed"])
    user = find_account(getpass.getuser())._replace(home=str(tmp_path))
    host.users = [users_file(str(tmp_path / "settings.json"), lambda _now: "{}\n", user)]
    result = host.run(prepare=True)
    assert result["changed"]
    assert "unconfirmed" not in result


LONG = "\1" * (1 << 20)


@pytest.mark.parametrize(
    ("text", "recorded_uid", "restored"),
    [("old\n", 0, True), (LONG, 0, False), ("old\n", 1, False), (None, 0, False)],
    ids=["own", "large", "of another account", "new"],
)
def test_a_users_script_comes_back_where_nobody_else_can_have_written_it(
    host: Host, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, text: str, recorded_uid: int, restored: bool
) -> None:
    user, script = find_account(getpass.getuser()), tmp_path / "users/root.sh"
    monkeypatch.setattr(rendered, "USERS", str(tmp_path / "users"))
    monkeypatch.setattr(rendered, "recorded_accounts", lambda _name: [user._replace(uid=recorded_uid)])
    script.parent.mkdir()
    before = whole_file(str(script), text).content(None)
    if before:
        script.write_text(before)
    host.users = [whole_file(str(script), "new\n", mode=0o400, owner=user)]
    identifier = host.run(prepare=True)["unconfirmed"]
    assert host.record.stat().st_size < 100_000
    # Its user writes what the timer cannot read in any time.
    os.truncate(script, 1 << 42)
    host.run(roll_back=identifier)
    assert not host.changed
    assert script.exists() == restored and (not restored or script.read_text() == before)
    assert not host.record.exists()


def test_a_crontab_stays_with_its_user(host: Host, tmp_path: pathlib.Path) -> None:
    crontab, user = tmp_path / "crontab", find_account(getpass.getuser())
    crontab.write_text(LONG[:100_000])
    host.users = [block_in(str(crontab), "PATH=/x\n", first=True)._replace(owner=user)]
    result = host.run(prepare=True)
    assert host.record.stat().st_size < 100_000
    assert result["kept"] == [str(crontab)]


@pytest.fixture
def ssh() -> t.Any:
    """The connection plugin ssh, with the options of a play that keeps its connection open."""
    plugin = connection_loader.get("ssh", PlayContext(), os.devnull)
    plugin.set_options(direct={"ssh_args": "-o ControlMaster=auto -o ControlPersist=60s", "host": "example"})
    return plugin


def test_the_proof_is_made_beside_the_connection_of_the_play(ssh: t.Any) -> None:
    def command() -> str:
        return b" ".join(ssh._build_command("ssh", "ssh", "example", "true")).decode()

    usual = command()
    with action._new_connection(ssh):
        # The first value is in force.
        assert command().index("ControlPath=none") < command().index("ControlMaster=auto")
        assert command().count("ControlPath") == 1
    assert command() == usual


def test_other_connections_are_opened_again() -> None:
    plugin = connection_loader.get("local", PlayContext(), os.devnull)
    plugin._connect()
    with action._new_connection(plugin):
        assert not plugin._connected
        assert plugin.exec_command("echo hello")[1] == b"hello\n"


class LockedOut(ActionModule):
    """The action on a host to which no new connection can be made for some requests."""

    def __init__(self, host: Host, *fails: str) -> None:
        self._host = host
        self._fails = fails
        self._task = types.SimpleNamespace(args={}, check_mode=False, timeout=0)
        self.requests: list[str] = []

    def _module(self, **request: t.Any) -> dict[str, t.Any]:
        self.requests += request
        if self._fails and self._fails[0] in request:
            raise AnsibleConnectionFailure("Permission denied (keyboard-interactive).")
        return self._host.run(**{"proven": False, **request})

    def _call_over_new_connection(self, limit: int, **request: t.Any) -> str:
        return self._call(limit, **request)


def test_nothing_is_written_where_no_new_connection_worked_before(host: Host, tmp_path: pathlib.Path) -> None:
    user = find_account(getpass.getuser())._replace(home=str(tmp_path))
    host.users = [users_file(str(tmp_path / "settings.json"), lambda _now: "{}\n", user)]
    before = sorted(tmp_path.iterdir())
    result = LockedOut(host, "probe")._run()
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["access_problem"] == "Permission denied (keyboard-interactive)"
    assert "nothing was changed" in result["msg"]
    assert "environment_rollback_after" in result["msg"]
    assert ".." not in result["msg"]
    assert not host.changed
    assert {*sorted(tmp_path.iterdir())} - {*before} <= {pathlib.Path(f"{host.record}.lock")}


def test_a_new_connection_is_only_made_for_files_of_the_host(host: Host) -> None:
    first, second = LockedOut(host), LockedOut(host)
    assert first._run()["changed"]
    assert first.requests == ["prepare", "probe", "prepare", "proven", "confirm"]
    assert not second._run()["changed"]
    assert second.requests == ["prepare"]


def test_a_rollback_names_the_files_of_users_that_stay(host: Host, tmp_path: pathlib.Path) -> None:
    user = find_account(getpass.getuser())._replace(home=str(tmp_path))
    path = tmp_path / "settings.json"
    host.users = [users_file(str(path), lambda _now: "{}\n", user)]
    result = LockedOut(host, "confirm")._run()
    assert not host.changed
    assert path.exists()
    assert f"The files of users stay as this run has written them: {path}." in result["msg"]
    assert ".." not in result["msg"]
    assert "kept" not in result


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ('PATH="$PATH:/usr/bin"', "{file}:2 (PAM does not expand $PATH in the PATH of /etc/environment)"),
        ("PATH=/usr/bin:/bin", "the files of the host that conflict with the new ones (diff: true shows these)"),
    ],
)
def test_the_remedy_of_a_rollback_names_the_line_of_the_host(
    host: Host, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, line: str, action: str
) -> None:
    file = tmp_path / "environment"
    file.write_text(f"A=1\n{line}\n")
    monkeypatch.setattr(pam, "ENVIRONMENT", str(file))
    result = LockedOut(host, "confirm")._run()
    assert result["failed"]
    assert not host.changed
    assert f"To fix this: correct {action.format(file=file)}, and run again." in result["msg"]
    assert "suspect" not in result


def test_a_proof_that_hangs_ends() -> None:
    with pytest.raises(action._TimeLimitExceeded), action._time_limit(1):
        subprocess.run(["sleep", "60"], check=False)
