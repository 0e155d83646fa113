# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives users the directories that root has created in their home directories, through descriptors only.

A user can replace any of these by a link or another directory at any moment: no path is resolved twice, and no link is
followed. Root keeps files that others cannot read, that have a second hard link, or that are on another file system.
"""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from .._core.errors import DevserverError
from .accounts import Account
from .path_names import is_below
from .user_access import each_as

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def is_repairable(path: str, account: Account) -> bool:
    """Return whether ``repair_ownership`` would make ``path`` usable.

    That is so if root has created it, or a directory above it, in the home directory. False if nothing is wrong.
    """
    repairable = False
    try:
        for descriptor in _on_the_way(path, account):
            status = os.fstat(descriptor)
            if status.st_uid != account.uid:
                if not _left_by_root(status):
                    return False
                repairable = True
    except OSError:
        return False
    return repairable


def repair_ownership(path: str, account: Account) -> None:
    """Give ``path`` with root's files in it to the user, and each directory above it in the home directory."""

    def give(path: str) -> None:
        parts = os.path.relpath(path, account.home).split("/")
        for depth, descriptor in enumerate(_on_the_way(path, account)):
            _give(descriptor, account)
            if depth == len(parts):
                _give_tree(descriptor, account)

    try:
        each_as(account, give, {path: path}, as_root=True)[path]()
    except (OSError, DevserverError) as error:
        raise DevserverError(
            f"{path} cannot be given to user {account.name}: {error}",
            remedy=describe_ownership_repair(path, account),
            user=account.name,
            path=path,
        ) from error


def describe_ownership_repair(path: str, account: Account) -> str:
    """Return a remedy for a directory that ``repair_ownership`` does not change."""
    if is_below(path, account.home):
        return describe_moving(path, account)
    return f"make {path} a directory of {account.name}: install -d -o {account.name} {path}"


def describe_moving(path: str, account: Account | None) -> str:
    """Return a remedy for what is in the place of a directory; None is no user."""
    if account and is_below(path, account.home):
        return f"move {path} away with the rights of {account.name} (runuser -u {account.name} -- mv …), and provision"
    return f"move {path} away, and provision"


def _on_the_way(path: str, account: Account) -> t.Iterator[int]:
    """Yield descriptors of the home directory and of each existing directory on the way to ``path``.

    Yield none for a path outside of the home directory, or if the user does not own that. Raises OSError for a link.
    """
    if not is_below(os.path.normpath(path), account.home):
        return
    with contextlib.ExitStack() as opened:
        descriptor = os.open(account.home, _DIRECTORY)
        opened.callback(os.close, descriptor)
        if os.fstat(descriptor).st_uid != account.uid:
            return
        yield descriptor
        for name in os.path.relpath(path, account.home).split("/"):
            try:
                descriptor = os.open(name, _DIRECTORY, dir_fd=descriptor)
            except FileNotFoundError:
                return
            opened.callback(os.close, descriptor)
            yield descriptor


def _give_tree(top: int, account: Account) -> None:
    device = os.fstat(top).st_dev
    for _path, directories, files, descriptor in os.fwalk(".", dir_fd=top):
        _give(descriptor, account)
        here = {name: os.stat(name, dir_fd=descriptor, follow_symlinks=False) for name in directories}
        directories[:] = [name for name, status in here.items() if status.st_dev == device]
        for name in files:
            _give_file(name, descriptor, account)


def _give_file(name: str, directory: int, account: Account) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not _left_by_root(os.stat(name, dir_fd=directory, follow_symlinks=False)):
            return
        descriptor = os.open(name, _FILE, dir_fd=directory)
        try:
            _give(descriptor, account)
        finally:
            os.close(descriptor)


def _give(descriptor: int, account: Account) -> None:
    if _left_by_root(os.fstat(descriptor)):
        os.fchown(descriptor, account.uid, account.gid)


def _left_by_root(status: os.stat_result) -> bool:
    if status.st_uid != 0 or not status.st_mode & stat.S_IROTH:
        return False
    privileged = status.st_mode & (stat.S_ISUID | stat.S_ISGID)
    return stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and not privileged)
