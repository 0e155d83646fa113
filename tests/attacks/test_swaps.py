# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user swaps files and directories for links while root runs each writer: only files of that user change."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import shutil
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host import tempdirs
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import remove

from tests.support.directories import public_directory

from .swapper import TWIN, Swapper
from .users import DIRECTORIES, FILES, make_user, writers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several users")
ALICE, BOB = 50_000, 50_001
SWAPS = 10_000
RUNS = 20
# Seconds, for a busy machine.
LONGEST = 60


class Host:
    """The homes of alice, who attacks, and of bob, and a tree of root's with the same names."""

    def __init__(self, top: pathlib.Path) -> None:
        self.top = top
        self.alice, self.bob = make_user(top, "alice", ALICE), make_user(top, "bob", BOB)
        self.home = pathlib.Path(self.alice.home)
        self.swapper = Swapper()

    def plant(self, places: t.Iterable[str]) -> list[pathlib.Path]:
        """Give each place of alice twins: links to root's and bob's entry of this name, and an empty file.

        Returns the directories that contain them.
        """
        shutil.copytree(self.bob.home, self.top / "root", symlinks=True)
        for path in (self.top / "root").rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() else 0o644)
        directories = set()
        for place in places:
            path = self.home / place
            path.parent.mkdir(parents=True, exist_ok=True)
            for owner in ("root", "bob"):
                self._twin(path, owner).symlink_to(self.top / owner / place)
            if path.suffix or place in (".config/go/env", ".config/go/telemetry/mode"):
                self._twin(path, "empty").write_text("{}")
            directories.add(path.parent)
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, ALICE, ALICE, follow_symlinks=False)
        return sorted(directories)

    @staticmethod
    def _twin(path: pathlib.Path, kind: str) -> pathlib.Path:
        return path.with_name(f"{TWIN}{path.name}~{kind}")

    def leave_root_directory(self, number: int) -> None:
        """Leave a directory of root's in the home, as a first build by root does."""
        twin = self._twin(self.home / "go", f"left{number}")
        (self.top / "made").mkdir(exist_ok=True)
        made = self.top / f"made/{number}"
        (made / "pkg/mod").mkdir(parents=True)
        (made / "pkg/file").write_text("")
        made.rename(twin)

    def state(self) -> dict[str, tuple[t.Any, ...]]:
        """Return all that is not alice's: owners, modes and contents."""
        return {
            str(path): (*_rights(path), path.read_bytes() if path.is_file() and not path.is_symlink() else b"")
            for owner in ("root", "bob")
            for path in (self.top / owner, *(self.top / owner).rglob("*"))
        }

    def plant_tree(self, directory: pathlib.Path) -> None:
        """Make a tree of alice's in a directory, with a link to root's tree as its twin."""
        shutil.copytree(self.top / "root", directory / "files", symlinks=True)
        self._twin(directory / "files", "root").symlink_to(self.top / "root")
        for path in (directory, *directory.rglob("*")):
            os.chown(path, ALICE, ALICE, follow_symlinks=False)

    def attack(self, write: t.Callable[[int], object]) -> None:
        """Run ``write`` until enough swaps were made beside it, and compare what is not alice's."""
        before, deadline = self.state(), time.monotonic() + LONGEST
        for number in itertools.count():
            write(number)
            if number >= RUNS and self.swapper.count >= SWAPS:
                break
            assert time.monotonic() < deadline, f"only {self.swapper.count} swaps"
        assert self.state() == before


def _rights(path: pathlib.Path) -> tuple[int, int, int, int]:
    status = path.lstat()
    return status.st_mode, status.st_uid, status.st_gid, status.st_ino


@pytest.fixture
def host() -> t.Iterator[Host]:
    with public_directory() as directory:
        yield Host(directory)


@pytest.mark.parametrize("module", FILES)
def test_a_writer_changes_nothing_but_the_users_own_files(
    host: Host, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    write = writers(tmp_path, monkeypatch)[module]
    assert write([host.bob]) == []
    parents = {str(parent) for file in FILES[module] for parent in pathlib.Path(file).parents if str(parent) != "."}
    directories = host.plant([*FILES[module], *sorted(parents), *(DIRECTORIES if module == "go_env" else ())])

    def run(number: int) -> None:
        if module == "go_env":
            host.leave_root_directory(number)
        skipped = write([host.alice, host.bob])
        assert {entry.user for entry in skipped} <= {"alice"}

    with host.swapper.running(directories, ALICE):
        host.attack(run)


def test_a_removal_removes_nothing_of_others(host: Host) -> None:
    """What root removes for a user: caches, sockets, builds."""
    host.plant([])
    (host.top / "state").mkdir()

    def run(number: int) -> None:
        cache = host.top / f"state/{number}"
        cache.mkdir()
        host.plant_tree(cache)
        with host.swapper.running([cache], ALICE), contextlib.suppress(OSError):
            time.sleep(0.01)
            remove(str(cache))

    host.attack(run)


def test_a_temporary_directory_of_a_user_is_removed_alone(host: Host) -> None:
    host.plant([])
    shared = host.top / "shared"
    shared.mkdir()
    shared.chmod(0o1777)

    def run(_number: int) -> None:
        # The swapper ends after the removal, which may leave what is alice's.
        with (
            contextlib.ExitStack() as attack,
            contextlib.suppress(OSError, DevserverError),
            tempdirs.user_directory(host.alice, str(shared), "x-") as path,
        ):
            host.plant_tree(pathlib.Path(path))
            attack.enter_context(host.swapper.running([pathlib.Path(path)], ALICE))
            time.sleep(0.01)

    host.attack(run)
