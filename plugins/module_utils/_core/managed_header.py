# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comment at the head of files that the collection writes whole."""

from __future__ import annotations

MANAGED_BY = "Managed by gopherops.devserver"


def managed_header(module: str, *, comment: str = "#") -> str:
    """Return the first line of a file that ``module`` writes; ``comment`` begins a comment in that file."""
    return f"{comment} {MANAGED_BY} ({module}); changes made here are lost.\n"
