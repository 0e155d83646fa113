# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which users can change where a path leads: root writes and runs nothing that another user can replace.

Paths are resolved as the kernel does it, one name after the other: ``..`` behind a link leaves the link's target.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

# The kernel follows no more links than these.
_MOST_LINKS = 40


def shared_directory(path: str) -> str:
    """Return the first place on the way to ``path`` where another user than root can redirect root; empty for none.

    Such a place is a directory, ``path`` itself included, in which another user can replace entries, or a link of
    another user. In a directory with the sticky bit, such as /tmp, nobody else can replace what belongs to root.
    """
    with contextlib.suppress(OSError):  # The rest of the path does not exist.
        for place, status in _resolve(os.path.join(os.getcwd(), path)):
            redirects = stat.S_ISDIR(status.st_mode) or stat.S_ISLNK(status.st_mode)
            if redirects and not _only_root_writes(status, group=status.st_gid == 0):
                return place
    return ""


def only_root_can_change(path: str) -> bool:
    """Return whether root owns a program, every directory and link on the way to it, and nobody else can write there.

    False for a relative path, and if anything cannot be read.
    """
    try:
        statuses = [status for _place, status in _resolve(path)] if os.path.isabs(path) else []
    except OSError:
        return False
    return bool(statuses) and stat.S_ISREG(statuses[-1].st_mode) and all(map(_only_root_writes, statuses))


def _resolve(path: str) -> t.Iterator[tuple[str, os.stat_result]]:
    """Yield each directory and link on the way to an absolute path, and the entry that it leads to.

    Raises OSError where an entry is missing, is no directory, or has too many links before it.
    """
    place, names, links = "/", path.split("/")[::-1], 0
    while True:
        status = os.lstat(place)
        yield place, status
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            names += os.readlink(place).split("/")[::-1]
            # The first part of an absolute target is empty, and leads back to the root.
            place = "/" if names[-1] == "" else os.path.dirname(place)
        elif not names:
            return
        elif stat.S_ISDIR(status.st_mode):
            place = _below(place, names.pop())
        else:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), place)


def _below(directory: str, name: str) -> str:
    if name == "..":
        return os.path.dirname(directory)
    return directory if name in ("", ".") else os.path.join(directory, name)


def _only_root_writes(status: os.stat_result, *, group: bool = False) -> bool:
    """Return whether root owns an entry that nobody else can write to; with ``group`` its group may."""
    # A link has no rights of its own; in a sticky directory, such as /tmp, nobody else can replace what root owns.
    is_safe = stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX)
    writers = stat.S_IWOTH | (0 if group else stat.S_IWGRP)
    return status.st_uid == 0 and (bool(is_safe) or not status.st_mode & writers)
