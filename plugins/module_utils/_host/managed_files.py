# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a module manages: all are read and validated before the first is written."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import shlex
import stat
import typing as t

from .._core.errors import DevserverError
from .._core.managed_header import managed_header
from .accounts import Account
from .files import Changes, find_unfinished, read_text, unlink, write_text
from .managed_block import with_block
from .ownership import describe_moving, describe_ownership_repair
from .path_names import is_below
from .skipped_files import SkippedFile, skip_errors
from .user_access import each_as, may_access

T = t.TypeVar("T")
Item = t.TypeVar("Item")

_HEADER = managed_header("go_env")
# The mode of the directories with files of the collection.
_DIRECTORY_MODE = 0o755


class ManagedFile(t.NamedTuple):
    """A file with text of the collection.

    ``content`` maps the current text to the expected text; None is no file. With ``whole`` the entire file belongs to
    the collection, with its ``mode`` and ``owner`` (None: root); otherwise only a part does, and both apply only to a
    new file. With ``as_owner`` the file is accessed only with its owner's rights. ``named`` is the user of the
    file, if that user may have no account. With ``within``, a link out of that directory is not followed.
    """

    path: str
    content: t.Callable[[str | None], str | None]
    whole: bool = True
    mode: int = 0o644
    owner: Account | None = None
    as_owner: bool = False
    named: str = ""
    within: str = ""

    @property
    def user(self) -> str:
        """The name of the user of the file; empty for a file of the host."""
        return self.named or (self.owner.name if self.owner else "")

    @property
    def actor(self) -> Account | None:
        """The user whose rights are used to access the file; None for this process's."""
        return self.owner if self.as_owner else None


def whole_file(path: str, text: str | None, *, mode: int = 0o644, owner: Account | None = None) -> ManagedFile:
    """Return a file that belongs to the collection; without ``text`` it must not exist."""
    return ManagedFile(path, lambda _now: None if text is None else _HEADER + text, mode=mode, owner=owner)


def named_files(pattern: str) -> dict[str, str]:
    """Return the files that match ``pattern``, by what the ``*`` in it is in their paths."""
    before, after = pattern.split("*")
    return {path[len(before) : len(path) - len(after)]: path for path in sorted(glob.glob(pattern))}


def files_of_removed(pattern: str, is_removed: t.Callable[[str], bool]) -> list[ManagedFile]:
    """Return the removal of the files that match ``pattern`` and whose name, the ``*`` in it, ``is_removed``.

    The name is that of the file's user.
    """
    files = named_files(pattern)
    return [whole_file(path, None)._replace(named=name) for name, path in files.items() if is_removed(name)]


def block_in(path: str, body: str, *, first: bool) -> ManagedFile:
    """Return a file of another owner with ``body`` as its managed block, first or last."""
    return ManagedFile(path, lambda now: with_block(now or "", body, path=path, first=first), whole=False)


def users_file(
    path: str, content: t.Callable[[str | None], str | None], user: Account, *, mode: int = 0o644, within: str = ""
) -> ManagedFile:
    """Return a file of a user that contains a part of the collection; it is accessed with the user's rights.

    ``within`` is the workspace that has the file: the links in it come from its repository.
    """
    return ManagedFile(path, content, whole=False, mode=mode, owner=user, as_owner=True, within=within)


class Rights(t.NamedTuple):
    """Owner and mode of a file or directory; ``owner`` is ``uid:gid``, or empty if it is not compared."""

    owner: str
    mode: int

    def __str__(self) -> str:
        return f"{f'owner {self.owner}, ' if self.owner else ''}mode {self.mode:04o}"


