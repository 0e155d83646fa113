# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and units of the gopls daemons, on hosts that are directories, and the settings of editors."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import getpass
import gzip
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import types
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._core.sizes import MIB
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls import (
    expected_files,
    gopls_service,
    host_files,
    manager,
    paths,
    plan,
    units,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.expected import DaemonOptions, ExpectedDaemons
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.memory_limits import Limits
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.options import ValidOptions
from ansible_collections.gopherops.devserver.plugins.module_utils._host import records, user_access
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import back_off, systemctl
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.environment_files import assignments_in

from tests.support.directories import nest
from tests.support.mounts import mounted
from tests.support.systemd import FakeSystemd
from tests.support.time_limit import time_limit

LIMITS = Limits(1024 * MIB, 972 * MIB, 870 * MIB)
ME = getpass.getuser()
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories to users")


@pytest.fixture
def daemon_host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A host whose files are below a directory, with one user; ``apply`` plans and applies the expected daemons."""
    for name in ("SETTINGS", "PREWARM", "CRASH", "TMPFILES", "LOGROTATE", "CACHE_DIR", "SOCKET_DIR", "LOG_DIR"):
        monkeypatch.setattr(paths, name, str(tmp_path) + getattr(paths, name))
    monkeypatch.setattr(systemctl, "UNIT_DIR", str(tmp_path) + systemctl.UNIT_DIR)
    monkeypatch.setattr(paths, "environment_file", lambda user: f"{tmp_path}/etc/language_server/{user}.env")
    monkeypatch.setattr(rendered, "UNITS", str(tmp_path / "etc/units"))
    monkeypatch.setattr(paths, "APPLIED", f"{tmp_path}/etc/language_server/applied.json")
    monkeypatch.setattr(records, "DIRECTORY", f"{tmp_path}/etc/records")
    monkeypatch.setattr(back_off, "DIRECTORY", f"{tmp_path}/failures")
    home = tmp_path / "home"
    home.mkdir()
    settings = home / "settings.json"
    account = find_account(ME)._replace(home=str(home))
    user = UserEnvironment(account, {}, [], ["/w"], [str(settings)])
    others = account._replace(home=f"{tmp_path}/others")

    def find(name: str) -> Account:
        return account if name == ME else others._replace(name=name)

    monkeypatch.setattr(expected_files, "find_account", find)
    monkeypatch.setattr(expected_files, "find_known_account", find)

    def apply(*users: UserEnvironment, check: bool = False, systemd: int = 0, **options: t.Any) -> plan.DaemonPlan:
        daemon = DaemonOptions(
            f"{tmp_path}/bin/gopls",
            "/usr/local/go",
            options.pop("limits", LIMITS),
            systemd,
            pprof=options.pop("pprof", False),
        )
        fields = {"settings": {}, "environment": {}, "vscode_settings": ["{home}/settings.json"], "exclusive": True}
        fields.update(options)
        planned = plan.plan_daemons(ExpectedDaemons(list(users), daemon, **fields))
        return planned if check else plan.apply_plan(planned)

    return types.SimpleNamespace(apply=apply, user=user, settings=settings, directory=tmp_path)


@pytest.fixture
def systemd(daemon_host: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> FakeSystemd:
    fake = FakeSystemd(pathlib.Path(systemctl.UNIT_DIR), oneshot="gopls-prewarm@")
    fake.install(monkeypatch)
    monkeypatch.setattr(manager, "make_temporary_files", lambda _path, _skipped: None)
    return fake


def editor_settings(daemon_host: types.SimpleNamespace) -> t.Any:
    return json.loads(daemon_host.settings.read_text())


def tree(directory: pathlib.Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_without_systemd_each_editor_starts_a_gopls_with_the_same_heap_limit(daemon_host):
    daemon_host.apply(daemon_host.user, vscode_create=True)
    assert editor_settings(daemon_host) == {"go.alternateTools": {"gopls": f"{daemon_host.directory}/bin/gopls-shared"}}
    assert 'GOMEMLIMIT="870MiB"\n' in (daemon_host.directory / f"etc/language_server/{ME}.env").read_text()
    assert not [name for name in tree(daemon_host.directory) if "systemd" in name]


def test_check_mode_reports_all_changes_and_a_second_run_has_none(daemon_host):
    before = tree(daemon_host.directory)
    planned = daemon_host.apply(daemon_host.user, check=True, vscode_create=True, settings={"gofumpt": True})
    assert tree(daemon_host.directory) == before
    applied = daemon_host.apply(daemon_host.user, vscode_create=True, settings={"gofumpt": True})
    assert planned.changes.result() == applied.changes.result()
    assert not daemon_host.apply(daemon_host.user, vscode_create=True, settings={"gofumpt": True}).changes


def test_files_of_a_removed_user_are_removed(daemon_host):
    before = tree(daemon_host.directory)
    daemon_host.settings.write_text('{"go.languageServerFlags": ["-remote=unix;/run/x", "-mine"]}')
    daemon_host.apply(daemon_host.user)
    daemon_host.apply()
    assert tree(daemon_host.directory) == before | {"home/settings.json"}
    assert editor_settings(daemon_host)["go.languageServerFlags"] == ["-mine"]
    assert not daemon_host.apply().changes


def test_the_next_run_reloads_systemd_after_a_killed_run(daemon_host, systemd, monkeypatch):
    daemon_host.apply(daemon_host.user, systemd=252)
    with monkeypatch.context() as killed:
        killed.setattr(systemctl, "run_verb", lambda *_words: "")
        killed.setattr(manager, "start_units", lambda _plan, _skipped: None)
        daemon_host.apply(daemon_host.user, systemd=252, limits=LIMITS._replace(cap=512 * MIB))
    assert systemd.read != systemd.files()
    planned = daemon_host.apply(daemon_host.user, systemd=252, limits=LIMITS._replace(cap=512 * MIB), check=True)
    applied = daemon_host.apply(daemon_host.user, systemd=252, limits=LIMITS._replace(cap=512 * MIB))
    assert systemd.read == systemd.files()
    assert applied.changes and planned.changes.result() == applied.changes.result()
    assert not daemon_host.apply(daemon_host.user, systemd=252, limits=LIMITS._replace(cap=512 * MIB)).changes


@pytest.mark.parametrize(
    ("before", "after", "workaround", "restarted"),
    [
        ("GOFLAGS=-mod=mod\n", "GOFLAGS=-mod=mod\n", "x", False),
        ("GOFLAGS=-mod=mod\n", "GOFLAGS=-mod=vendor\n", "x", True),
        ("", "GOFLAGS=-mod=mod\n", "x", True),
        ("GOFLAGS=-mod=mod\n", "", "x", True),
        ("", "", None, True),
    ],
)
def test_a_daemon_with_previous_variables_is_restarted_once(daemon_host, systemd, before, after, workaround, restarted):
    variables = daemon_host.directory / f"etc/units/{ME}.env"
    variables.parent.mkdir(parents=True)
    (daemon_host.directory / "bin").mkdir()
    gopls = shutil.copy("/bin/sleep", daemon_host.directory / "bin/gopls")

    def start(text: str) -> subprocess.Popen[bytes]:
        variables.write_text(text)
        environment = {one.name: one.value for file in paths.environment_files(ME) for one in assignments_in(file)}
        daemon = subprocess.Popen([gopls, "60"], env={**environment, "HOME": "/"})
        systemd.states[paths.daemon_unit(ME)] = {"MainPID": str(daemon.pid)}
        return daemon

    daemon_host.apply(daemon_host.user, systemd=252, environment={"SLOW": "x"})
    with start(before) as daemon:
        time.sleep(1.1)  # The start of a process is known to about a second.
        variables.write_text(after)
        environment = {"SLOW": workaround} if workaround else {}
        planned = daemon_host.apply(daemon_host.user, systemd=252, environment=environment)
        daemon.kill()
    assert list(planned.units.restart) == ([ME] if restarted else [])
    assert (("try-restart", paths.daemon_unit(ME)) in systemd.commands) is restarted
    with start(after) as daemon:
        assert not daemon_host.apply(daemon_host.user, systemd=252, environment=environment).changes
        daemon.kill()


@needs_root
@pytest.mark.parametrize("listed", [True, False])
def test_root_takes_the_directory_of_sockets_that_an_earlier_version_gave_to_the_user(daemon_host, systemd, listed):
    daemon_host.apply(daemon_host.user, systemd=252, exclusive=False)
    active = set(systemd.active)
    directory, other = daemon_host.directory / f"run/gopls/{ME}", daemon_host.directory / "other"
    (directory / "gopls.sock/x").mkdir(parents=True)
    (directory / "daemon").symlink_to(other)
    (directory / "daemon.sock").touch()
    other.mkdir()
    for path in (directory, *directory.rglob("*")):
        os.chown(path, 12_345, 12_345, follow_symlinks=False)
    users = [daemon_host.user] if listed else [another_user(daemon_host)]
    planned = daemon_host.apply(*users, systemd=252, exclusive=False, check=True)
    systemd.commands.clear()
    applied = daemon_host.apply(*users, systemd=252, exclusive=False)
    assert planned.changes.result() == applied.changes.result()
    assert str(directory) in json.dumps(applied.changes.result())
    # systemd makes it as root.
    assert list(directory.parent.iterdir()) == [] and other.is_dir() and other.stat().st_uid == 0
    verbs = {command[0]: command for command in reversed(systemd.commands)}
    assert {paths.socket_unit(ME), paths.daemon_unit(ME)} <= set(verbs["stop"])
    assert paths.socket_unit(ME) in verbs["enable"]
    assert active <= systemd.active
    assert not daemon_host.apply(*users, systemd=252, exclusive=False).changes


@needs_root
def test_root_takes_no_entry_of_a_directory_of_sockets_that_cannot_be_removed(daemon_host, systemd, monkeypatch):
    """In a directory of root, systemd would follow the link when it makes the directory of the daemon."""
    daemon_host.apply(daemon_host.user, systemd=252)
    directory = daemon_host.directory / f"run/gopls/{ME}"
    directory.mkdir(parents=True)
    (directory / "daemon").symlink_to("/root")
    os.chown(directory, 12_345, 12_345)
    systemd.states[f"gopls-pprof@{ME}.service"] = {"LoadState": "not-found"}
    systemd.commands.clear()

    def fail(path: str) -> None:
        os.lstat(path)
        raise DevserverError(f"cannot remove {path}")

    with monkeypatch.context() as patch:
        patch.setattr(manager, "remove_as_owner", fail)
        applied = daemon_host.apply(daemon_host.user, systemd=252)
    assert [(entry.user, entry.file) for entry in applied.skipped] == [(ME, f"{directory}+previous")]
    assert not os.path.lexists(directory) and paths.socket_unit(ME) in systemd.active
    stopped = [unit for verb, *units in systemd.commands if verb == "stop" for unit in units]
    assert paths.socket_unit(ME) in stopped and f"gopls-pprof@{ME}.service" not in stopped
    assert daemon_host.apply(daemon_host.user, systemd=252).skipped == []
    assert list(directory.parent.iterdir()) == []


@needs_root
@pytest.mark.parametrize("options", [{}, {"purge": True}])
def test_what_a_user_made_in_a_directory_of_root_is_removed_as_that_user(daemon_host, systemd, monkeypatch, options):
    monkeypatch.setattr(paths, "LOG_DIR", f"{daemon_host.directory}/var/log/gopls")
    daemon_host.apply(daemon_host.user, systemd=252)
    sockets = daemon_host.directory / "run/gopls"
    # A purge also removes what is left of users who are not known any more.
    for name in (f"{ME}/daemon", f"{ME}+previous", *(["long-gone/daemon"] if options else [])):
        (sockets / name).mkdir(parents=True, exist_ok=True)
        nest(sockets / name, sys.getrecursionlimit())
        subprocess.run(["chown", "-R", "12345:12345", sockets / name], check=True)
    assert daemon_host.apply(systemd=252, **options).skipped == []
    assert list(sockets.glob("*")) == []


def test_a_daemon_whose_environment_cannot_be_read_in_time_is_restarted(daemon_host, systemd, monkeypatch):
    """Its user can map a file of a file system that hangs in the place of it."""
    expected = daemon_host.apply(daemon_host.user, check=True, systemd=252).expected
    monkeypatch.setattr(systemctl, "main_processes", lambda units: [os.getpid() for _unit in units])
    monkeypatch.setattr(user_access, "LIMIT", 0.5)
    monkeypatch.setattr(user_access, "_UNRESPONSIVE", {})
    monkeypatch.setattr(manager, "read_process", lambda _pid: time.sleep(60))
    begin = time.monotonic()
    assert manager._outdated_daemons(expected) == [ME]
    assert time.monotonic() - begin < 10


@needs_root
@pytest.mark.parametrize(("kept", "skipped"), [("alice.log", "alice.log"), ("crashes/alice/1.log", "crashes/alice")])
def test_a_log_over_which_its_user_has_mounted_blocks_no_purge_of_others(
    daemon_host, systemd, monkeypatch, kept, skipped
):
    logs = daemon_host.directory / "var/log/gopls"
    monkeypatch.setattr(paths, "LOG_DIR", str(logs))
    daemon_host.apply(daemon_host.user, systemd=252)
    logs.mkdir(parents=True, exist_ok=True)
    for name in ("alice", "bob"):
        (logs / "crashes" / name).mkdir(parents=True, exist_ok=True)
        for log in (f"{name}.log", f"crashes/{name}/1.log"):
            (logs / log).touch()
            # A crash log of an earlier version, in a directory of root.
            os.chown(logs / log, 12345, 12345)
    with mounted(logs / kept, "--bind", logs / "bob.log"):
        applied = daemon_host.apply(systemd=252, purge=True)
        assert [entry.file for entry in applied.skipped] == [str(logs / skipped)]
        assert [entry.user for entry in applied.skipped] == ["alice" if "crashes" in kept else "uid 12345"]
        left = [str(path.relative_to(logs)) for path in logs.rglob("*") if path.is_file()]
        assert left == [kept]
    assert daemon_host.apply(systemd=252, purge=True).skipped == [] and not logs.exists()


def test_a_socket_that_was_stopped_while_its_proxy_runs_is_started_again(daemon_host, systemd):
    """systemd rejects to start a socket whose service is active."""
    daemon_host.apply(daemon_host.user, systemd=252)
    socket, proxy = paths.socket_unit(ME), f"gopls-proxy@{ME}.service"
    systemd.states[socket]["ActiveState"] = "inactive"
    systemd.states[proxy] = {"ActiveState": "active"}
    systemd.commands.clear()
    daemon_host.apply(daemon_host.user, systemd=252)
    assert systemd.commands == [("stop", proxy), ("enable", socket)]
    assert not daemon_host.apply(daemon_host.user, systemd=252).changes


def test_a_unit_that_one_user_keeps_from_starting_is_reported_after_all_others(daemon_host, systemd, monkeypatch):
    """A directory in the place of a socket, or a daemon that cannot listen."""
    other = another_user(daemon_host)
    bad = {paths.socket_unit(ME), paths.daemon_unit(ME)}
    run = systemd.run

    def fail(verb: str, *arguments: str) -> str:
        run(verb, *arguments)
        if bad & set(arguments) and verb in ("enable", "try-restart"):
            for unit in bad & set(arguments):
                systemd.states[unit]["ActiveState"] = "failed"
            raise DevserverError("systemctl failed")
        return ""

    monkeypatch.setattr(systemctl, "run_verb", fail)
    monkeypatch.setattr(manager, "_outdated_daemons", lambda _expected: [ME, other.account.name])
    applied = daemon_host.apply(daemon_host.user, other, systemd=252)
    assert [(entry.user, entry.file) for entry in applied.skipped] == [
        (ME, paths.socket_unit(ME)),
        (ME, paths.daemon_unit(ME)),
    ]
    assert f"systemctl status {paths.socket_unit(ME)}" in applied.skipped[0].reason
    assert paths.socket_unit(other.account.name) in systemd.active
    assert ("try-restart", *map(paths.daemon_unit, (ME, other.account.name))) in systemd.commands
    assert systemd.commands[-1][0] == "start"  # The prewarms.
    bad.clear()
    # An error that is no user's is the host's.

    def fail(*_words):
        raise DevserverError("Access denied")

    monkeypatch.setattr(systemctl, "run_verb", fail)
    systemd.states[paths.daemon_unit("nobody")] = {"ActiveState": "active"}
    with pytest.raises(DevserverError, match="Access denied"):
        manager.start_units(manager.UnitPlan(restart=["nobody"]), [])


def test_a_daemon_that_its_user_kills_while_it_restarts_stops_no_other_restart(systemd, monkeypatch):
    """systemctl fails for it; when its state is read, it has stopped for want of a client, or runs again."""
    alice, bob = map(paths.daemon_unit, ("alice", "bob"))
    systemd.states = {unit: {"ActiveState": "active", "InvocationID": "1"} for unit in (alice, bob)}

    def fail(*_words: str) -> str:
        systemd.states[alice]["ActiveState"] = "inactive"
        systemd.states[bob]["InvocationID"] = "2"
        raise DevserverError("Job for gopls@alice.service failed")

    monkeypatch.setattr(systemctl, "run_verb", fail)
    skipped: list[t.Any] = []
    manager.start_units(manager.UnitPlan(restart=["alice", "bob"]), skipped)
    assert skipped == []


@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="this machine has no systemd")
def test_what_is_in_the_place_of_one_users_log_is_reported_and_stops_nobody_else(daemon_host, monkeypatch):
    logs = daemon_host.directory / "log"
    monkeypatch.setattr(paths, "LOG_DIR", str(logs))
    daemon_host.apply(daemon_host.user, another_user(daemon_host))
    others = paths.known_users()
    others.remove(ME)
    (logs / f"{ME}.log/x").mkdir(parents=True)
    file = daemon_host.directory / "tmpfiles.conf"
    file.write_text("".join(f"f {logs}/{user}.log 0640 - - -\n" for user in (ME, *others)))
    skipped: list[t.Any] = []
    manager.make_temporary_files(str(file), skipped)
    assert [(entry.user, entry.file) for entry in skipped] == [(ME, f"{logs}/{ME}.log")]
    assert all((logs / f"{user}.log").is_file() for user in others) and others
    file.write_text("invalid\n")
    shutil.rmtree(logs / f"{ME}.log")
    (logs / f"{ME}.log").touch()
    with pytest.raises(DevserverError, match="cannot create the files"):
        manager.make_temporary_files(str(file), [])


@needs_root
@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="this machine has no systemd")
@pytest.mark.parametrize("name", ["log", "cache"])
def test_a_mount_over_a_users_own_file_is_reported_and_stops_nobody_else(daemon_host, tmp_path, name):
    """The user mounts by FUSE what root may inspect and not change."""
    users = [daemon_host.user, another_user(daemon_host)]
    daemon_host.apply(*users)
    files = {"log": pathlib.Path(f"{paths.LOG_DIR}/{ME}.log"), "cache": pathlib.Path(paths.cache_directory(ME))}
    pathlib.Path(paths.LOG_DIR).mkdir(parents=True)
    files["log"].touch()
    source = tmp_path / "source"
    source.touch(0o600) if name == "log" else source.mkdir(0o755)
    file = daemon_host.directory / "tmpfiles.conf"
    file.write_text(host_files.render_tmpfiles([user.account for user in users], log=True))
    skipped: list[t.Any] = []
    with mounted(files[name], "--bind", source):
        subprocess.run(["mount", "-o", "remount,ro,bind", files[name]], check=True)
        shutil.rmtree(paths.cache_directory("somebody-else"))
        skipped += plan._make_directories(
            daemon_host.apply(*users, check=True)._replace(lacking=[ME, "somebody-else"])
        ).skipped
        manager.make_temporary_files(str(file), skipped)
    assert [(entry.user, entry.file) for entry in skipped] == [(ME, str(files[name]))]
    assert pathlib.Path(f"{paths.LOG_DIR}/somebody-else.log").is_file()
    assert pathlib.Path(paths.cache_directory("somebody-else")).is_dir()


@needs_root
@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="this machine has no systemd")
@pytest.mark.parametrize("directory", ["cache_directory", "crash_directory"])
def test_no_user_gets_the_directory_of_a_previous_one(daemon_host, systemd, directory):
    """The previous user keeps what is in it from being removed, such as by a directory of somebody else."""
    path = pathlib.Path(getattr(paths, directory)(ME))
    (path / "kept/x").mkdir(parents=True)
    os.chown(path, 12345, 12345)
    skipped = daemon_host.apply(daemon_host.user, systemd=252).skipped
    assert [(entry.user, entry.file) for entry in skipped] == [(ME, str(path))]
    assert manager._create_files(paths.TMPFILES).ok
    assert path.stat().st_uid == 12345


def test_users_can_change_no_directory_in_which_systemd_binds_a_socket():
    """systemd gives the path to the user after it has bound the socket, and follows a link there."""
    texts = units.render_units(DaemonOptions("/g", "/go", LIMITS, 252, pprof=True))
    sockets = [text for path, text in texts.items() if path.endswith(".socket")]
    daemon = texts[f"{systemctl.UNIT_DIR}/gopls@.service"]
    assert len(sockets) == 2
    for text in sockets:
        assert re.findall(r"^ListenStream=(/.*)/[^/]+$", text, re.MULTILINE) == ["/run/gopls/%i"]
    assert re.findall(r"^RuntimeDirectory=(.*)$", daemon, re.MULTILINE) == ["gopls/%i/daemon"]
    assert "-listen=unix;/run/gopls/%i/daemon/" in daemon
    assert paths.SOCKET_DIR not in host_files.render_tmpfiles([find_account(ME)], True)


def another_user(daemon_host: types.SimpleNamespace) -> UserEnvironment:
    account = daemon_host.user.account._replace(name="somebody-else")
    return dataclasses.replace(daemon_host.user, account=account, workspaces=[], vscode_settings=[])


@pytest.mark.parametrize("cause", ["switched off", "no workspaces"])
def test_timers_are_stopped_before_their_files_are_removed(daemon_host, systemd, cause):
    daemon_host.apply(daemon_host.user, systemd=252)
    timer, socket = f"gopls-prewarm@{ME}.timer", f"gopls-proxy@{ME}.socket"
    assert systemd.active == {timer, socket}
    user = daemon_host.user if cause == "switched off" else dataclasses.replace(daemon_host.user, workspaces=[])
    flags = {"prewarm": cause != "switched off", "systemd": 252}
    planned = daemon_host.apply(user, check=True, **flags)
    assert systemd.active == {timer, socket}
    assert planned.changes.result() == daemon_host.apply(user, **flags).changes.result()
    assert systemd.active == {socket}
    assert not (daemon_host.directory / f"etc/systemd/system/gopls-prewarm@{ME}.service.d").exists()
    assert not daemon_host.apply(user, **flags).changes


def test_profiles_have_a_socket_while_they_are_switched_on(daemon_host, systemd):
    others = {f"gopls-prewarm@{ME}.timer", f"gopls-proxy@{ME}.socket"}
    for pprof, sockets in ((True, {f"gopls-pprof@{ME}.socket"}), (False, set())):
        planned = daemon_host.apply(daemon_host.user, check=True, systemd=252, pprof=pprof)
        applied = daemon_host.apply(daemon_host.user, systemd=252, pprof=pprof)
        assert planned.changes.result() == applied.changes.result()
        assert systemd.active == others | sockets
        assert not daemon_host.apply(daemon_host.user, systemd=252, pprof=pprof).changes


def test_gopls_serves_profiles_only_in_a_network_namespace_of_its_own():
    for pprof in (True, False):
        texts = units.render_units(DaemonOptions("/g", "/go", LIMITS, 252, pprof=pprof))
        lines = texts[f"{systemctl.UNIT_DIR}/gopls@.service"].splitlines()
        assert any(" -debug=" in line for line in lines) == ("PrivateNetwork=yes" in lines) == pprof


@needs_root
def test_a_daemon_that_serves_profiles_starts_in_no_network_namespace_with_systemds_sockets():
    texts = units.render_units(DaemonOptions("/g", "/go", LIMITS, 252, pprof=True))
    text = texts[f"{systemctl.UNIT_DIR}/gopls@.service"].replace("\\\n", "")
    (script,) = re.findall(r"^ExecStartPre=/bin/sh -c '(grep.*)'$", text, re.MULTILINE)
    argv = ["/bin/sh", "-c", script.replace("$$", "$")]
    with socket.socket(socket.AF_UNIX) as notify:
        notify.bind("\0/run/systemd/notify")
        shared = subprocess.run(argv, check=False, capture_output=True, text=True)
        own = subprocess.run(["unshare", "--net", *argv], check=False, capture_output=True, text=True)
    if "unshare failed" in own.stderr:
        pytest.skip("this machine denies network namespaces")
    assert (shared.returncode, own.returncode, own.stdout) == (1, 0, "")
    assert "language_server_pprof needs network namespaces" in shared.stdout


def test_sockets_and_cache_of_a_removed_user_are_removed_and_the_log_is_kept(daemon_host, systemd, monkeypatch):
    monkeypatch.setattr(paths, "LOG_DIR", f"{daemon_host.directory}/log")
    kept = daemon_host.directory / f"log/{ME}.log"
    kept.parent.mkdir()
    kept.touch()
    daemon_host.apply(daemon_host.user, systemd=252)
    (daemon_host.directory / f"run/gopls/{ME}").mkdir(parents=True)
    (daemon_host.directory / f"run/gopls/{ME}/gopls.sock").touch()
    daemon_host.apply(systemd=252)
    assert systemd.active == set()
    assert not list(daemon_host.directory.glob(f"*/gopls/{ME}")) + list(daemon_host.directory.glob(f"*/*/gopls/{ME}"))
    assert kept.exists()
    assert not daemon_host.apply(systemd=252).changes


def test_users_who_are_not_listed_keep_their_daemons_within_the_shared_limits(daemon_host, systemd):
    daemon_host.settings.write_text("{}")
    daemon_host.apply(daemon_host.user, systemd=252, settings={"gofumpt": True})
    before, active = tree(daemon_host.directory), set(systemd.active)
    assert not daemon_host.apply(systemd=252, exclusive=False).changes
    name, other = "somebody-else", another_user(daemon_host)
    limits = LIMITS._replace(heap=256 * MIB)
    daemon_host.apply(other, systemd=252, exclusive=False, limits=limits)
    assert before <= tree(daemon_host.directory)
    assert active <= systemd.active
    assert editor_settings(daemon_host)["gopls"] == {"gofumpt": True}
    assert 'GOMEMLIMIT="256MiB"\n' in (daemon_host.directory / f"etc/language_server/{ME}.env").read_text()
    assert f"/{ME}.log 0640" in pathlib.Path(paths.TMPFILES).read_text()
    daemon_host.apply(systemd=252, exclusive=False, absent=[name], limits=limits)
    assert tree(daemon_host.directory) == before
    assert systemd.active == active
    # The record has the settings that only the kept user's editor had.
    daemon_host.apply(systemd=252, exclusive=False, absent=[ME])
    assert not daemon_host.settings.exists()
    assert (systemd.active, tree(daemon_host.directory / "etc")) == (set(), set())


def test_a_removal_leaves_nothing_of_any_run(daemon_host, systemd, monkeypatch):
    monkeypatch.setattr(paths, "LOG_DIR", f"{daemon_host.directory}/var/log/gopls")
    before = {str(path) for path in daemon_host.directory.rglob("*")}
    # Of a user who is not known any more.
    kept = pathlib.Path(paths.session_file(4711))
    kept.parent.mkdir(parents=True)
    kept.write_text("x")
    session = LIMITS._replace(session=1024 * MIB)
    daemon_host.apply(daemon_host.user, systemd=252, limits=session, vscode_create=True, settings={"gofumpt": True})
    for name in (f"var/log/gopls/crashes/{ME}/1.log", f"var/cache/gopls/{ME}/x", "var/cache/gopls/long-gone/x"):
        (daemon_host.directory / name).parent.mkdir(parents=True, exist_ok=True)
        (daemon_host.directory / name).touch()
    planned = daemon_host.apply(systemd=252, purge=True, check=True)
    applied = daemon_host.apply(systemd=252, purge=True)
    assert planned.changes.result() == applied.changes.result()
    assert systemd.active == set()
    left = {str(path) for path in daemon_host.directory.rglob("*") if path.is_file()} - before
    assert left == set()
    assert not (daemon_host.directory / "var/log/gopls").exists()
    assert not daemon_host.apply(systemd=252, purge=True).changes


def test_a_directory_that_cannot_be_removed_is_reported_and_removed_by_the_next_run(daemon_host, systemd):
    daemon_host.apply(daemon_host.user, systemd=252)
    obstacle = daemon_host.directory / "var/cache/gopls"
    shutil.rmtree(obstacle)
    obstacle.touch()
    applied = daemon_host.apply(systemd=252)
    (skipped,) = applied.skipped
    assert (skipped.user, skipped.file) == (ME, f"{obstacle}/{ME}")
    assert "Not a directory" in skipped.reason
    assert tree(daemon_host.directory / "etc") == {f"language_server/{ME}.env"}
    assert f"{ME}.env" not in json.dumps(applied.changes.result())
    obstacle.unlink()
    assert daemon_host.apply(systemd=252).skipped == []
    assert tree(daemon_host.directory / "etc") == set()


@needs_root
@pytest.mark.parametrize("options", [{}, {"purge": True}])
def test_deep_directories_of_a_removed_user_are_removed(daemon_host, systemd, monkeypatch, options):
    monkeypatch.setattr(paths, "LOG_DIR", f"{daemon_host.directory}/var/log/gopls")
    daemon_host.apply(daemon_host.user, systemd=252)
    of_user = [daemon_host.directory / "var/cache/gopls" / ME]
    if options:
        of_user.append(daemon_host.directory / "var/log/gopls" / ME)
    for directory in of_user:
        directory.mkdir(parents=True, exist_ok=True)
        nest(directory, sys.getrecursionlimit())
        subprocess.run(["chown", "-R", "12345:12345", directory], check=True)
    assert daemon_host.apply(systemd=252, **options).skipped == []
    assert [directory for directory in of_user if directory.exists()] == []


def outcome(planned: plan.DaemonPlan) -> Outcome:
    """Return the module's result of a plan."""
    return gopls_service.make_outcome(ValidOptions(planned.expected, [], [], [], []), planned, check=False)


@pytest.mark.parametrize("step", ["plan", "write"])
def test_settings_of_a_removed_user_cause_only_a_warning(daemon_host, step):
    """Only the write itself meets a disk quota; the limit on the size of a file has the same effect."""
    daemon_host.settings.write_text("{}")
    daemon_host.apply(daemon_host.user, settings={"gofumpt": True})
    good = daemon_host.settings.read_text()
    daemon_host.settings.write_text("{" if step == "plan" else f"{good}// {'x' * 300_000}\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        result = outcome(daemon_host.apply())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.failure is None
    assert [f"{daemon_host.settings} of user {ME}, who is not listed" in text for text in result.warnings] == [True]
    assert not [part for part in result.result["diff"] if part["after_header"] == str(daemon_host.settings)]
    # The user is still known, so that a later run removes the settings.
    daemon_host.settings.write_text(good)
    assert outcome(daemon_host.apply()).warnings == []
    assert not daemon_host.settings.exists()
    assert tree(daemon_host.directory / "etc") == set()


def test_a_write_that_fails_for_a_listed_user_fails_at_the_end(daemon_host):
    daemon_host.settings.write_text(f"{{}} // {'x' * 300_000}\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        result = outcome(daemon_host.apply(daemon_host.user, settings={"gofumpt": True}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in str(result.failure)
    assert "gofumpt" in (daemon_host.directory / "etc/language_server/applied.json").read_text()


def test_a_removed_directory_is_not_followed_to_the_target_of_a_link(daemon_host, systemd):
    daemon_host.apply(daemon_host.user, systemd=252)
    (daemon_host.directory / "kept").mkdir()
    cache = daemon_host.directory / f"var/cache/gopls/{ME}"
    (cache / "link").symlink_to(daemon_host.directory / "kept")
    daemon_host.apply(systemd=252)
    assert not cache.exists()
    assert (daemon_host.directory / "kept").is_dir()


def test_undeclared_settings_are_removed_unless_the_user_changed_them(daemon_host):
    daemon_host.settings.write_text('{"gopls": {"local": "mine"}} // own')
    daemon_host.apply(daemon_host.user, settings={"gofumpt": True, "staticcheck": True, "analyses": {"appends": False}})
    daemon_host.settings.write_text(
        daemon_host.settings.read_text().replace('"staticcheck": true', '"staticcheck": false')
    )
    daemon_host.apply(daemon_host.user, settings={"gofumpt": True})
    text, _slashes, comment = daemon_host.settings.read_text().partition("//")
    assert json.loads(text)["gopls"] == {"local": "mine", "gofumpt": True, "staticcheck": False}
    assert comment == " own"


def test_unparseable_settings_are_skipped_and_everything_else_is_written(daemon_host):
    daemon_host.settings.write_text('{"gopls": ')
    applied = daemon_host.apply(daemon_host.user)
    (skipped,) = applied.skipped
    assert (skipped.user, skipped.file, skipped.line) == (ME, str(daemon_host.settings), 1)
    assert daemon_host.settings.read_text() == '{"gopls": '
    assert (daemon_host.directory / f"etc/language_server/{ME}.env").exists()
    # Only the skipped file is left.
    again = daemon_host.apply(daemon_host.user)
    assert (list(again.edits), again.skipped) == ([], applied.skipped)
    daemon_host.settings.write_text("{}")
    assert daemon_host.apply(daemon_host.user).skipped == []


def test_a_damaged_record_of_the_last_run_is_ignored(daemon_host):
    daemon_host.apply(daemon_host.user)
    (daemon_host.directory / "etc/language_server/applied.json").write_text("{")
    assert daemon_host.apply(daemon_host.user).changes


def test_obsolete_workarounds_are_reported_once(daemon_host):
    assert daemon_host.apply(daemon_host.user, workarounds=["one", "two"]).obsolete_workarounds == []
    assert daemon_host.apply(daemon_host.user, workarounds=["two"]).obsolete_workarounds == ["one"]
    assert daemon_host.apply(daemon_host.user, workarounds=["two"]).obsolete_workarounds == []


@pytest.mark.parametrize("name", ["-x", "a/b", "a b", "é", "%i", "a\nb", ""])
def test_a_user_name_that_no_unit_can_have_is_rejected(daemon_host, name):
    user = UserEnvironment(daemon_host.user.account._replace(name=name), {}, [])
    with pytest.raises(DevserverError, match="cannot be part of a systemd unit's name") as caught:
        daemon_host.apply(user)
    assert "remove the user from devserver_users" in str(caught.value)


@pytest.mark.parametrize("name", ["1001", "0", "007", "0x3e8"])
def test_a_user_name_that_systemd_reads_as_an_id_is_rejected(daemon_host, name):
    user = UserEnvironment(daemon_host.user.account._replace(name=name), {}, [])
    with pytest.raises(DevserverError, match=f"the user name '{name}' is a number"):
        daemon_host.apply(user)


@pytest.mark.parametrize(
    ("version", "present", "absent"),
    [
        (245, ["RestartSec=2"], ["RestartSteps", "exit-idle-time"]),
        (252, ["RestartSec=2", "--exit-idle-time=3600s"], ["RestartSteps"]),
    ],
)
def test_units_use_only_options_that_this_systemd_knows(version, present, absent):
    text = "".join(units.render_units(DaemonOptions("/bin/gopls", "/go", LIMITS, version)).values())
    assert [word for word in present if word not in text] == []
    assert [word for word in absent if word in text] == []


def test_any_workspace_path_is_one_word_of_the_command():
    text = units.render_prewarm_drop_in("/usr/bin/python3", "/g", ['/w/100% $HOME "x" \\y'], "")
    assert text.splitlines()[2].endswith('"/w/100%% $$HOME \\"x\\" \\\\y"')


def test_any_binary_path_is_one_word_of_the_command():
    rendered = units.render_units(DaemonOptions("/opt/100%/gopls", "/go", LIMITS, 252))
    text = rendered[f"{systemctl.UNIT_DIR}/gopls@.service"]
    assert 'ExecStart="/opt/100%%/gopls" serve' in text


def test_any_goroot_is_one_assignment_of_the_environment():
    texts = units.render_units(DaemonOptions("/g", "/opt/my go/100%", LIMITS, 252))
    services = [texts[f"{systemctl.UNIT_DIR}/{name}@.service"] for name in ("gopls", "gopls-prewarm")]
    line = 'Environment="PATH=/opt/my go/100%%/bin:/usr/local/bin:/usr/bin:/bin"'
    assert all(line in text.splitlines() for text in services)


@pytest.mark.parametrize("value", ["plain", 'a "b" c', "$HOME and `id` and $(id)", "back\\slash", "it's #1; é"])
def test_a_shell_and_the_drift_report_read_the_same_variables(tmp_path, value):
    file = tmp_path / "me.env"
    file.write_text(host_files.render_variables({"OTHER": "x", "VALUE": value}))
    argv = ["/bin/sh", "-c", '. "$0"; printf %s "$VALUE"', str(file)]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout == value
    assert {one.name: one.value for one in assignments_in(str(file))} == {"OTHER": "x", "VALUE": value}


def shared_gopls(directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    """Return how gopls-shared ends, with what a program in the place of gopls prints of its environment and words."""
    monkeypatch.setattr(paths, "SOCKET_DIR", str(directory))
    (directory / "gopls").write_text('#!/bin/sh\necho $GOMEMLIMIT "$@"\n')
    (directory / "gopls").chmod(0o755)
    (directory / f"{ME}.env").write_text(host_files.render_variables(host_files.gopls_variables(ME, LIMITS, {})))
    script = host_files.render_shared_gopls(str(directory / "gopls")).replace(
        "/etc/gopherops/language_server", str(directory)
    )
    completed = subprocess.run(["/bin/sh", "-c", script, "sh", *words], check=False, capture_output=True, text=True)
    return completed.returncode, completed.stdout


@pytest.mark.parametrize(
    ("words", "shared", "alone"),
    [
        ([], "", ""),
        (["serve"], "serve", "serve"),
        # What editors put there by themselves.
        (["-remote=auto", "-logfile=/a b"], "-logfile=/a b", "-logfile=/a b"),
        (["--remote", "unix;/x", "-logfile", "mcp", "serve"], "-logfile mcp serve", "-logfile mcp serve"),
        (["serve", "-listen.timeout=1m", "port"], "serve -listen.timeout=1m port", "serve -listen.timeout=1m port"),
    ],
)
def test_gopls_shared_is_gopls_through_the_daemon_or_within_its_limit(tmp_path, monkeypatch, words, shared, alone):
    assert shared_gopls(tmp_path, monkeypatch, *words) == (0, f"870MiB {alone}".strip() + "\n")
    (tmp_path / ME).mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / ME / "gopls.sock"))
        expected = f"-remote=unix;{tmp_path}/{ME}/gopls.sock {shared}".strip()
        assert shared_gopls(tmp_path, monkeypatch, *words) == (0, f"{expected}\n")
        # No daemon serves agents.
        for agent in (["mcp"], ["-rpc.trace", "mcp"], ["-logfile", "x", "--remote", "y", "mcp"]):
            assert shared_gopls(tmp_path, monkeypatch, *agent)[1].startswith("870MiB ")


@pytest.mark.parametrize(
    "words",
    [
        ["mcp", "-listen=:1"],
        ["mcp", "--listen", ":1"],
        ["serve", "-mcp.listen=127.0.0.1:1"],
        ["serve", "-port=9999"],
        ["serve", "--port", "9999"],
        ["-debug=:6060"],
        ["-debug", "127.0.0.1:6060"],
        ["-logfile", "x", "--debug=:1", "mcp"],
        ["-listen.timeout", "-listen=:1"],
    ],
)
def test_gopls_shared_opens_no_port_for_all_users(tmp_path, monkeypatch, words):
    assert shared_gopls(tmp_path, monkeypatch, *words) == (2, "")


@pytest.mark.parametrize("log", [True, False], ids=["file", "journal"])
@pytest.mark.parametrize(("lines", "kept"), [(1, 1), (100, 100), (600, 500)])
def test_crash_logs_keep_or_name_the_output_within_limits(tmp_path, monkeypatch, log, lines, kept):
    monkeypatch.setattr(paths, "LOG_DIR", str(tmp_path))
    with (tmp_path / f"{ME}.log").open("wb") as file:
        file.truncate(64 * MIB)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + b"line\n" * lines)
    directory = tmp_path / "crashes" / ME
    directory.mkdir(parents=True)
    for number in range(12):
        (directory / f"2020010{number}T.log").touch()
    env = {"SERVICE_RESULT": "oom-kill", "INVOCATION_ID": "4f2e"}
    script = host_files.render_crash_script(log)
    subprocess.run(["/bin/sh", "-c", script, "sh", ME], check=True, env=env)
    *others, crash = sorted(directory.iterdir())
    assert (len(others), stat.S_IMODE(crash.stat().st_mode)) == (9, 0o640)
    assert crash.stat().st_size < 2 * MIB
    result, *output = crash.read_bytes().splitlines()
    assert result.startswith(b"result oom-kill")
    query = f"output: journalctl _SYSTEMD_UNIT=gopls@{ME}.service _SYSTEMD_INVOCATION_ID=4f2e".encode()
    assert output[-kept:] == [b"line"] * kept if log else output == [query]
    assert output.count(b"line") == (kept if log else 0)


def rotation_script(directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str) -> str:
    """Return what logrotate runs before or after it rotates a log of ``directory``."""
    monkeypatch.setattr(paths, "LOG_DIR", str(directory))
    return host_files.render_log_rotation().partition(f"{name}\n")[2].partition("endscript")[0]


@pytest.mark.parametrize("killed", [False, True])
def test_log_rotation_copies_no_more_than_the_end_of_a_log(tmp_path, monkeypatch, killed):
    """Its user can make a sparse file of terabytes of it at any moment: logrotate renames another file."""
    before, after = (rotation_script(tmp_path, monkeypatch, name) for name in ("prerotate", "postrotate"))
    assert "copy" not in host_files.render_log_rotation().partition("{")[2]
    log = tmp_path / "alice.log"
    with log.open("a") as daemon:
        daemon.truncate(4 << 40)
        daemon.write("line\n")
        daemon.flush()
        log.chmod(0o640)
        for _turn in range(2 if killed else 1):
            subprocess.run(["/bin/sh", "-c", before, "logrotate_script", log], check=True)
            daemon.truncate(4 << 40)
        assert log.stat().st_size < MIB and stat.S_IMODE(log.stat().st_mode) == 0o640
        kept = gzip.decompress(log.read_bytes())
        assert killed or (len(kept) == 64 * MIB and kept.endswith(b"\0line\n"))
        log.rename(tmp_path / "alice.log.1.gz")
        subprocess.run(["/bin/sh", "-c", after, "logrotate_script", log], check=True)
        daemon.write("next\n")
        daemon.flush()
    assert log.read_text() == "next\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alice.log", "alice.log.1.gz"]


