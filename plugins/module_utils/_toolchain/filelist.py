# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of a tree's files, recorded when it is installed, and how the tree differs from it.

One line for each file, sorted by path: ``<type and mode in octal> <SHA-256 in hex> <path>``. A link's digest is that
of its target.
"""

from __future__ import annotations

import hashlib
import os
import stat
import typing as t

from .._host.files import sha256_of_file

# How many names of each kind a result shows.
MAX_SHOWN = 20

# By path relative to the tree: type and mode in octal, a blank, the SHA-256 in hex.
Files = t.Dict[str, str]


class Differences(t.NamedTuple):
    """The paths, relative to the tree, in which it differs from its list."""

    changed: list[str]
    added: list[str]
    missing: list[str]

    @property
    def total(self) -> int:
        return sum(map(len, self))

    def result(self) -> dict[str, t.Any]:
        """Return the form for a module's result, with at most MAX_SHOWN names of each kind."""
        return {"count": self.total, **{kind: names[:MAX_SHOWN] for kind, names in self._asdict().items()}}

    def text(self) -> str:
        """Return one line for each name in the result, and the total if some are left out."""
        lines = [f"{kind} {name}\n" for kind, names in self._asdict().items() for name in names[:MAX_SHOWN]]
        return "".join(lines) + (f"{self.total} in all\n" if len(lines) < self.total else "")


def file_entry(mode: int, digest: str) -> str:
    return f"{stat.S_IFREG | mode:o} {digest}"


def link_entry(target: str) -> str:
    return f"{stat.S_IFLNK:o} {hashlib.sha256(os.fsencode(target)).hexdigest()}"


def dump(files: Files) -> str:
    return "".join(f"{files[path]} {path}\n" for path in sorted(files))


def parse(text: str) -> Files:
    """Return the files of a list; raise ValueError if it is not one."""
    files = {}
    for line in text.split("\n")[:-1]:
        mode, digest, path = line.split(" ", 2)
        files[path] = f"{mode} {digest}"
    return files


def digest_of(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def scan(root: str, recorded: t.Mapping[str, str] | None = None, since: int = 0) -> Files:
    """Return what is below ``root``; everything but directories counts as a file.

    Files whose content, mode and owner have not changed ``since`` then (nanoseconds) are as they are in ``recorded``.
    """
    files = {}
    for directory, directories, names in os.walk(root, onerror=_reraise):
        links = [name for name in directories if os.path.islink(os.path.join(directory, name))]
        for name in names + links:
            path = os.path.join(directory, name)
            relative = path[len(root) + 1 :]
            unchanged = recorded and relative in recorded and os.lstat(path).st_ctime_ns < since
            files[relative] = recorded[relative] if recorded and unchanged else _entry(path)
    return files


def _reraise(error: OSError) -> t.NoReturn:
    raise error


def _entry(path: str) -> str:
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return link_entry(os.readlink(path))
    if not stat.S_ISREG(status.st_mode):
        return f"{status.st_mode:o} -"
    return file_entry(stat.S_IMODE(status.st_mode), sha256_of_file(path))


def find_exposed(root: str, owner: int) -> set[str]:
    """Return what users other than ``owner`` (a uid) and root can change, in ``root`` and itself (as ``.``)."""
    paths = set()
    for directory, directories, names in os.walk(root, onerror=_reraise):
        for path in (directory, *(os.path.join(directory, name) for name in names + directories)):
            status = os.lstat(path)
            writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(status.st_mode)
            if writable or status.st_uid not in (0, owner):
                paths.add(os.path.relpath(path, root))
    return paths


def compare(recorded: Files, current: Files, exposed_paths: t.AbstractSet[str] = frozenset()) -> Differences:
    """Return how ``current`` differs from ``recorded``; an exposed path counts as changed unless it was added."""
    edited = {path for path in recorded.keys() & current.keys() if recorded[path] != current[path]}
    return Differences(
        changed=sorted(edited | (exposed_paths - (current.keys() - recorded.keys()))),
        added=sorted(current.keys() - recorded.keys()),
        missing=sorted(recorded.keys() - current.keys()),
    )
