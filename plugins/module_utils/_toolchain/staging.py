# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary directories inside a directory that only one run at a time changes, under a lock."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t

from .._host.files import Changes, remove


@contextlib.contextmanager
def staging_directory(root: str, prefix: str) -> t.Iterator[str]:
    """Create a directory on the filesystem of ``root``, and remove it at the end."""
    path = tempfile.mkdtemp(prefix=prefix, dir=root)
    try:
        yield path
    finally:
        remove(path)


def find_leftovers(root: str, *prefixes: str) -> list[str]:
    """Return the entries of ``root`` that killed runs left. Without the lock, they may be those of a running one."""
    if not os.path.isdir(root):
        return []
    return sorted(entry.path for entry in os.scandir(root) if entry.name.startswith(prefixes))


def note_leftovers(leftovers: t.Iterable[str], changes: Changes) -> None:
    """Note in ``changes`` that they are removed."""
    for path in leftovers:
        changes.add(path, "left by an interrupted run\n", "")
