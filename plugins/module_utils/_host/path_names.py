# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relations between paths by their names alone: nothing is read from the host, and no link is resolved."""

from __future__ import annotations


def is_below(path: str, directory: str) -> bool:
    """Return whether an absolute path is in ``directory`` or deeper; a directory is not below itself."""
    return path.startswith(directory.rstrip("/") + "/") and path.rstrip("/") != directory.rstrip("/")
