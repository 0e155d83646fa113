# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root touches no path of a user with its own rights: every access of writers and readers is recorded."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys
import traceback
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import (
    directories,
    editor_settings,
    managed_files,
    requirements,
    tools,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.tools import PinnedTool
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import apply
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import KINDS
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.gopherops.devserver.plugins.module_utils._host.mounts import mounts

from tests.support.directories import public_directory

from .users import FILES, environment_of, make_user, writers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several users")
# Functions that python reports to no audit hook.
UNAUDITED = ("stat", "lstat", "readlink", "access", "statvfs")


class Recorder:
    """Records where root accesses paths below ``top``, also in child processes."""

    def __init__(self, top: pathlib.Path, log: pathlib.Path) -> None:
        self._top, self._log = f"{top}/", os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.users = [make_user(top, name, 50_000 + number) for number, name in enumerate(("alice", "bob"))]
        self._active = False

    @contextlib.contextmanager
    def recording(self) -> t.Iterator[None]:
        self._active = True
        try:
            yield
        finally:
            self._active = False

    def note(self, path: t.Any) -> None:
        if not self._active or os.geteuid() != 0 or not isinstance(path, (str, bytes, os.PathLike)):
            return
        name = os.fsdecode(path)
        if name.startswith(self._top):
            frames = [frame for frame in traceback.extract_stack() if "/module_utils/" in frame.filename]
            places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-2:]]
            os.write(self._log, json.dumps([name, *places]).encode() + b"\n")

    def accesses(self) -> list[t.Any]:
        text = os.pread(self._log, 1 << 20, 0).decode()
        return [json.loads(line) for line in dict.fromkeys(text.splitlines())]


@pytest.fixture
def recorder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Recorder]:
    with public_directory() as directory:
        made = Recorder(directory, tmp_path / "accesses")
        # A hook stays until the process ends.
        sys.addaudithook(lambda _event, arguments: [made.note(argument) for argument in arguments] and None)
        for name in UNAUDITED:
            monkeypatch.setattr(os, name, noting(made, getattr(os, name)))
        yield made


def noting(recorder: Recorder, function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    def wrapper(path: t.Any, *arguments: t.Any, **options: t.Any) -> t.Any:
        # A path that is relative to a descriptor cannot be redirected.
        recorder.note(path if options.get("dir_fd") is None else "")
        return function(path, *arguments, **options)

    return wrapper


@pytest.mark.parametrize("module", FILES)
def test_writers_access_homes_with_the_users_rights(
    recorder: Recorder, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    write = writers(tmp_path, monkeypatch)[module]
    with recorder.recording():
        assert write(recorder.users) == []
        assert write(recorder.users) == []
    assert [tuple(a) for a in recorder.accesses()] == []
    assert os.path.lexists(f"{recorder.users[0].home}/{FILES[module][0]}")


def test_readers_access_homes_with_the_users_rights(
    recorder: Recorder, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers(tmp_path, monkeypatch)["go_env"](recorder.users)
    users = list(map(environment_of, recorder.users))
    declaration = Declaration(users, "/g", [])
    pinned = PinnedTool("gopls", "p", "v", "go", "/usr/local/bin/gopls", "")
    with recorder.recording():
        assert len(directories.directories_of(users, mounts())) == 3 * len(users)
        assert list(directories.program_directories_of(users, mounts()))
        managed_files.managed_files_of(declaration, [], apply.KINDS, [])
        list(tools.tool_copies(users, [pinned]))
        list(tools.undeclared_tools(users, [pinned]))
        list(tools.fetched_toolchains(users))
        list(editor_settings.missing_extensions(users))
        requirements.unmet_requirements(declaration, "1.21")
        assert [context for user in users for kind in KINDS for context in kind.contexts_of(user, ())]
    assert [tuple(a) for a in recorder.accesses()] == []


def test_an_access_of_root_is_recorded(recorder: Recorder) -> None:
    home = pathlib.Path(recorder.users[0].home)
    with recorder.recording():
        (home / "work/.vscode/launch.json").read_text()
        os.listdir(home)
        os.path.isdir(home)
        assert len(recorder.accesses()) == 2