@needs_root
def test_a_rotated_log_has_neither_the_mode_nor_the_owner_of_the_log(tmp_path, monkeypatch):
    """A user sets any mode, setuid included, on a file that was root's with that mode for a moment."""
    script, log = rotation_script(tmp_path, monkeypatch, "prerotate"), tmp_path / "alice.log"
    log.write_text("line\n")
    os.chown(log, 12_345, 12_346)
    log.chmod(0o6777)
    subprocess.run(["/bin/sh", "-c", script, "logrotate_script", log], check=True)
    status = log.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 12_346, 0o640)
    assert "chmod" not in script and "umask 027" in script


@contextlib.contextmanager
def lease(file: pathlib.Path) -> t.Iterator[t.Callable[[], None]]:
    """Take a lease, which makes other processes wait that open the file; yield what ends it."""
    previous = signal.signal(signal.SIGIO, signal.SIG_IGN)
    with file.open() as leased:
        fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield lambda: fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    signal.signal(signal.SIGIO, previous)


@pytest.mark.parametrize("name", ["prerotate", "postrotate"])
def test_a_lease_on_a_log_delays_its_rotation_for_a_limited_time(tmp_path, monkeypatch, name):
    script, log = rotation_script(tmp_path, monkeypatch, name), tmp_path / "alice.log"
    file = log if name == "prerotate" else tmp_path / "alice.log.live"
    file.write_text("line\n")
    argv = ["/bin/sh", "-c", script.replace("timeout 60", "timeout 1"), "logrotate_script", log]
    with lease(file), time_limit(20):
        subprocess.run(argv, check=False)
    assert log.exists()


