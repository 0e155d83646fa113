# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records which units still have to load the files that are being written, for the run after a killed one.

The records are in /run, because all units load their files at boot. Each run writes its whole record.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._host.files import read_text, write_text

DIRECTORY = "/run"


def read_pending(path: str) -> set[str]:
    """Return the names that a killed run has recorded in ``path``."""
    return set((read_text(path) or "").split())


def record_pending(path: str, names: t.Iterable[str]) -> None:
    """Record ``names`` before anything is written; without names the record does not change."""
    text = "".join(f"{name}\n" for name in sorted(set(names)))
    if text:
        write_text(path, text, mode=0o644, uid=os.geteuid(), gid=os.getegid(), keep=False)


def clear_pending(path: str) -> None:
    """Remove the record: all units have loaded their files."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
