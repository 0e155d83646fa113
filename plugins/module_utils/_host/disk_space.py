# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error for a full file system: which one, what is free, and what is needed."""

from __future__ import annotations

import errno
import os
import typing as t

from .._core.errors import DevserverError
from .._core.sizes import format_size
from .mounts import mount_of, mounts

_FULL = (errno.ENOSPC, errno.EDQUOT)


class FreeSpace(t.NamedTuple):
    """The file system of a path: where it is mounted, and the free bytes and inodes of it.

    Without a fixed number of inodes, ``inodes`` is None.
    """

    point: str
    free: int
    inodes: int | None

    def __str__(self) -> str:
        inodes = "" if self.inodes is None else f" and {self.inodes} inodes"
        return f"the file system at {self.point} has {format_size(self.free)}{inodes} free"


def read_free_space(path: str) -> FreeSpace:
    """Return the free space for a path of root, which need not exist yet."""
    path = os.path.realpath(path)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    mount, status = mount_of(path, mounts()), os.statvfs(path)
    point = mount.point if mount else path
    return FreeSpace(point, status.f_bavail * status.f_frsize, status.f_favail if status.f_files else None)


def full_disk_error(
    error: OSError, action: str, paths: t.Sequence[str], needed: int, remedy: str
) -> DevserverError | None:
    """Return the error for an ``action`` that needs about so many bytes in one of ``paths``; None for another cause.

    Call it after the unfinished files are removed. ``remedy`` is what to do instead of freeing space.
    """
    if error.errno not in _FULL:
        return None
    space = min(map(read_free_space, paths), key=lambda space: space.free)
    # With other causes, such as no inodes, it has the bytes.
    lacking = format_size(needed - space.free if needed > space.free else needed)
    return DevserverError(
        f"cannot {action}: {error.strerror}: {space}",
        expected=f"about {format_size(needed)} of free space",
        remedy=f"free {lacking} at {space.point}, or {remedy}; then run again",
        path=paths[0],
    )
