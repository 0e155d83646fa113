# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that Go writes to, with the rights of their users, and the file systems of them."""

from __future__ import annotations

import itertools
import os
import typing as t

from ..._environment.caches import MOST_ENTRIES, find_foreign_entries
from ..._environment.declaration import UserEnvironment
from ..._host.accounts import Account, name_of
from ..._host.managed_files import find_directory_problem
from ..._host.mounts import NETWORK, Mount, mount_of
from ..._host.ownership import is_repairable
from ..._host.reading_limit import reading
from ..._host.remembered import remembering
from ..._host.trusted_paths import find_other_writer
from ..._host.user_access import acting_as, may_access
from ..records.directories import DirectoryState, Disk, GoDirectory
from ..snapshot import PROVISION_AGAIN


@remembering()
def directories_of(users: t.Iterable[UserEnvironment], mounted: t.Sequence[Mount]) -> list[GoDirectory]:
    """Return the declared directories of Go, with the state of each."""
    directories, disks = [], {}
    for user in users:
        for variable, path in user.directories.items():
            mount, real_path = _place(path, user.account, mounted)
            directory = GoDirectory(user.account, variable, path, real_path, mount)
            if not directory.remote:
                if mount not in disks:
                    disks[mount] = _disk(mount, user.account)
                directory = _with_state(directory)._replace(disk=disks[mount])
            directories.append(directory)
    return directories


def program_directories_of(users: t.Iterable[UserEnvironment], mounted: t.Sequence[Mount]) -> t.Iterator[GoDirectory]:
    """Yield the directories from which go runs programs, with their mounts alone."""
    for user in users:
        temporary = user.variables.get("GOTMPDIR") or user.variables.get("TMPDIR") or "/tmp"
        for variable, path in (("GOBIN", user.directories.get("GOBIN", "")), ("GOTMPDIR", temporary)):
            if path:
                mount, real_path = _place(path, user.account, mounted)
                yield GoDirectory(user.account, variable, path, real_path, mount)


def _place(path: str, account: Account, mounted: t.Sequence[Mount]) -> tuple[Mount | None, str]:
    """Return the mount and the real path; on a network file system not even links are read, as that may hang."""
    mount = mount_of(path, mounted)
    if mount is not None and mount.kind in NETWORK:
        return mount, path
    with acting_as(account):
        real_path = os.path.realpath(path)
    return mount_of(real_path, mounted), real_path


def _with_state(directory: GoDirectory) -> GoDirectory:
    account = directory.account
    try:
        with acting_as(account):
            status = os.stat(directory.path)
            writable = may_access(directory.path, os.W_OK | os.X_OK)
            foreign = find_foreign_entries(directory.variable, directory.path, account)
            other_writer = find_other_writer(directory.path, account) or _find_writer_within(directory)
    except OSError as error:
        return directory._replace(error=error.strerror or str(error), repair=_repair(directory))
    is_foreign = status.st_uid != account.uid
    with reading(account):
        can_repair = is_foreign and os.geteuid() == 0 and is_repairable(directory.path, account)
    state = DirectoryState(status.st_uid, name_of(status.st_uid), status.st_mode, writable, can_repair, other_writer)
    return directory._replace(state=state, foreign=None if is_foreign else foreign)


def _find_writer_within(directory: GoDirectory) -> str:
    """Return what lets others change one of the user's directories in a cache; empty for nothing."""
    if directory.variable not in ("GOCACHE", "GOMODCACHE"):
        return ""
    uid = directory.account.uid
    with os.scandir(directory.path) as entries:
        own_directories = sorted(
            entry.path
            for entry in itertools.islice(entries, MOST_ENTRIES)
            if entry.is_dir(follow_symlinks=False) and os.lstat(entry).st_uid == uid
        )
    return next(filter(None, (find_other_writer(path, directory.account) for path in own_directories)), "")


def _repair(directory: GoDirectory) -> str:
    """Return the action that lets provisioning create a directory; empty if nothing is in its way."""
    with acting_as(directory.account):
        problem = find_directory_problem(directory.path)
        place = directory.path
        while not os.path.lexists(place):
            place = os.path.dirname(place)
        action = f"give {directory.account.name} access to {place}"
        if not os.path.isdir(place):
            action = f"remove the link {place}" if os.path.islink(place) else f"move {place} away"
    return f"{problem.remedy or action}; then {PROVISION_AGAIN}" if problem else ""


def _disk(mount: Mount | None, account: Account) -> Disk | None:
    try:
        with reading(account):
            status = os.statvfs(mount.point) if mount else None
    except OSError:
        return None  # A missing directory is a finding of its own.
    return Disk(status.f_bavail * status.f_frsize, status.f_files, status.f_favail) if status else None
