# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary directories of several runs at once: each keeps its own, and the next run removes those of a killed run."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host import removal, tempdirs
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.removal import remove_as_owner
from ansible_collections.gopherops.devserver.plugins.module_utils._host.tempdirs import (
    find_abandoned,
    remove_abandoned,
    temporary_directory,
    user_directory,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.user_access import acting_as, limited
from ansible_collections.gopherops.devserver.plugins.module_utils._shells import startup

from tests.support.directories import nest
from tests.support.mounts import hanging, mounted
from tests.support.time_limit import time_limit

PREFIX = "work-[x]-"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root is at risk in other users' directories")


def use(parent: pathlib.Path) -> None:
    with temporary_directory(str(parent), PREFIX) as scratch:
        for number in range(5):
            directory = pathlib.Path(scratch.path, str(number), "x")
            directory.mkdir(parents=True)
            (directory / "file").write_text("x")


def test_many_at_once_keep_their_own_and_leave_nothing(tmp_path: pathlib.Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(use, tmp_path) for _number in range(400)]:
            done.result()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_in_use_until_it_is_gone(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    rmdir, unlink = os.rmdir, os.unlink

    def looking(function: t.Callable[..., None]) -> t.Callable[..., None]:
        def remove(*arguments: t.Any, **options: t.Any) -> None:
            seen.append(find_abandoned(str(tmp_path), PREFIX))
            function(*arguments, **options)

        return remove

    monkeypatch.setattr(os, "rmdir", looking(rmdir))
    monkeypatch.setattr(os, "unlink", looking(unlink))
    use(tmp_path)
    assert len(seen) > 10
    assert not any(seen)


def killed(parent: pathlib.Path, call: int) -> bool:
    """Use a directory in a process that dies at its ``call``-th change of a name; return whether it died."""
    process = os.fork()
    if not process:
        left = [call]

        def dying(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
            def run(*arguments: t.Any, **options: t.Any) -> t.Any:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
                return function(*arguments, **options)

            return run

        for name in ("mkdir", "rename", "unlink", "rmdir"):
            setattr(os, name, dying(getattr(os, name)))
        use(parent)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9


def test_what_a_kill_leaves_at_any_moment_is_removed_or_as_good_as_empty(tmp_path: pathlib.Path) -> None:
    moments = 0
    while True:
        parent = tmp_path / str(moments)
        parent.mkdir()
        if not killed(parent, moments):
            break
        moments += 1
        found = find_abandoned(str(parent), PREFIX)
        remove_abandoned(str(parent), PREFIX)
        rest = list(parent.rglob("*"))
        assert found or len(rest) <= 2, moments
        assert not any(path.stat().st_size for path in rest if path.is_file()), moments
        assert not found or rest == [], moments
    assert moments > 20
    assert list(parent.iterdir()) == []


def test_what_a_child_still_uses_stays(tmp_path: pathlib.Path) -> None:
    directory = tmp_path / f"{PREFIX}1"
    directory.mkdir()
    (directory / "lock").touch()
    with subprocess.Popen(["flock", directory / "lock", "sh", "-c", "echo; read x"], stdin=-1, stdout=-1) as other:
        assert other.stdout and other.stdout.readline()
        use(tmp_path)
        assert find_abandoned(str(tmp_path), PREFIX) == []
        assert directory.exists()
        other.communicate(b"\n")
    assert find_abandoned(str(tmp_path), PREFIX) == [str(directory)]
    use(tmp_path)
    assert not directory.exists()


def test_what_only_has_the_name_stays(tmp_path: pathlib.Path) -> None:
    other, parent = tmp_path / "other", tmp_path / "parent"
    for directory in (other, parent / "work-x-1", parent / f"{PREFIX}empty"):
        directory.mkdir(parents=True)
    (other / "lock").touch()
    (parent / "work-x-1/lock").touch()
    (parent / f"{PREFIX}link").symlink_to(other)
    (parent / f"{PREFIX}file").touch()
    before = sorted(tmp_path.rglob("*"))
    use(parent)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("plant", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_a_lock_that_is_no_file_blocks_and_stops_no_run(tmp_path: pathlib.Path, plant: t.Callable[..., None]) -> None:
    planted = tmp_path / f"{PREFIX}x"
    planted.mkdir()
    plant(planted / "lock")
    with time_limit(5):
        use(tmp_path)
        assert find_abandoned(str(tmp_path), PREFIX) == []
    assert list(tmp_path.iterdir()) == [planted]


@needs_root
def test_root_makes_no_temporary_directory_where_a_user_could_swap_it(tmp_path: pathlib.Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(tmp_path, nobody.pw_uid, nobody.pw_gid)
    with pytest.raises(DevserverError, match=f"{tmp_path}"), temporary_directory(str(tmp_path), PREFIX):
        pass
    assert list(tmp_path.iterdir()) == []
    with acting_as(find_account("nobody")), pytest.raises(PermissionError), temporary_directory("/usr", PREFIX):
        pass


@needs_root
def test_a_users_directory_belongs_to_that_user_and_is_removed() -> None:
    nobody = find_account("nobody")
    with user_directory(nobody, "/tmp", PREFIX) as path:
        assert os.stat(path).st_uid == nobody.uid
        pathlib.Path(path, "hosts").symlink_to("/etc/hosts")
    assert os.path.exists("/etc/hosts") and not os.path.exists(path)
    with pytest.raises(DevserverError, match="user nobody cannot create"), user_directory(nobody, "/usr", PREFIX):
        pass


def fill(directory: pathlib.Path, account: Account) -> None:
    """Make directories of a user that are nested deeper than descriptors and calls can be, and one without rights."""
    with acting_as(account):
        nest(directory, sys.getrecursionlimit())
        (directory / "closed/inner").mkdir(parents=True)
        (directory / "closed").chmod(0)
        (directory / "hosts").symlink_to("/etc/hosts")


@needs_root
def test_a_users_deep_directories_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    nobody = find_account("nobody")
    with user_directory(nobody, "/tmp", PREFIX) as own:
        fill(pathlib.Path(own), nobody)
    with startup.user_directory(nobody) as of_shell:
        fill(pathlib.Path(of_shell), nobody)
    assert not os.path.exists(own) and not os.path.exists(os.path.dirname(of_shell)) and os.path.exists("/etc/hosts")


@needs_root
@pytest.mark.parametrize("make", [startup.user_directory, lambda account: user_directory(account, "/tmp", PREFIX)])
def test_what_a_user_leaves_stops_only_that_user_and_only_once(make: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    nobody, daemon = find_account("nobody"), find_account("daemon")
    with contextlib.ExitStack() as mount:
        with pytest.raises(DevserverError, match=r"cannot remove .* of user nobody"), make(nobody) as path:
            kept = pathlib.Path(path, "kept")
            with acting_as(nobody):
                kept.mkdir()
            mount.enter_context(mounted(kept, "-t", "tmpfs", "none"))
        for account in (nobody, daemon):
            with make(account):
                assert kept.exists()
    # Another run removes it.
    monkeypatch.setattr(tempdirs, "_LEFT", set())
    with make(nobody):
        assert not os.path.exists(path)


@needs_root
def test_all_removals_of_a_user_share_one_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user plants directories like those of killed runs, and stops each process that removes them."""
    monkeypatch.setattr(removal, "_SECONDS", 1.0)
    monkeypatch.setattr(removal, "_LEAST", 0.5)
    monkeypatch.setattr(removal, "_REMOVE", "kill -STOP $$")
    monkeypatch.setattr(removal, "_SPENT", memoryview(bytearray(8 << 16)).cast("d"))
    nobody = find_account("nobody")
    planted = [pathlib.Path(f"/tmp/{PREFIX}{number}") for number in range(30)]
    try:
        for path in planted:
            with acting_as(nobody):
                (path / "x").mkdir(parents=True)
                (path / "lock").touch()
        with time_limit(10), pytest.raises(DevserverError, match="timed out"), user_directory(nobody, "/tmp", PREFIX):
            pass
        assert removal.seconds_left(nobody) <= 0
        assert sum(path.exists() for path in planted) == len(planted)
    finally:
        for path in pathlib.Path("/tmp").glob("work-[[]x]-*"):
            shutil.rmtree(path, ignore_errors=True)


@needs_root
def test_forked_processes_share_the_time_limit_of_a_user() -> None:
    nobody, before = find_account("nobody"), removal.seconds_left(find_account("nobody"))

    def remove() -> None:
        with user_directory(nobody, "/tmp", PREFIX) as path, acting_as(nobody):
            pathlib.Path(path, "x").mkdir()

    limited(remove)
    assert removal.seconds_left(nobody) < before


def test_no_more_entries_of_a_shared_directory_are_inspected_than_the_limit(tmp_path, monkeypatch) -> None:
    """Any user can make hundreds of thousands of such names in /tmp, which would delay each probe."""
    for number in range(30):
        (tmp_path / f"{PREFIX}{number}").mkdir()
        (tmp_path / f"{PREFIX}{number}/lock").touch()
    monkeypatch.setattr(tempdirs, "_MOST_ENTRIES", 10)
    assert len(find_abandoned(str(tmp_path), PREFIX)) == 10
    use(tmp_path)
    assert len(list(tmp_path.iterdir())) == 20


@needs_root
def test_an_entry_of_another_user_keeps_nothing_else_from_being_removed(tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o755)
    directory = tmp_path / "cache"
    (directory / "closed/x").mkdir(parents=True)
    (directory / "other/x").mkdir(parents=True)
    nobody, other = find_account("nobody"), find_account("daemon")
    for path in (directory, *directory.rglob("*")):
        account = other if "other" in path.parts else nobody
        os.chown(path, account.uid, account.gid)
    (directory / "closed").chmod(0o500)
    with pytest.raises(DevserverError, match="cannot remove"):
        remove_as_owner(str(directory))
    assert sorted(path.name for path in directory.rglob("*")) == ["other", "x"]


@needs_root
def test_a_users_file_system_that_hangs_stops_a_removal_for_its_time_limit(tmp_path: pathlib.Path) -> None:
    nobody, directory = find_account("nobody"), tmp_path / "cache"
    tmp_path.chmod(0o755)
    mount = directory / "mount"
    mount.mkdir(parents=True)
    os.chown(directory, nobody.uid, nobody.gid)
    with hanging(mount, nobody.uid), time_limit(20), pytest.raises(DevserverError, match="it timed out"):
        remove_as_owner(str(directory), 0.5)
    remove_as_owner(str(directory), 5)
    assert not directory.exists()


def test_users_whose_ids_are_equal_in_their_lower_bits_share_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory services of some sites give users such IDs."""
    for name, kind in (("_SPENT", "d"), ("_USERS", "q")):
        monkeypatch.setattr(removal, name, memoryview(bytearray(8 << 16)).cast(kind))
    users = [Account("x", uid, uid, "/", "/bin/sh") for uid in (1000, 66536, 1000 + (1 << 31), (1 << 32) - 2, 65534)]
    full = removal.seconds_left(users[0])
    for number, user in enumerate(users):
        removal._SPENT[removal._place_of(user)] += number
    assert [full - removal.seconds_left(user) for user in users] == [0, 1, 2, 3, 4]