class FileEdit(t.NamedTuple):
    """A pending change of a file; None is no file. ``rights`` are the current and the expected ones if they differ."""

    file: ManagedFile
    before: str | None
    after: str | None
    rights: tuple[Rights, Rights] | None = None

    @property
    def shown(self) -> tuple[str, str]:
        """Return both states for a diff."""
        return self.with_rights(self.before or "", self.after or "")

    def with_rights(self, before: str, after: str) -> tuple[str, str]:
        """Return the texts of both states, after the rights if these differ."""
        if self.rights is None:
            return before, after
        return f"({self.rights[0]})\n{before}", f"({self.rights[1]})\n{after}"

    def add_to(self, changes: Changes) -> None:
        """Record the change for the result of a module."""
        changes.add(self.file.path, *self.shown, whole=self.file.whole)


def plan_edits(files: t.Iterable[ManagedFile]) -> list[FileEdit]:
    """Return the pending changes; raise DevserverError for a file that cannot be read, parsed or written.

    Several entries with one path are the same file.
    """
    return list(_changed(files, lambda _file: contextlib.nullcontext()))


def plan_each(files: t.Iterable[ManagedFile], skipped: list[SkippedFile]) -> list[FileEdit]:
    """Return the pending changes like ``plan_edits``; a file of a user for which that fails is added to ``skipped``."""
    return list(_changed(files, lambda file: skip_errors(skipped, file.user, file.path)))


def _changed(
    files: t.Iterable[ManagedFile], isolated: t.Callable[[ManagedFile], t.ContextManager[None]]
) -> t.Iterator[FileEdit]:
    unique = {file.path: file for file in files}
    states = _call_for_each(unique, lambda file: file, _state_of)
    for path, file in unique.items():
        with isolated(file):
            before, after, rights, leftovers = states[path]()
            for leftover in leftovers:
                yield FileEdit(file._replace(path=leftover), "left by an interrupted run\n", None)
            if before != after or rights:
                actual, expected = [Rights(*entry) for entry in rights or ()] or (None, None)
                yield FileEdit(file, before, after, (actual, expected) if actual and expected else None)


def _call_for_each(
    items: t.Mapping[str, Item], file_of: t.Callable[[Item], ManagedFile], function: t.Callable[[Item], T]
) -> dict[str, t.Callable[[], T]]:
    """Return the call of ``function`` for each path: that of a user's file was made, with all others of that user."""
    calls: dict[str, t.Callable[[], T]] = {path: functools.partial(function, item) for path, item in items.items()}
    actors = dict.fromkeys(file_of(item).actor for item in items.values())
    for actor in filter(None, actors):
        calls.update(
            each_as(actor, function, {path: item for path, item in items.items() if file_of(item).actor == actor})
        )
    return calls


class _State(t.NamedTuple):
    """The current and the expected text, the rights if they differ, and the temporary files that killed runs left."""

    before: str | None
    after: str | None
    rights: t.Sequence[Rights] | None
    leftovers: t.Sequence[str]


def _read_text(file: ManagedFile) -> str | None:
    """Return the text of a file; a comment for one of the collection that its user has made too large to be read."""
    try:
        return read_text(file.path)
    except DevserverError:
        status = os.lstat(file.path)
        replaceable = file.whole and not file.as_owner and status.st_uid != os.geteuid()
        if replaceable and stat.S_ISREG(status.st_mode):
            return f"# {status.st_size} bytes, which are not read\n"
        raise


def _state_of(file: ManagedFile) -> _State:
    target = os.path.realpath(file.path)
    if file.within and not is_below(target, os.path.realpath(file.within)):
        raise DevserverError(
            f"{file.path} is a link out of the workspace, to {target}",
            expected=f"a file in {file.within}",
            remedy=f"remove the link that 'namei -l {shlex.quote(file.path)}' shows, or stop managing the file",
            path=file.path,
        )
    before = _read_text(file)
    after = file.content(before)
    rights = compare_rights(file) if None not in (before, after) else None
    if before != after or rights:
        directory = _directory_of(file.path)
        problem = find_directory_problem(directory)
        foreign = find_owner_problem(file) if after is not None else ""
        if problem:
            raise _write_error(file, directory, problem)
        if foreign:
            raise _owner_error(file, foreign)
    return _State(before, after, rights, find_unfinished(file.path))


