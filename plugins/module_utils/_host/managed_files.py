# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a module manages: all are read and judged before the first is written."""

from __future__ import annotations

import os
import shlex
import stat
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.managed_header import managed_header
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text, write_text
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_block import with_block

HEAD = managed_header("go_env")
# Those of the folders that hold the collection's own files.
_FOLDER_MODE = 0o755


class ManagedFile(t.NamedTuple):
    """A file that a context is fed from, and what go_env makes of it.

    ``content`` maps the text now there (None: no file) to the text wanted (None: no file). ``whole`` says that all of
    the file is the collection's, which then sets its ``mode`` and ``owner`` too (None: root); of any other file only a
    part is, and they are those of a new one. With ``as_owner`` the file is reached with its owner's rights alone.
    """

    path: str
    content: t.Callable[[str | None], str | None]
    whole: bool = True
    mode: int = 0o644
    owner: Account | None = None
    as_owner: bool = False

    @property
    def actor(self) -> Account | None:
        """Whose rights the file is reached with; None for those of this process."""
        return self.owner if self.as_owner else None


def whole_file(path: str, text: str | None, *, mode: int = 0o644, owner: Account | None = None) -> ManagedFile:
    """Return a file that is the collection's own; without ``text`` there shall be none."""
    return ManagedFile(path, lambda _now: None if text is None else HEAD + text, mode=mode, owner=owner)


def block_in(path: str, body: str, *, first: bool) -> ManagedFile:
    """Return a file of somebody else's that shall hold ``body`` as its managed block, first or last."""
    return ManagedFile(path, lambda now: with_block(now or "", body, path=path, first=first), whole=False)


class Rights(t.NamedTuple):
    """Owner and mode of a file, or of a folder; the text of the owner is ``uid:gid``, empty where it is not judged."""

    owner: str
    mode: int

    def __str__(self) -> str:
        return f"{f'owner {self.owner}, ' if self.owner else ''}mode {self.mode:04o}"


class FileEdit(t.NamedTuple):
    """What becomes of a file; None stands for no file. Where they differ, ``rights`` are what it has and shall have."""

    file: ManagedFile
    before: str | None
    after: str | None
    rights: tuple[Rights, Rights] | None = None

    @property
    def shown(self) -> tuple[str, str]:
        """Return both states for a diff."""
        return self.with_rights(self.before or "", self.after or "")

    def with_rights(self, before: str, after: str) -> tuple[str, str]:
        """Return the texts of both states with the rights in front, where they differ."""
        if self.rights is None:
            return before, after
        return f"({self.rights[0]})\n{before}", f"({self.rights[1]})\n{after}"


def plan_edits(files: t.Iterable[ManagedFile]) -> list[FileEdit]:
    """Return what is to be done, and raise DevserverError for a file that cannot be read, understood or written.

    What stands several times with one path is the same file.
    """
    edits = [_edit(file) for file in {file.path: file for file in files}.values()]
    return [edit for edit in edits if edit.before != edit.after or edit.rights]


def _edit(file: ManagedFile) -> FileEdit:
    with acting_as(file.actor):
        before = read_text(file.path)
        after = file.content(before)
        rights = compare_rights(file) if None not in (before, after) else None
        changes = bool(before != after or rights)
        refusal = find_directory_problem(_folder(file.path)) if changes else ""
        foreign = find_owner_problem(file) if changes and after is not None else ""
    if refusal:
        raise _unwritable(file, refusal)
    if foreign:
        raise _not_its_users(file, foreign)
    return FileEdit(file, before, after, rights)


def find_owner_problem(file: ManagedFile) -> str:
    """Return why this process cannot put another file with the same owner and group in its place; empty where it can.

    What is wholly the collection's need not keep its owner. To be called with the rights that the file is reached with.
    """
    path = os.path.realpath(file.path)
    if file.whole or os.geteuid() == 0 or not os.path.exists(path):
        return ""
    status, folder = os.stat(path), os.stat(os.path.dirname(path))
    # What is made in a folder with this bit has the folder's group already.
    given = [folder.st_gid] if folder.st_mode & stat.S_ISGID else []
    if status.st_uid != os.geteuid():
        return f"belongs to uid {status.st_uid}"
    groups = (os.getegid(), *os.getgroups(), *given)
    return "" if status.st_gid in groups else f"has the group {status.st_gid}, which is not its user's"


def compare_rights(file: ManagedFile) -> tuple[Rights, Rights] | None:
    """Return the rights that the collection's own file has and those it shall have; None where they are the same.

    None too for somebody else's file, and for none. Only root can give a file to another.
    """
    if not file.whole or not os.path.exists(file.path):
        return None
    uid, gid = (file.owner.uid, file.owner.gid) if file.owner else (0, 0)
    status = os.stat(file.path)
    judged = os.geteuid() == 0 and not file.as_owner
    now = Rights(f"{status.st_uid}:{status.st_gid}" if judged else "", stat.S_IMODE(status.st_mode))
    wanted = Rights(f"{uid}:{gid}" if judged else "", file.mode)
    return (now, wanted) if now != wanted else None


def compare_directory_rights(path: str) -> tuple[Rights, Rights] | None:
    """Return the rights that a folder of the collection's own has and shall have; None where they are the same.

    It is root's. None too where there is no such folder.
    """
    if os.geteuid() != 0 or os.path.islink(path) or not os.path.isdir(path):
        return None
    status = os.stat(path)
    now = Rights(f"{status.st_uid}:{status.st_gid}", stat.S_IMODE(status.st_mode))
    wanted = Rights("0:0", _FOLDER_MODE)
    return (now, wanted) if now != wanted else None


def repair_directory_rights(path: str) -> None:
    """Give the folder the rights that ``compare_directory_rights`` says it shall have."""
    os.chown(path, 0, 0)
    os.chmod(path, _FOLDER_MODE)


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


def _not_its_users(file: ManagedFile, foreign: str) -> DevserverError:
    user = file.owner.name if file.owner else str(os.geteuid())
    return DevserverError(
        f"{file.path} of user {user} cannot be written: it {foreign}",
        expected=f"a file that belongs to {user}, with whose rights it is written",
        remedy=describe_chown(file.path, user),
        user=user,
        path=file.path,
    )


def describe_chown(path: str, user: str) -> str:
    """Return in words how a file becomes the user's own, its group too."""
    return f"see whose it shall be, and give it to {user}: chown {user}: {shlex.quote(path)}"


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


def find_directory_problem(path: str) -> str:
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
