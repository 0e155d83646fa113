# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which users can change where a path leads: root writes and runs nothing that another user can replace.

The same holds for what is built and run as one user. Paths are resolved as the kernel does it, one name after the
other: ``..`` behind a link leaves the link's target.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
import struct
import time
import typing as t

from .._core.errors import TimedOut
from .accounts import Account, name_of
from .path_names import is_below
from .remembered import remembered

# Accounts of the system, whose rights the host's administrator gives away, have no higher ID.
MAXIMUM_SYSTEM_ID = 999
# The kernel follows no more links than these.
_MOST_LINKS = 40
# Directories that are walked for one result: links lead to any number of them.
_MOST_TREES = 200
# The ID of a name without an account, which is nobody's.
_NO_ID = 2**32 - 1
# An access control list of Linux: a header, then the tag, rights and ID of each entry.
_ACL = "system.posix_acl_access"
_ACL_HEADER = 4
_ACL_USER, _ACL_OWNING_GROUP, _ACL_GROUP = 0x02, 0x04, 0x08

# Whether a user may change what is inspected, by the user's ID.
_Trusted = t.Callable[[int], bool]


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


def find_other_writer(path: str, account: Account) -> str:
    """Return what lets others than ``account`` and root change where ``path`` leads, or what is in it; else empty.

    Only the directories and links on the way and the entry itself are inspected, not what is below it.
    """
    return _find_writer(path, _trusted_by(account))


def find_user_writer(path: str) -> str:
    """Return what lets others than root and the accounts of the system do that; else empty."""
    return _find_writer(path, lambda uid: uid <= MAXIMUM_SYSTEM_ID)


def _find_writer(path: str, trusted: _Trusted) -> str:
    try:
        *way, (end, status) = _resolve(path)
    except OSError:
        return ""  # It does not exist, or the account cannot enter it.
    # In a sticky directory on the way others can replace only what is theirs, which is inspected next; its owner can
    # replace everything.
    writers = (
        _describe_writer(place, status, trusted)
        for place, status in way
        if not (_is_sticky(status) and trusted(status.st_uid))
    )
    return next(filter(None, writers), "") or _describe_writer(end, status, trusted)


def _trusted_by(account: Account) -> _Trusted:
    return lambda uid: uid in (0, account.uid)


def find_other_writer_below(directories: t.Sequence[str], account: Account, seconds: float) -> str:
    """Return the result of ``find_other_writer`` for the first entry in ``directories`` that has one; else empty.

    These are the directories, and all that is below them and below the directories that links there lead to. Raises
    TimedOut after ``seconds``, or for too many such links: nobody knows who can change the rest.
    """
    trusted, deadline = _trusted_by(account), time.monotonic() + seconds
    for place in _entries_of(directories):
        if time.monotonic() > deadline:
            raise TimedOut(
                f"{directories[0]}, with what it refers to, has more entries than can be checked within {seconds:g} s",
                remedy="choose a smaller directory",
            )
        with contextlib.suppress(OSError):
            status = os.lstat(place)
            linked = stat.S_ISLNK(status.st_mode)
            writer = _find_writer(place, trusted) if linked else _describe_writer(place, status, trusted)
            if writer:
                return writer
    return ""


def _entries_of(trees: t.Sequence[str]) -> t.Iterator[str]:
    pending = list(trees)
    known: list[str] = []
    for tree in pending:  # It grows by the links that are found.
        yield tree
        real = os.path.realpath(tree)
        if real in known or any(is_below(real, other) for other in known):
            continue
        known.append(real)
        if len(known) > _MOST_TREES:
            raise TimedOut(f"links in {trees[0]} lead to too many directories", remedy="choose a smaller directory")
        for path, directories, files in os.walk(tree):
            yield from (os.path.join(path, name) for name in (*directories, *files))
            pending += filter(os.path.islink, (os.path.join(path, name) for name in directories))


def _describe_writer(place: str, status: os.stat_result, trusted: _Trusted) -> str:
    writer, mode = "", stat.S_IMODE(status.st_mode)
    if not trusted(status.st_uid):
        return f"{place} belongs to {name_of(status.st_uid)} (mode {mode:04o})"
    if stat.S_ISLNK(status.st_mode):
        return ""  # A link has no rights.
    if status.st_mode & stat.S_IWOTH:
        writer = "all users"
    elif status.st_mode & stat.S_IWGRP:
        writer = ", ".join(_group_writers(place, status.st_gid, trusted))
    return f"{writer} can write to {place} (owner {name_of(status.st_uid)}, mode {mode:04o})" if writer else ""


def _is_sticky(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)


def _members(gid: int, trusted: _Trusted) -> list[str]:
    """Return the users of a group, by their own entry or the group's, who are not trusted."""
    return sorted(name for name, uid in _users_in(gid) if not trusted(uid))


@remembered
def _users_in(gid: int) -> list[tuple[str, int]]:
    """Return the names and IDs of the users of a group; to list all users can take long.

    Directory services list no users by default, and no name in a group is ignored because it has no account now.
    """
    users = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == gid}
    with contextlib.suppress(KeyError):
        users.update((name, _id_of(name)) for name in grp.getgrgid(gid).gr_mem)
    return list(users.items())


def _id_of(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return _NO_ID


def _group_writers(place: str, gid: int, trusted: _Trusted) -> list[str]:
    """Return who can write by the group's bits of a mode: an access control list shows its own entries there."""
    try:
        acl = list(struct.iter_unpack("<HHI", os.getxattr(place, _ACL)[_ACL_HEADER:]))
    except OSError:
        return _members(gid, trusted)
    writers = [(tag, number) for tag, rights, number in acl if rights & os.W_OK]
    named = [f"uid {number}" for tag, number in writers if tag == _ACL_USER and not trusted(number)]
    groups = {number for tag, number in writers if tag == _ACL_GROUP}
    groups |= {gid for tag, _number in writers if tag == _ACL_OWNING_GROUP}
    return named + sorted({name for group in groups for name in _members(group, trusted)})


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