def find_owner_problem(file: ManagedFile) -> str:
    """Return why this process cannot replace the file by one with the same owner and group; empty if it can.

    A file that belongs to the collection need not keep its owner. Call this with the rights that access the file.
    """
    path = os.path.realpath(file.path)
    if file.whole or os.geteuid() == 0 or not os.path.exists(path):
        return ""
    status, directory = os.stat(path), os.stat(os.path.dirname(path))
    # A new file in a directory with this bit gets the directory's group.
    inherited_groups = [directory.st_gid] if directory.st_mode & stat.S_ISGID else []
    if status.st_uid != os.geteuid():
        return f"belongs to uid {status.st_uid}"
    groups = (os.getegid(), *os.getgroups(), *inherited_groups)
    return "" if status.st_gid in groups else f"has the group {status.st_gid}, which is not its user's"


def compare_rights(file: ManagedFile) -> tuple[Rights, Rights] | None:
    """Return the current and the expected rights of a file of the collection; None if they are equal.

    Also None for a file of another owner, and for no file. Only root can change the owner.
    """
    if not file.whole or not os.path.exists(file.path):
        return None
    uid, gid = (file.owner.uid, file.owner.gid) if file.owner else (0, 0)
    status = os.stat(file.path)
    compared = os.geteuid() == 0 and not file.as_owner
    now = Rights(f"{status.st_uid}:{status.st_gid}" if compared else "", stat.S_IMODE(status.st_mode))
    expected = Rights(f"{uid}:{gid}" if compared else "", file.mode)
    return (now, expected) if now != expected else None


def compare_directory_rights(path: str) -> tuple[Rights, Rights] | None:
    """Return the current and the expected rights of a directory of the collection; None if they are equal.

    Root owns it. Also None if there is no such directory.
    """
    if os.geteuid() != 0 or os.path.islink(path) or not os.path.isdir(path):
        return None
    status = os.stat(path)
    now = Rights(f"{status.st_uid}:{status.st_gid}", stat.S_IMODE(status.st_mode))
    expected = Rights("0:0", _DIRECTORY_MODE)
    return (now, expected) if now != expected else None


def repair_directory_rights(path: str) -> None:
    """Give the directory the rights that ``compare_directory_rights`` expects."""
    os.chown(path, 0, 0)
    os.chmod(path, _DIRECTORY_MODE)


def _directory_of(path: str) -> str:
    """Return the directory in which a file is written: that of a link's target, which may not exist."""
    return os.path.dirname(os.path.realpath(path))


def _write_error(file: ManagedFile, directory: str, problem: DirectoryProblem) -> DevserverError:
    """Return the error for a file whose directory, without links, is ``directory``."""
    whose = f" of user {file.owner.name}" if file.owner else ""
    linked = os.path.islink(file.path)
    repair = describe_moving(problem.obstacle, file.owner) if problem.obstacle else f"make {directory} writable"
    leads = f", which is a link to {os.path.realpath(file.path)}," if linked else ""
    return DevserverError(
        f"{file.path}{whose}{leads} cannot be written: {problem.reason}",
        expected="a file in a directory that exists or can be created" if linked else "",
        remedy=_move_aside(file, directory) or ("remove the link, or " if linked else "") + (problem.remedy or repair),
        path=file.path,
    )


def _move_aside(file: ManagedFile, real_path: str) -> str:
    """Return a remedy about the user's own path if that leads out of the home; empty otherwise.

    A user can let a link lead to any path of the host: no remedy may give the user rights there.
    """
    owner = file.owner
    if owner is None or not is_below(file.path, owner.home) or is_below(real_path, os.path.realpath(owner.home)):
        return ""
    parts = os.path.relpath(file.path, owner.home).split("/")
    places = [os.path.join(owner.home, *parts[:count]) for count in range(1, len(parts) + 1)]
    link = next(filter(os.path.islink, places), file.path)
    return f"remove the link on the way to the file: {describe_ownership_repair(link, owner)}"


