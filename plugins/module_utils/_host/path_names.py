# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relations between paths by their names alone: nothing is read from the host, and no link is resolved."""

from __future__ import annotations

# Bytes, of Linux: for a name, and for a path with a long directory in front of it.
_LONGEST_NAME = 255
_LONGEST_PATH = 2048


def is_below(path: str, directory: str) -> bool:
    """Return whether an absolute path is in ``directory`` or deeper; a directory is not below itself."""
    return path.startswith(directory.rstrip("/") + "/") and path.rstrip("/") != directory.rstrip("/")


def has_usable_length(path: str) -> bool:
    """Return whether file systems accept a relative path of this length."""
    names = path.encode("utf-8", "surrogateescape").split(b"/")
    return len(path) <= _LONGEST_PATH and all(len(name) <= _LONGEST_NAME for name in names)
