# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and programs of others within the directories that go writes to: they hinder the user's go commands."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import typing as t

from .._host.accounts import Account, name_of
from .._host.user_access import acting_as, may_access

# By variable: below which directory of it go itself writes, how many levels deep, and what is not examined there:
# GOMODCACHE, and the copies of repositories.
_PLACES = {
    "GOPATH": ("pkg", 2, "mod"),
    "GOMODCACHE": ("", 16, "cache/vcs"),
    "GOBIN": ("", 1, ""),
    "GOCACHE": ("", 1, ""),
}
# Entries that are examined in one directory: its user may have created any number.
MOST_ENTRIES = 20_000


class ForeignEntries(t.NamedTuple):
    """The entries within a directory of Go that belong to others, so that its user cannot write there.

    ``path`` is the first of ``number`` such entries, and belongs to ``owner``; ``parents`` are the directories that
    contain them.
    """

    path: str
    owner: str
    number: int
    parents: t.Sequence[str]


def find_foreign_entries(variable: str, directory: str, account: Account) -> ForeignEntries | None:
    """Return the entries of others in the directory of a variable; call this with the rights of ``account``."""
    below, levels, skipped = _PLACES[variable]
    place = os.path.join(directory, below) if below else directory
    foreign: dict[str, int] = {}
    entries = _entries(place, levels, os.path.join(place, skipped), foreign)
    top = [(place, os.lstat(place))] if below and os.path.lexists(place) else []
    for path, status in itertools.islice(itertools.chain(top, entries), MOST_ENTRIES):
        if status.st_uid != account.uid and _hinders(path, status, programs=variable == "GOBIN"):
            foreign[path] = status.st_uid
    if not foreign:
        return None
    first = min(foreign)
    parents = sorted({os.path.dirname(path) for path in foreign})
    return ForeignEntries(first, name_of(foreign[first]), len(foreign), parents)


def _entries(
    directory: str, levels: int, skipped: str, foreign: t.Container[str]
) -> t.Iterator[tuple[str, os.stat_result]]:
    """Yield the entries of a directory and of those below it, without those of ``foreign`` ones.

    What is in a version of a module is not examined either: go never changes it.
    """
    with contextlib.suppress(OSError):
        names = sorted(name for name in os.listdir(directory) if not name.startswith("."))
        for path in (os.path.join(directory, name) for name in names):
            with contextlib.suppress(OSError):
                status = os.lstat(path)
                if path == skipped:
                    continue
                yield path, status
                is_version = "@" in os.path.basename(path)
                if levels > 1 and stat.S_ISDIR(status.st_mode) and not is_version and path not in foreign:
                    yield from _entries(path, levels - 1, skipped, foreign)


def _hinders(path: str, status: os.stat_result, *, programs: bool) -> bool:
    """Return whether go cannot write there; a directory with the user's write permission is shared on purpose."""
    if stat.S_ISDIR(status.st_mode):
        is_version = "@" in os.path.basename(path)[1:]
        return not is_version and not may_access(path, os.W_OK | os.X_OK)
    is_lock = os.path.basename(path) == "lock" and not may_access(path, os.W_OK)
    return stat.S_ISREG(status.st_mode) and (programs or is_lock)


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