def test_a_log_is_emptied_after_the_end_of_a_lease(tmp_path, monkeypatch):
    script, log = rotation_script(tmp_path, monkeypatch, "postrotate"), tmp_path / "alice.log"
    live = tmp_path / "alice.log.live"
    live.write_text("line\n")
    with lease(live) as end:
        timer = threading.Timer(1, end)
        timer.start()
        subprocess.run(["/bin/sh", "-c", script, "logrotate_script", log], check=True)
        timer.join()
    assert log.read_text() == ""


def test_the_start_of_a_daemon_fails_once_its_process_is_gone(tmp_path):
    text = units.render_units(DaemonOptions("/g", "/go", LIMITS, 252))[f"{systemctl.UNIT_DIR}/gopls@.service"]
    (script,) = re.findall(r"^ExecStartPost=/bin/sh -c '(.*)'$", text, re.MULTILINE)
    # Before that, the user has no permission to probe the process.
    assert "\nType=exec\n" in text
    socket_file = tmp_path / "gopls.sock"
    script = script.replace("/run/gopls/%i/daemon/gopls.sock", str(socket_file))
    gone = subprocess.Popen(["true"])
    gone.wait()
    for pid, listening, code in ((gone.pid, False, 1), (os.getpid(), True, 0)):
        if listening:
            socket.socket(socket.AF_UNIX).bind(str(socket_file))
        argv = ["/bin/sh", "-c", script]
        assert subprocess.run(argv, env={**os.environ, "MAINPID": str(pid)}, timeout=10, check=False).returncode == code


