# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of Go, with their mounts and disks."""

from __future__ import annotations

import typing as t

from ..._environment.caches import ForeignEntries
from ..._host.accounts import Account
from ..._host.mounts import NETWORK, Mount


class Disk(t.NamedTuple):
    """Free space of a file system for users. ``inodes`` is 0 for a file system without a fixed number of inodes."""

    free_bytes: int
    inodes: int
    free_inodes: int


class DirectoryState(t.NamedTuple):
    """A directory as its user can use it; ``repairable`` means that provisioning can give it back to the user.

    ``other_writer`` is what lets others change it, or where its path leads; empty for nothing.
    """

    uid: int
    owner: str
    mode: int
    writable: bool
    repairable: bool = False
    other_writer: str = ""


class GoDirectory(t.NamedTuple):
    """A directory that go writes to, or from which it runs what it has built.

    ``state`` is None, and ``error`` has the reason, if the user cannot look at it; ``repair`` is the action that helps
    if provisioning does not. ``foreign`` are entries of others in it. Nothing is read of a directory on a
    network file system: ``real_path`` is its path then, and ``state`` and ``disk`` are None.
    """

    account: Account
    variable: str
    path: str
    real_path: str
    mount: Mount | None = None
    state: DirectoryState | None = None
    error: str = ""
    repair: str = ""
    foreign: ForeignEntries | None = None
    disk: Disk | None = None

    @property
    def remote(self) -> bool:
        return self.mount is not None and self.mount.kind in NETWORK

    def __str__(self) -> str:
        return f"{self.variable}={self.path}"
