# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A temporary directory in which an unprivileged account runs go, beside files that this account must not change."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._host.accounts import Account


class BuildDirectory(t.NamedTuple):
    """Directories: ``top`` contains the others, ``work`` is for the account, ``output`` for this process alone.

    ``account`` is None if this process runs go itself. ``alive`` is a named pipe that the account may open, and only
    this process keeps open for writing: go exits when it does. ``lock`` is a descriptor that go keeps open while it
    runs.
    """

    top: str
    work: str
    output: str
    account: Account | None
    alive: str
    lock: int


@contextlib.contextmanager
def open_build_directory(top: str, account: Account | None, lock: int) -> t.Iterator[BuildDirectory]:
    """Set up the directory ``top``, which belongs to this process and is not removed, for builds."""
    work, output, alive = (os.path.join(top, name) for name in ("work", "output", "alive"))
    os.mkdir(work, 0o700)
    os.mkdir(output, 0o700)
    os.mkfifo(alive, 0o600)
    if account:
        # Only the account can pass through to its own files.
        os.chown(top, -1, account.gid)
        os.chmod(top, 0o710)
        os.chown(work, account.uid, account.gid)
        os.chown(alive, account.uid, account.gid)
    descriptor = os.open(alive, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield BuildDirectory(top, work, output, account, alive, lock)
    finally:
        os.close(descriptor)