def test_a_unit_that_does_not_stop_is_an_error(daemon_host, systemd, monkeypatch):
    manager.stop_units(["gopls@gone.service"])
    systemd.states["gopls@bob.service"] = {"ActiveState": "active"}

    def deny(*_words: str) -> str:
        raise DevserverError("Access denied")

    monkeypatch.setattr(systemctl, "run_verb", deny)
    with pytest.raises(DevserverError, match=r"cannot stop gopls@bob\.service: Access denied"):
        manager.stop_units(["gopls@bob.service", "gopls@gone.service"])


def test_units_are_disabled_although_an_earlier_version_had_fewer(daemon_host, systemd, monkeypatch):
    units = paths.units_of("bob")
    systemd.states = {unit: {"UnitFileState": "enabled"} for unit in units}

    def run(verb: str, *words: str) -> str:
        if verb != "stop" and paths.pprof_socket("bob") in words:
            raise DevserverError("Unit file gopls-pprof@bob.socket does not exist.")
        return systemd.run(verb, *words)

    monkeypatch.setattr(systemctl, "run_verb", run)
    manager.stop_units(units)
    assert systemd.states[paths.socket_unit("bob")]["UnitFileState"] == "disabled"
    assert systemd.states[paths.prewarm_timer("bob")]["UnitFileState"] == "disabled"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of a directory")
