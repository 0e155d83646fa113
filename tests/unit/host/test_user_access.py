# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that accesses files with the rights of a user: results, errors, time limit, rights and masks."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pathlib
import pwd
import resource
import signal
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError, TimedOut
from ansible_collections.gopherops.devserver.plugins.module_utils._host import user_access
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import (
    child_ids,
    process_ids,
    read_command_line,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.reading_limit import reading
from ansible_collections.gopherops.devserver.plugins.module_utils._host.user_access import (
    UserTimedOut,
    acting_as,
    call_as,
    each_as,
    limited,
    may_access,
)

from tests.support.directories import public_directory
from tests.support.mounts import hanging

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture
def account() -> t.Iterator[Account]:
    """Another user with a home; for a user without root's rights, that user."""
    uid = 54321 if os.geteuid() == 0 else os.getuid()
    with public_directory() as directory:
        home = directory / "alice"
        home.mkdir()
        os.chown(home, uid, uid)
        yield Account("alice", uid, uid, str(home), "/bin/sh")


def test_results_and_errors_come_back_as_they_are(account: Account) -> None:
    def function(item: str) -> t.Any:
        if item == "known":
            raise DevserverError("p", expected="e", remedy="r", line=3)
        if item == "os":
            os.stat("/no/such")
        if item == "unknown":
            raise RecursionError("too deep")
        return [item, None, 3]

    results = each_as(account, function, {name: name for name in ("caf\udce9", "known", "os", "unknown", "last")})
    assert results["caf\udce9"]() == ["caf\udce9", None, 3]
    assert results["last"]() == ["last", None, 3]
    with pytest.raises(DevserverError) as known:
        results["known"]()
    assert (str(known.value), known.value.details) == ("p. Expected: e. To fix this: r.", {"line": 3})
    with pytest.raises(FileNotFoundError) as missing:
        results["os"]()
    assert missing.value.filename == "/no/such"
    with pytest.raises(DevserverError, match="RecursionError: too deep"):
        results["unknown"]()


def test_a_call_without_end_costs_its_user_alone(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_access, "LIMIT", 0.3)
    start = time.monotonic()
    results = each_as(account, time.sleep, {"/a": 0.0, "/b": 60.0, "/c": 0.0})
    assert time.monotonic() - start < 10
    assert results["/a"]() is None
    with pytest.raises(TimedOut, match=r"/b of user alice took longer than 0\.3 s"):
        results["/b"]()
    with pytest.raises(TimedOut, match="stays as it is, because /b of user alice took longer"):
        results["/c"]()


def test_calls_that_a_user_delays_cost_the_limit_once(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user can stop each process, and continue it shortly before its limit."""
    monkeypatch.setattr(user_access, "LIMIT", 1.5)
    monkeypatch.setattr(user_access, "_UNCOUNTED", 0.0)
    start = time.monotonic()
    results = [each_as(account, time.sleep, {f"/{number}": 0.6})[f"/{number}"] for number in range(20)]
    assert time.monotonic() - start < 5
    assert results[0]() is None
    with pytest.raises(TimedOut):
        results[-1]()


ATTACKS: dict[str, t.Callable[[int], object]] = {
    "niceness": lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 19),
    "processors": lambda pid: os.sched_setaffinity(pid, {0}),
    "scheduler": lambda pid: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
    "limits": lambda pid: resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3)),
    "stop": lambda pid: os.kill(pid, signal.SIGSTOP),
    "environment": lambda pid: pathlib.Path(f"/proc/{pid}/environ").read_bytes(),
    "descriptors": lambda pid: os.listdir(f"/proc/{pid}/fd"),
}


@ROOT
def test_a_user_cannot_control_the_process_that_acts_as_the_user(account: Account) -> None:
    pid = os.getpid()
    go, started = os.pipe()
    denied, report = os.pipe()
    attacker = os.fork()
    if attacker == 0:
        try:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
            os.read(go, 1)
            for name, attack in ATTACKS.items():
                with contextlib.suppress(PermissionError):
                    attack(pid)
                    continue
                os.write(report, f"{name} ".encode())
        finally:
            os._exit(0)
    os.close(report)
    try:
        with acting_as(account):
            os.write(started, b"1")
            with open(denied, "rb") as file:
                assert file.read().decode().split() == list(ATTACKS)
    finally:
        os.kill(attacker, signal.SIGKILL)
        os.waitpid(attacker, 0)


def test_memory_without_end_costs_its_user_alone(account: Account) -> None:
    def function(mebibytes: int) -> int:
        return len(bytearray(mebibytes << 20))

    results = each_as(account, function, {"small": 100, "large": 600, "next": 100})
    assert results["small"]() == results["next"]() == 100 << 20
    with pytest.raises(DevserverError, match="it takes more than 512 MiB of memory"):
        results["large"]()


def test_programs_have_the_limits_of_their_caller(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_access, "LIMIT", 0.2)
    monkeypatch.setattr(user_access, "_UNCOUNTED", 0.0)

    def function(seconds: float) -> int:
        time.sleep(seconds)
        return resource.getrlimit(resource.RLIMIT_DATA)[0]

    result = each_as(account, function, {"long": 0.5}, seconds=30, programs=True)["long"]()
    assert result == resource.getrlimit(resource.RLIMIT_DATA)[0]
    assert call_as(account, lambda: True)


def test_a_killed_process_is_an_error_of_the_user(account: Account) -> None:
    before = child_ids(os.getpid())
    with pytest.raises(DevserverError, match="was killed"):
        call_as(account, lambda: os.kill(os.getpid(), signal.SIGKILL))
    call_as(account, lambda: None)
    assert child_ids(os.getpid()) == before


@ROOT
def test_the_process_has_the_rights_of_the_user_and_no_way_back(account: Account) -> None:
    def identity() -> list[t.Any]:
        try:
            os.seteuid(0)
        except PermissionError:
            return [os.getresuid(), os.getresgid(), os.getgroups(), os.stat(f"/proc/{os.getpid()}/mem").st_uid]
        return []

    uids, gids, groups, owner = call_as(account, identity)
    assert (uids, gids, groups) == ([54321] * 3, [54321] * 3, [54321])
    # No process of the user can read the memory, which has the values of all users.
    assert owner == 0


@pytest.mark.parametrize(
    ("defaults", "comment", "home", "mode"),
    [
        ("UMASK 022\n", "", 0o755, 0o755),
        ("# UMASK 077\nUMASK\t027 # group\n", "", 0o755, 0o750),
        ("UMASK 022\n", "Alice,,,umask=077", 0o755, 0o700),
        ("UMASK 022\n", "", 0o700, 0o700),
        ("UMASK 022\n", "", 0o750, 0o750),
        ("", "", 0o755, 0o755),
    ],
)
def test_new_directories_are_as_open_as_the_user_makes_them(
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    defaults: str,
    comment: str,
    home: int,
    mode: int,
) -> None:
    entry = pwd.struct_passwd(("alice", "x", account.uid, account.gid, comment, account.home, "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: entry)
    (tmp_path / "login.defs").write_text(defaults)
    monkeypatch.setattr(user_access, "_LOGIN_DEFS", str(tmp_path / "login.defs"))
    os.chmod(account.home, home)
    call_as(account, lambda: os.makedirs(f"{account.home}/a/b"))
    assert [os.stat(f"{account.home}/{name}").st_mode & 0o7777 for name in ("a", "a/b")] == [mode, mode]


@ROOT
def test_a_file_system_that_does_not_respond_ends_at_the_limit(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_access, "LIMIT", 0.3)
    match = f"{account.home} of user alice took longer"
    with hanging(pathlib.Path(account.home), account.uid), pytest.raises(TimedOut, match=match):
        user_access.has_home(account)


@ROOT
@pytest.mark.parametrize("glibc", [(2, 31), (2, 36)])
@pytest.mark.parametrize(
    ("owner", "mode", "allowed"),
    [(54321, 0o755, True), (54321, 0o577, False), (0, 0o775, False), (0, 0o705, False), (0, 0o703, True)],
)
def test_the_rights_of_the_user_count_with_every_glibc(
    account: Account, monkeypatch: pytest.MonkeyPatch, glibc: tuple[int, int], owner: int, mode: int, allowed: bool
) -> None:
    if glibc < (2, 33):
        # Such a glibc looks at the real user, who is root.
        real = os.access
        monkeypatch.setattr(user_access, "_glibc", lambda: glibc)
        monkeypatch.setattr(user_access.os, "access", lambda path, mode, **_options: real(path, mode))
    os.chown(account.home, owner, 0)
    os.chmod(account.home, mode)
    with acting_as(account):
        assert may_access(account.home, os.W_OK | os.X_OK) is allowed


@ROOT
def test_groups_count_with_an_older_glibc(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_access, "_glibc", lambda: (2, 31))
    os.chown(account.home, 0, account.gid)
    os.chmod(account.home, 0o770)
    with acting_as(account):
        assert may_access(account.home, os.W_OK | os.X_OK)


@ROOT
def test_a_limited_process_returns_results_and_errors(account: Account) -> None:
    def fail() -> None:
        raise DevserverError("p", remedy="r", line=3)

    def act() -> list[str]:
        with acting_as(account):
            (pathlib.Path(account.home) / "file").write_text("caf\udce9", errors="surrogateescape")
        # A user's own process has its own limit.
        return call_as(account, lambda: os.listdir(account.home))

    before = child_ids(os.getpid())
    assert limited(act) == ["file"]
    with pytest.raises(DevserverError, match=r"p\. To fix this: r\.") as error:
        limited(fail)
    assert error.value.details == {"line": 3}
    assert child_ids(os.getpid()) <= before


@ROOT
@pytest.mark.parametrize("in_thread", [False, True])
def test_a_read_that_hangs_ends_a_limited_process_with_its_programs(account: Account, in_thread: bool) -> None:
    def act() -> None:
        with acting_as(account):
            os.listdir(account.home)

    def read() -> None:
        with reading(account):
            os.listdir(account.home)

    def read_beside_a_program() -> None:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            pool.submit(run, ["sleep", "4711"], env={"PATH": "/bin"}, timeout=60)
            time.sleep(0.2)
            pool.submit(read)

    with hanging(pathlib.Path(account.home), account.uid, also_root=True):
        begin = time.monotonic()
        with pytest.raises(UserTimedOut, match=r"the files of user \w+ \d+ took longer than 0.5 s") as error:
            limited(read_beside_a_program if in_thread else act, seconds=0.5)
    assert error.value.uid == account.uid
    assert time.monotonic() - begin < 10
    assert not any("4711" in read_command_line(pid) for pid in process_ids())


@ROOT
def test_the_limit_is_that_of_all_reads_of_one_user(account: Account) -> None:
    other = account._replace(name="bob", uid=account.uid + 1)

    def read(times: int) -> str:
        for user in (account, other) * times:
            with acting_as(user):
                time.sleep(0.2)
        return "read"

    assert limited(lambda: read(2), seconds=0.9) == "read"
    with pytest.raises(UserTimedOut) as error:
        limited(lambda: read(9), seconds=0.9)
    assert error.value.uid == account.uid


@ROOT
def test_a_link_of_a_user_to_a_file_of_root_is_to_be_removed(account: Account, tmp_path: pathlib.Path) -> None:
    link = pathlib.Path(account.home, "settings.json")
    link.symlink_to("/etc/shadow")
    for read in (lambda: call_as(account, lambda: read_text(str(link))), lambda: read_acting(account, str(link))):
        with pytest.raises(DevserverError, match="remove the link that 'namei -l") as error:
            read()
        assert "as root" not in str(error.value)


def read_acting(account: Account, path: str) -> str | None:
    with acting_as(account):
        return read_text(path)
