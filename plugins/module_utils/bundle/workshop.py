# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A temporary folder in which an unprivileged account runs go; where a run is killed, a later one removes it."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import stat
import tempfile
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils.lock import locked

_PREFIX = "go-bundle-making-"
_LOCK = "lock"


class Workshop(t.NamedTuple):
    """Folders: ``trees`` of Go that ``account`` may read, ``work`` is its own, ``done`` this process's alone.

    ``alive`` is a named pipe that ends with this process, ``lock`` a descriptor for what must not outlive it: as
    Builder takes them.
    """

    trees: str
    work: str
    done: str
    alive: str
    lock: int


@contextlib.contextmanager
def workshop(parent: str, account: Account | None) -> t.Iterator[Workshop]:
    """Make a workshop in the folder ``parent`` and remove it at the end, with those that killed runs left there."""
    _remove_leftovers(parent)
    top = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    try:
        with locked(os.path.join(top, _LOCK), timeout=0) as lock:
            trees, work, done, alive = (os.path.join(top, name) for name in ("trees", "work", "done", "alive"))
            os.mkdir(trees, 0o755)
            os.mkdir(work, 0o700)
            os.mkdir(done, 0o700)
            os.mkfifo(alive, 0o600)
            if account:
                _admit(account, top, work, alive)
            with _kept_open(alive):
                yield Workshop(trees, work, done, alive, lock)
    finally:
        shutil.rmtree(top)


def _admit(account: Account, top: str, *own: str) -> None:
    """Let the account through to what is its own, and nobody else."""
    os.chown(top, -1, account.gid)
    os.chmod(top, 0o710)
    for path in own:
        os.chown(path, account.uid, account.gid)


@contextlib.contextmanager
def _kept_open(pipe: str) -> t.Iterator[None]:
    descriptor = os.open(pipe, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield
    finally:
        os.close(descriptor)


def _remove_leftovers(parent: str) -> None:
    for top in glob.glob(os.path.join(glob.escape(parent), _PREFIX + "*")):
        status = os.lstat(top)
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not _in_use(top):
            shutil.rmtree(top)


def _in_use(top: str) -> bool:
    try:
        descriptor = os.open(os.path.join(top, _LOCK), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        # Killed in its first moment, or just in that moment: what is as good as empty can stay.
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
