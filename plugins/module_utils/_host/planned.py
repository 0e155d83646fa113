# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that an earlier role of the same plan creates: a later one must not report them as missing."""

from __future__ import annotations

from .path_names import is_below

_DIRECTORIES: set[str] = set()


def plan_directory(path: str) -> None:
    """Remember that this run creates the directory."""
    _DIRECTORIES.add(path)


def is_planned(path: str) -> bool:
    """Return whether this run creates the directory, or one above it with all that is in it."""
    return any(path == directory or is_below(path, directory) for directory in _DIRECTORIES)
