# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and programs of others within the directories that go writes to: they hinder the user's go commands."""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import stat
import typing as t

from .._host.accounts import Account, find_owner
from .._host.user_access import acting_as, may_access

# By variable, where go itself writes; each name is a pattern of one level.
_ENTRIES = {
    # Not pkg/mod, which is GOMODCACHE.
    "GOPATH": ("pkg", "pkg/sumdb"),
    "GOMODCACHE": ("*", "cache/*", "cache/download/*", "cache/download/*/*"),
    "GOBIN": ("*",),
    "GOCACHE": ("*",),
}
# Entries that are examined in one directory: its user may have created any number.
_MOST_ENTRIES = 20_000


class ForeignEntries(t.NamedTuple):
    """The entries within a directory of Go that belong to others, so that its user cannot write there.

    ``path`` is the first of ``number`` such entries, and belongs to ``owner``.
    """

    path: str
    owner: str
    number: int


def find_foreign_entries(variable: str, directory: str, account: Account) -> ForeignEntries | None:
    """Return the entries of others in the directory of a variable; call this with the rights of ``account``."""
    foreign = []
    patterns = (os.path.join(glob.escape(directory), pattern) for pattern in _ENTRIES[variable])
    for path in itertools.islice((path for pattern in patterns for path in glob.iglob(pattern)), _MOST_ENTRIES):
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            if status.st_uid != account.uid and _hinders(path, status, programs=variable == "GOBIN"):
                foreign.append((path, status.st_uid))
    if not foreign:
        return None
    path, owner = min(foreign)
    return ForeignEntries(path, name_of(owner), len(foreign))


def _hinders(path: str, status: os.stat_result, *, programs: bool) -> bool:
    """Return whether go cannot write there; a directory with the user's write permission is shared on purpose."""
    if stat.S_ISDIR(status.st_mode):
        return not may_access(path, os.W_OK | os.X_OK)
    return programs and stat.S_ISREG(status.st_mode)


def name_of(uid: int) -> str:
    owner = find_owner(uid)
    return owner.name if owner else f"uid {uid}"


def describe_foreign_cache(account: Account, environment: t.Mapping[str, str]) -> str:
    """Return which cache of a process with this environment belongs to somebody else; empty for none."""
    gopath = environment.get("GOPATH", "").split(":")[0] or os.path.join(account.home, "go")
    standard = {
        "GOPATH": gopath,
        "GOMODCACHE": os.path.join(gopath, "pkg/mod"),
        "GOCACHE": os.path.join(account.home, ".cache/go-build"),
    }
    with acting_as(account):
        for variable, directory in standard.items():
            path = environment.get(variable, "").split(":")[0] or directory
            uid = os.lstat(path).st_uid if os.path.lexists(path) else account.uid
            foreign = find_foreign_entries(variable, path, account) if uid == account.uid else None
            if uid != account.uid or foreign:
                return f"{foreign.path} belongs to {foreign.owner}" if foreign else f"{path} belongs to {name_of(uid)}"
    return ""
