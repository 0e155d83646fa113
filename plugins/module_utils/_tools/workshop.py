# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A temporary folder in which an unprivileged account runs go, beside what that account must not touch."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account


class Workshop(t.NamedTuple):
    """Folders: ``top`` is around the others, ``work`` is the account's own, ``done`` this process's alone.

    ``account`` is None where this process runs go itself. ``alive`` is a named pipe that the account may open, and this
    process alone keeps open for writing: go ends when it does. ``lock`` is a descriptor that go keeps open while it
    runs.
    """

    top: str
    work: str
    done: str
    account: Account | None
    alive: str
    lock: int


@contextlib.contextmanager
def open_workshop(top: str, account: Account | None, lock: int) -> t.Iterator[Workshop]:
    """Furnish the folder ``top``, which is this process's own and stays, as a workshop."""
    work, done, alive = (os.path.join(top, name) for name in ("work", "done", "alive"))
    os.mkdir(work, 0o700)
    os.mkdir(done, 0o700)
    os.mkfifo(alive, 0o600)
    if account:
        # The account gets through to what is its own, and nobody else does.
        os.chown(top, -1, account.gid)
        os.chmod(top, 0o710)
        os.chown(work, account.uid, account.gid)
        os.chown(alive, account.uid, account.gid)
    descriptor = os.open(alive, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield Workshop(top, work, done, account, alive, lock)
    finally:
        os.close(descriptor)
