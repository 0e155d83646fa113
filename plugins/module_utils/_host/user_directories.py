# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of users inside of directories that only root can change."""

from __future__ import annotations

import contextlib
import os
import stat

from .._core.errors import DevserverError
from .accounts import Account
from .removal import remove_as_owner
from .user_access import each_as

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_user_directory(path: str, account: Account, mode: int = 0o700) -> None:
    """Make a directory of ``account``, in which nothing stays that another user has left there.

    Only the directory itself gets the owner, and never what is in it: a user can link files of others into it.
    """

    def make() -> bool:
        return each_as(account, lambda path: _make(path, account, mode), {path: path}, as_root=True)[path]()

    if not make():
        remove_as_owner(path)
        make()


def lacks_user_directory(path: str, account: Account) -> bool:
    """Return whether ``account`` has no directory of its own at ``path``, or none that can be inspected."""
    with contextlib.suppress(DevserverError, OSError):
        return not each_as(account, lambda path: _belongs_to(path, account), {path: path}, as_root=True)[path]()
    return True


def _belongs_to(path: str, account: Account) -> bool:
    status = os.lstat(path)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == account.uid


def _make(path: str, account: Account, mode: int) -> bool:
    """Return False if the directory belongs to another user, as what is in it may do."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    descriptor = os.open(path, _DIRECTORY)
    if os.fstat(descriptor).st_uid not in (0, account.uid):
        return False
    os.fchown(descriptor, account.uid, account.gid)
    os.fchmod(descriptor, mode)
    return True