def _owner_error(file: ManagedFile, foreign: str) -> DevserverError:
    user = file.owner.name if file.owner else str(os.geteuid())
    return DevserverError(
        f"{file.path} of user {user} cannot be written: it {foreign}",
        expected=f"a file that belongs to {user}, with whose rights it is written",
        remedy=describe_owner_repair(file, user),
        user=user,
        path=file.path,
    )


def describe_owner_repair(file: ManagedFile, user: str) -> str:
    """Return a remedy for a file that is not the user's: a link out of the home leaves, others change their owner."""
    return _move_aside(file, os.path.realpath(file.path)) or describe_chown(file.path, user)


def describe_chown(path: str, user: str) -> str:
    """Return a remedy that gives a file and its group to the user."""
    return f"check who should own it, and give it to {user}: chown -h {user}: {shlex.quote(path)}"


def write_all(edits: t.Iterable[FileEdit]) -> None:
    """Write ``edits``, each in one step."""
    for write in _call_for_each({edit.file.path: edit for edit in edits}, _file_of, _write).values():
        write()


def write_each(
    edits: t.Iterable[FileEdit],
    skipped: list[SkippedFile],
    keeps: t.Callable[[FileEdit], bool] = lambda _edit: False,
) -> list[FileEdit]:
    """Write ``edits``, first those with the rights of users, and return those that were written.

    A file of a user for which that fails is added to ``skipped``. Thereafter ``keeps`` decides which file of the host
    stays as it is.
    """
    edits, written = list(edits), set()
    writes = _call_for_each({edit.file.path: edit for edit in edits}, _file_of, _write)
    for edit in sorted(edits, key=lambda edit: edit.file.actor is None):
        with skip_errors(skipped, edit.file.user, edit.file.path):
            if edit.file.actor is None and keeps(edit):
                continue
            writes[edit.file.path]()
            written.add(edit.file.path)
    return [edit for edit in edits if edit.file.path in written]


def _file_of(edit: FileEdit) -> ManagedFile:
    return edit.file


def _write(edit: FileEdit) -> None:
    file = edit.file
    if edit.after is None:
        unlink(file.path)
        return
    directory = _directory_of(file.path)
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise _write_error(file, directory, DirectoryProblem(str(error.strerror))) from error
    uid, gid = (file.owner.uid, file.owner.gid) if file.owner else (0, 0)
    mode = file.mode if file.whole else file.mode & ~current_umask()
    write_text(file.path, edit.after, mode=mode, uid=uid, gid=gid, keep=not file.whole)


def current_umask() -> int:
    """Return the mask of the modes of this process's new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


class DirectoryProblem(t.NamedTuple):
    """Why a directory can neither be used nor created; ``remedy`` is empty where that depends on its use.

    ``obstacle`` is what is in its place, or in that of a directory on the way to it, and is none.
    """

    reason: str
    remedy: str = ""
    obstacle: str = ""


def find_directory_problem(path: str) -> DirectoryProblem | None:
    """Return why this process can neither use nor create the directory ``path``; None if it can."""
    nearest = path
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    if not os.path.isdir(nearest):
        return DirectoryProblem(f"{nearest} is not a directory", obstacle=nearest)
    if os.statvfs(nearest).f_flag & os.ST_RDONLY:
        reason = f"{nearest} is on a file system that is mounted read-only"
        return DirectoryProblem(reason, f"mount the file system that 'findmnt -T {shlex.quote(path)}' shows read-write")
    if not may_access(nearest, os.W_OK | os.X_OK):
        return DirectoryProblem(f"{nearest} belongs to uid {os.stat(nearest).st_uid} and is not writable")
    return None
