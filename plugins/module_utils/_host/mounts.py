# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file system of a path, from /proc/self/mountinfo."""

from __future__ import annotations

import os
import re
import typing as t

from .files import read_text

# Reached over a network, so that locks, times and renames may not hold, and every stat(2) of a build is a round trip.
_TYPES = """
9p afs beegfs ceph cifs davfs fuse.ceph fuse.davfs fuse.gcsfuse fuse.glusterfs fuse.rclone fuse.s3fs fuse.sshfs gfs2
glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 smb3 smbfs
"""
NETWORK = frozenset(_TYPES.split())


class Mount(t.NamedTuple):
    """A mounted file system: where, of which type, and its options of that place."""

    point: str
    kind: str
    options: frozenset[str]


def mounts() -> list[Mount]:
    """Return what is mounted, as this process sees it."""
    return parse(read_text("/proc/self/mountinfo") or "")


def parse(mountinfo: str) -> list[Mount]:
    """Return the mounts in a mountinfo file; lines of another form are left out."""
    mounts = []
    for line in mountinfo.split("\n"):
        fields, _separator, rest = line.partition(" - ")
        before, after = fields.split(" "), rest.split(" ")
        if len(before) > 5 and after[0]:
            mounts.append(Mount(_unescaped(before[4]), after[0], frozenset(before[5].split(","))))
    return mounts


def mount_of(path: str, mounted: t.Sequence[Mount]) -> Mount | None:
    """Return the mount that contains an absolute path, or None; of several at one place the last one hides the rest.

    A relative path is on none: where it leads depends on the process that uses it.
    """
    if not os.path.isabs(path):
        return None
    covering = [mount for mount in mounted if os.path.commonpath([mount.point, path]) == mount.point]
    return max(reversed(covering), key=lambda mount: len(mount.point), default=None)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)
