# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes directories that the collection has made: those that users fill with the rights of these users."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import time
import typing as t

from .accounts import Account, account_with
from .command import SYSTEM_PATH, run
from .files import Changes, remove

# Seconds for all directories of a user, such as a large cache; a later run continues with the rest.
_SECONDS = 120.0
# Those after which the user's next directory has failed.
_LEAST = 1.0
# The seconds that the removals of each user have taken, in the place of _USERS that has the user's ID and 1. Processes
# that are forked share both.
_SPENT = memoryview(mmap.mmap(-1, 8 << 16)).cast("d")
_USERS = memoryview(mmap.mmap(-1, 8 << 16)).cast("q")
# rm removes directories that are nested at any depth. The modes are those of a module cache, for example: chmod fails
# if another user has made an entry, but only for that one.
_REMOVE = """
remove() { rm -rf --one-file-system -- "$1"; }
remove "$1" 2>/dev/null || { chmod -R u+rwX -- "$1" 2>/dev/null; remove "$1"; }
"""


def remove_as_owner(path: str, seconds: float = _SECONDS) -> None:
    """Remove what is in a directory of root; a directory of a user with that user's rights, within ``seconds``.

    Raises DevserverError or OSError if a part is left.
    """
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode) and os.geteuid() == 0 and status.st_uid != 0:
        remove_as(account_with(status.st_uid), path, seconds)
    else:
        remove(path)


def remove_as(account: Account, path: str, seconds: float) -> None:
    """Remove a directory of ``account`` like ``remove_as_owner``; not inside of ``acting_as``.

    All removals of the user together take no more than _SECONDS, and then _LEAST each: the user can stop their
    processes.
    """
    with contextlib.suppress(OSError):
        os.rmdir(path)  # Most are empty.
        return
    # The user may not enter the directories above.
    parent, name = os.path.split(path)
    argv = ["/bin/sh", "-c", _REMOVE, "sh", name]
    start, limit = time.monotonic(), max(_LEAST, min(seconds, seconds_left(account)))
    try:
        completed = run(argv, env={"PATH": SYSTEM_PATH}, cwd=parent, account=account, timeout=limit)
    finally:
        _SPENT[_place_of(account)] += time.monotonic() - start
    try:
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(path)  # Its parent may be root's.
    except OSError as error:
        problem = f"cannot remove {path} of user {account.name}"
        raise completed.error(problem, remedy=f"run 'rm -r {path}' as root") from error


def seconds_left(account: Account) -> float:
    """Return the time that this run still has for directories of ``account``."""
    return _SECONDS - _SPENT[_place_of(account)]


def _place_of(account: Account) -> int:
    places = ((account.uid + step) % len(_USERS) for step in range(len(_USERS)))
    place = next(place for place in places if _USERS[place] in (0, account.uid + 1))
    _USERS[place] = account.uid + 1
    return place


def remove_paths(paths: t.Iterable[str], changes: Changes, *, check: bool) -> None:
    """Remove files, links and whole directories; with ``check`` only add the removals to ``changes``.

    No user may be able to change a parent of a path; links inside a directory are not followed.
    """
    for path in paths:
        if os.path.lexists(path):
            changes.add(path, "directory\n" if os.path.isdir(path) and not os.path.islink(path) else "present\n", "")
            if not check:
                remove_as_owner(path)


def remove_empty_directories(paths: t.Iterable[str]) -> None:
    """Remove those of the directories that are empty, the inner ones first. That is no change to report."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.rmdir(path)
