# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a module manages: all are read and judged before the first is written."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import ManagedFile
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.files import read_text, write_text


class FileEdit(t.NamedTuple):
    """What becomes of a file; None stands for no file."""

    file: ManagedFile
    before: str | None
    after: str | None


def edits_of(files: t.Iterable[ManagedFile]) -> list[FileEdit]:
    """Return what is to be done, and raise DevserverError for a file that cannot be read, understood or written.

    What stands several times with one path is the same file.
    """
    edits = [_edit(file) for file in {file.path: file for file in files}.values()]
    return [edit for edit in edits if edit.before != edit.after]


def _edit(file: ManagedFile) -> FileEdit:
    with acting_as(file.actor):
        before = read_text(file.path)
        after = file.content(before)
        refusal = refusal_of(_folder(file.path)) if before != after else ""
    if refusal:
        raise _unwritable(file, refusal)
    return FileEdit(file, before, after)


def _folder(path: str) -> str:
    """Return where a file is really written: where a link leads, which may be to nothing yet."""
    return os.path.dirname(os.path.realpath(path))


def _unwritable(file: ManagedFile, refusal: str) -> DevserverError:
    whose = f" of user {file.owner.name}" if file.owner else ""
    folder = _folder(file.path)
    linked = os.path.islink(file.path)
    leads = f", which is a link to {os.path.realpath(file.path)}," if linked else ""
    return DevserverError(
        f"{file.path}{whose}{leads} cannot be written: {refusal}",
        expected="a file in a folder that is there, or can be made" if linked else "",
        remedy=f"remove the link, or make {folder} writable" if linked else f"make {folder} writable",
        path=file.path,
    )


def write_all(edits: t.Iterable[FileEdit]) -> None:
    """Carry out ``edits``, each in one step."""
    for edit in edits:
        with acting_as(edit.file.actor):
            _write(edit)


def _write(edit: FileEdit) -> None:
    file = edit.file
    if edit.after is None:
        os.unlink(file.path)
        return
    os.makedirs(_folder(file.path), exist_ok=True)
    uid, gid = (file.owner.uid, file.owner.gid) if file.owner else (0, 0)
    write_text(file.path, edit.after, mode=file.mode, uid=uid, gid=gid, keep=not file.whole)


def refusal_of(path: str) -> str:
    """Return why this process can neither use nor make the directory ``path``; empty where it can."""
    nearest = path
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    if not os.path.isdir(nearest):
        return f"{nearest} is not a directory"
    # access(2) asks for the real user, whom acting_as leaves alone.
    if not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
        return f"{nearest} belongs to uid {os.stat(nearest).st_uid} and is not writable"
    return ""
