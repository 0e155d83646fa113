# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes directories that the collection has made, each with its parents that are empty then."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .files import Changes, remove


def remove_paths(paths: t.Iterable[str], changes: Changes, *, check: bool) -> None:
    """Remove files, links and whole directories; with ``check`` only add the removals to ``changes``.

    No user may be able to change a parent of a path; links inside a directory are not followed.
    """
    for path in paths:
        if os.path.lexists(path):
            changes.add(path, "directory\n" if os.path.isdir(path) and not os.path.islink(path) else "present\n", "")
            if not check:
                remove(path)


def remove_empty_directories(paths: t.Iterable[str]) -> None:
    """Remove those of the directories that are empty, the inner ones first. That is no change to report."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.rmdir(path)