def test_a_cache_that_a_killed_run_left_to_root_is_given_to_its_user(daemon_host):
    nobody = find_account("nobody")
    account = daemon_host.user.account._replace(name="nobody", uid=nobody.uid, gid=nobody.gid)
    (daemon_host.directory / "var/cache/gopls/nobody").mkdir(parents=True)
    daemon_host.apply(dataclasses.replace(daemon_host.user, account=account, vscode_settings=[]))
    assert (daemon_host.directory / "var/cache/gopls/nobody").stat().st_uid == nobody.uid


@needs_root
@pytest.mark.parametrize("version", [0, 252])
def test_a_user_gets_nothing_that_another_one_has_left_in_the_own_directories(daemon_host, version, request):
    """An account of the same name, with another ID, gets neither the cache of the earlier one nor its crash logs."""
    if version:
        request.getfixturevalue("systemd")
    daemon_host.apply(daemon_host.user, systemd=version)
    cache, crashes = (daemon_host.directory / f"var/{name}/{ME}" for name in ("cache/gopls", "log/gopls/crashes"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (cache, crashes) if path.exists()] == [0o700, 0o755][
        : 1 + bool(version)
    ]
    (cache / "planted").touch()
    os.chown(cache, 12345, 12345)
    predicted = daemon_host.apply(daemon_host.user, systemd=version, check=True)
    assert predicted.changes.result() == daemon_host.apply(daemon_host.user, systemd=version).changes.result()
    assert (list(cache.iterdir()), cache.stat().st_uid) == ([], os.geteuid())
    assert not daemon_host.apply(daemon_host.user, systemd=version).changes
    # What a user links into the own directory keeps its owner, and the group of the directory does not matter.
    shared = daemon_host.directory / "shared"
    shared.touch()
    os.chown(shared, 12346, 12346)
    os.link(shared, cache / "link")
    os.chown(cache, os.geteuid(), 12345)
    pathlib.Path(paths.TMPFILES).unlink(missing_ok=True)
    daemon_host.apply(daemon_host.user, systemd=version)
    assert shared.stat().st_uid == 12346
    assert not version or cache.stat().st_gid == os.getegid()


@needs_root
def test_an_earlier_user_who_prevents_the_removal_of_a_cache_is_reported_and_stops_nobody_else(daemon_host, systemd):
    daemon_host.apply(daemon_host.user, another_user(daemon_host), systemd=252)
    caches = [daemon_host.directory / f"var/cache/gopls/{name}" for name in (ME, "somebody-else")]
    for cache in caches:
        os.chown(cache, 12345, 12345)
    with mounted(caches[0], "--bind", caches[0]):
        applied = daemon_host.apply(daemon_host.user, another_user(daemon_host), systemd=252)
    assert [(entry.user, entry.file) for entry in applied.skipped] == [(ME, str(caches[0]))]
    assert [cache.stat().st_uid for cache in caches] == [12345, os.geteuid()]


def test_one_run_is_enough_where_an_earlier_version_had_fewer_units(daemon_host, systemd):
    daemon_host.apply(daemon_host.user, systemd=252)
    for pprof in (False, True):
        for unit in (paths.pprof_socket(ME), paths.pprof_proxy(ME)):
            systemd.states.pop(unit, None)
        for file in pathlib.Path(systemctl.UNIT_DIR).glob("gopls-pprof@*"):
            file.unlink()
        systemd.run("daemon-reload")
        assert daemon_host.apply(daemon_host.user, systemd=252, pprof=pprof).changes
        assert not daemon_host.apply(daemon_host.user, systemd=252, pprof=pprof).changes


def test_memory_max_is_below_the_declared_cap_and_above_memory_high():
    text = units.render_units(DaemonOptions("/bin/gopls", "/go", LIMITS, 252))[f"{systemctl.UNIT_DIR}/gopls@.service"]
    high, most = (
        int(line.partition("=")[2]) for line in text.splitlines() if line.startswith(("MemoryH", "MemoryMax"))
    )
    assert high < most == LIMITS.cap - MIB


@pytest.mark.parametrize("check", [True, False])
def test_a_missing_package_is_a_change_in_check_mode_only(daemon_host, systemd, monkeypatch, check):
    monkeypatch.setattr(gopls_service, "_LOGROTATE", str(daemon_host.directory / "logrotate"))
    planned = daemon_host.apply(daemon_host.user, check=True, systemd=252)
    outcome = gopls_service.make_outcome(ValidOptions(planned.expected, [], [], [], []), planned, check=check)
    assert outcome.result["packages"] == ([] if check else ["logrotate"])
    assert ("package logrotate" in json.dumps(outcome.result["diff"])) == check
