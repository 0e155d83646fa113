# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Crash-safe temporary directories: each contains a lock, and the next run removes those of killed runs."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import stat
import tempfile
import typing as t

from .._core.ending import clean_up_with
from .._core.errors import DevserverError
from .accounts import Account
from .files import open_unfollowed, remove
from .remembered import remembered
from .removal import remove_as, remove_as_owner, seconds_left
from .trusted_paths import shared_directory
from .user_access import acting_as

_LOCK = "lock"
# Seconds to remove what users have made in a directory of root, and a directory that is one user's.
_SECONDS = 10.0
_SECONDS_OF_USER = 20.0
# Entries of the parent among which directories of killed runs are looked for: any user can fill /tmp.
_MOST_ENTRIES = 20_000
# The existing directories of this process.
_PRESENT: set[str] = set()
# Those that this process could not remove: they take its time only once.
_LEFT: set[str] = set()


class TemporaryDirectory(t.NamedTuple):
    """A directory of this run; a child process with the descriptor ``lock`` keeps other runs from removing it."""

    path: str
    lock: int


@contextlib.contextmanager
def temporary_directory(parent: str, prefix: str, *, seconds: float = _SECONDS) -> t.Iterator[TemporaryDirectory]:
    """Create a directory in ``parent``, with a name that begins with ``prefix``, and remove it at the end.

    Directories of killed runs with this prefix are removed before. Raises DevserverError for root if another user could
    put a link in its place, or if a part that belongs to another user is not removed within ``seconds``.
    """
    shared = shared_directory(parent) if os.geteuid() == 0 else ""
    if shared:
        raise DevserverError(
            f"root creates no temporary directory in {parent}: other users than root can change {shared}",
            expected="a directory that root alone can change, or one with the sticky bit such as /tmp",
            remedy=f"make {shared} root's, with its sticky bit if others may write; or name another directory, in the"
            " task's option work_dir or temporary_directory if it has one, else in TMPDIR of the play's environment",
            path=parent,
        )
    with _directory(None, parent, prefix, seconds) as directory:
        yield directory


@contextlib.contextmanager
def user_directory(account: Account, parent: str, prefix: str) -> t.Iterator[str]:
    """Make a temporary directory of ``account``, and remove it with its rights, so that root follows no link in it.

    Raises DevserverError if that user cannot create a directory in ``parent``, or if a part of it cannot be removed.
    """
    with _directory(account, parent, prefix, _SECONDS_OF_USER) as directory:
        yield directory.path


@contextlib.contextmanager
def _directory(account: Account | None, parent: str, prefix: str, seconds: float) -> t.Iterator[TemporaryDirectory]:
    remove_abandoned(parent, prefix, account, seconds)
    with acting_as(account):
        path = _make(account, parent, prefix)
        _PRESENT.add(path)
        lock = _locked(path)
    try:
        yield TemporaryDirectory(path, lock)
    finally:
        # Held to the end, because other runs remove an unlocked directory.
        with os.fdopen(lock, "rb"):
            _remove(path, account, seconds)
        _PRESENT.discard(path)


def _make(account: Account | None, parent: str, prefix: str) -> str:
    try:
        return tempfile.mkdtemp(prefix=prefix, dir=parent)
    except OSError as error:
        if account is None:
            raise
        raise DevserverError(
            f"user {account.name} cannot create a directory in {parent}: {error.strerror}",
            expected="a directory in which this user can create files and run programs, such as /tmp",
            remedy="set temporary_directory to another directory",
            path=parent,
        ) from error


@clean_up_with
def _remove_all() -> None:
    """Remove all directories of this process, ignoring errors."""
    for path in list(_PRESENT):
        with contextlib.suppress(OSError):
            remove(path)


def _locked(path: str) -> int:
    """Create the lock of a directory; it gets its name only after it is held."""
    unseen = os.path.join(path, f".{_LOCK}")
    descriptor = os.open(unseen, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.rename(unseen, os.path.join(path, _LOCK))
    return descriptor


def find_abandoned(parent: str, prefix: str) -> list[str]:
    """Return the directories in ``parent`` that killed runs of this user left."""
    abandoned = []
    for path in _directories(parent, prefix):
        with _claim(path) as claimed:
            if claimed:
                abandoned.append(path)
    return abandoned


@remembered
def remove_abandoned(parent: str, prefix: str, account: Account | None = None, seconds: float = _SECONDS) -> None:
    """Remove what ``find_abandoned`` returns, or would return to ``account``; what users prevent is left as it is."""
    for path in _directories(parent, prefix, account):
        if account and seconds_left(account) <= 0:
            return
        with contextlib.ExitStack() as held:
            with acting_as(account):
                claimed = path not in _LEFT and held.enter_context(_claim(path))
            if claimed:
                with contextlib.suppress(DevserverError, OSError):
                    _remove(path, account, seconds)


def _directories(parent: str, prefix: str, account: Account | None = None) -> list[str]:
    """Return what has the ``prefix`` and belongs to ``account``, or to this process's user."""
    uid, paths = account.uid if account else os.geteuid(), []
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in itertools.islice(entries, _MOST_ENTRIES):
            with contextlib.suppress(FileNotFoundError):
                if entry.name.startswith(prefix) and entry.stat(follow_symlinks=False).st_uid == uid:
                    paths.append(entry.path)
    return sorted(paths)


@contextlib.contextmanager
def _claim(path: str) -> t.Iterator[bool]:
    """Hold the lock of an abandoned directory; yield whether it is one."""
    lock = os.path.join(path, _LOCK)
    file = _opened(path, lock)
    if file is None:
        yield False
        return
    with file:
        yield _try_lock(file.fileno(), lock)


def _opened(path: str, lock: str) -> t.IO[bytes] | None:
    # Without a lock the run was killed at the first or last moment: the directory is almost empty and can stay.
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
            # The user can put a pipe in its place.
            return open(lock, "rb", opener=open_unfollowed)
    return None


def _try_lock(descriptor: int, lock: str) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(descriptor)
        # Another run may have removed it since it was opened.
        return stat.S_ISREG(status.st_mode) and os.path.samestat(status, os.lstat(lock))
    except OSError:
        return False


def _remove(path: str, account: Account | None, seconds: float) -> None:
    """Remove a directory, its lock last, so that the rest after a kill is still recognized as abandoned."""
    _LEFT.add(path)
    if account is None:
        for entry in os.scandir(path):
            if entry.name != _LOCK:
                remove_as_owner(entry.path, seconds)
        os.unlink(os.path.join(path, _LOCK))
        os.rmdir(path)
    else:
        _remove_of_user(path, account, seconds)
    _LEFT.discard(path)


def _remove_of_user(path: str, account: Account, seconds: float) -> None:
    """Remove a directory of a user. What is left keeps a lock, so that a later run continues."""
    try:
        remove_as(account, path, seconds)
    except DevserverError:
        with acting_as(account), contextlib.suppress(OSError):
            os.close(_locked(path))
        raise
