# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Atomic writes that are killed, and what the errors of files recommend."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import signal
import stat
import subprocess
import sys
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host import files
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text, write_text
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import (
    ManagedFile,
    plan_edits,
    write_all,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.user_access import acting_as, call_as

from tests.support.directories import nest, public_directory
from tests.support.mounts import mounted

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
SECRET = "/etc/shadow"


def error_of_another_user() -> str:
    """Return the error of a process that never was root's, as of a play without become."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            read_text(SECRET)
        except DevserverError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as output:
        text = output.read()
    os.waitpid(pid, 0)
    return text


@needs_root
def test_a_play_without_become_gets_that_as_its_remedy() -> None:
    assert f"cannot read {SECRET}: Permission denied. To fix this: run the play as root: become: true" in (
        error_of_another_user()
    )


@needs_root
def test_root_acting_as_a_user_recommends_a_repair_of_the_file() -> None:
    with acting_as(find_account("nobody")), pytest.raises(DevserverError, match=r"correct the owner or mode"):
        read_text(SECRET)


@needs_root
@pytest.mark.parametrize("file", ["maps", "status", "fdinfo/1"])
def test_a_link_to_the_reading_process_is_not_read(file: str) -> None:
    with public_directory() as directory:
        (directory / "env").symlink_to("proc")
        (directory / "proc").symlink_to(f"/proc/self/{file}")
        for path in (f"{directory}/env", f"/proc/self/{file}"):
            with acting_as(find_account("nobody")), pytest.raises(DevserverError, match="is not a regular file"):
                read_text(path)
            with pytest.raises(DevserverError, match="is not a regular file"):
                call_as(find_account("nobody"), functools.partial(read_text, path))
    assert read_text(f"/proc/self/{file}")


def test_a_directory_in_the_place_of_a_file_is_to_be_moved(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DevserverError, match=r"is not a regular file of .* rename or remove it"):
        read_text(str(tmp_path))


def write_and_die(path: pathlib.Path) -> None:
    """Write ``path`` in a process that is killed before the file is complete."""
    pid = os.fork()
    if pid == 0:
        with files.replacing(str(path), mode=0o644) as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def entries(directory: pathlib.Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


@pytest.mark.parametrize("declared", ["new", "old", None])
def test_the_next_run_removes_what_a_killed_write_left(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, declared: str | None
) -> None:
    """Also if the file itself does not differ then."""
    monkeypatch.setattr(files, "ETC", str(tmp_path))
    path = tmp_path / "logrotate.d/gopls"
    path.parent.mkdir()
    path.write_text("old")
    write_and_die(path)
    # logrotate reads every file in its directory, with any name.
    if os.geteuid() == 0:
        assert entries(path.parent) == ["gopls"]
    assert len(entries(tmp_path)) == (4 if os.geteuid() == 0 else 3)
    file = ManagedFile(str(path), lambda _now: declared)
    changes = files.Changes()
    for edit in plan_edits([file]):
        edit.add_to(changes)
    assert "left by an interrupted run\n" in [diff["before"] for diff in changes.result()["diff"]]
    write_all(plan_edits([file]))
    assert entries(tmp_path) == ["logrotate.d", *(["logrotate.d/gopls"] if declared else [])]
    assert plan_edits([file]) == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_difference_of_megabytes_is_not_masked(whole: bool) -> None:
    text = "#" + '"a=' * (files.LARGEST // 3)
    changes = files.Changes()
    start = time.monotonic()
    changes.add("env", text, f"{text}\nGOPROXY=off\n", whole=whole)
    assert time.monotonic() - start < 1
    (diff,) = changes.result()["diff"]
    assert diff["before"] == f"({len(text)} characters, too long to show)\n" != diff["after"]
    assert len(diff["after"]) < 100


def test_a_file_that_another_run_writes_now_stays(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ETC", str(tmp_path))
    path = tmp_path / "a/b"
    path.parent.mkdir()
    with files.replacing(str(path), mode=0o644) as file:
        file.write(b"new")
        assert files.find_unfinished(str(path)) == []
    assert path.read_text() == "new"
    assert entries(tmp_path) == ["a", "a/b"]


@needs_root
def test_on_a_file_system_of_its_own_the_temporary_file_is_beside(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ETC", str(tmp_path))
    path = tmp_path / "a/b"
    path.parent.mkdir()
    with mounted(path.parent, "--bind", path.parent):
        write_and_die(path)
        (left,) = files.find_unfinished(str(path))
        assert os.path.dirname(left) == str(path.parent)
        with files.replacing(str(path), mode=0o644) as file:
            file.write(b"new")
        assert path.read_text() == "new"


def test_what_a_user_puts_in_place_of_a_temporary_file_stays(tmp_path: pathlib.Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / ".f.unfinished-link").symlink_to("target")
    os.mkfifo(tmp_path / ".f.unfinished-pipe")
    (tmp_path / ".f.unfinished-directory").mkdir()
    assert files.find_unfinished(str(tmp_path / "f")) == []


def test_a_tree_that_is_too_deep_to_remove_is_an_error_of_its_path(tmp_path: pathlib.Path) -> None:
    """A user can make one in a cache that root removes."""
    top = tmp_path / "cache"
    top.mkdir()
    nest(top, 2 * sys.getrecursionlimit())
    try:
        with contextlib.suppress(OSError):
            files.remove(str(top))
    finally:
        # pytest could not remove it either.
        subprocess.run(["rm", "-rf", top], check=True)


def test_the_new_content_of_a_file_is_never_setuid(tmp_path):
    file = tmp_path / "file"
    file.write_text("old")
    file.chmod(0o6755)
    write_text(str(file), "new", mode=0o644, uid=os.getuid(), gid=os.getgid())
    assert stat.S_IMODE(file.stat().st_mode) == 0o755


def test_a_file_that_is_a_mount_of_its_own_is_to_be_unmounted(tmp_path):
    file = tmp_path / "file"
    file.write_text("old")
    with mounted(file, "--bind", file):
        with pytest.raises(DevserverError, match=f"remove the mount of that file, which 'findmnt {file}' shows"):
            write_text(str(file), "new", mode=0o644, uid=os.getuid(), gid=os.getgid())
        assert file.read_text() == "old"
