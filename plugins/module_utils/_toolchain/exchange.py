# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces a directory by another, without a moment in which there is none."""

from __future__ import annotations

import ctypes
import os

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def exchange_directories(new: str, place: str) -> None:
    """Move ``new`` to ``place``, on the same filesystem; the previous one is left as ``new``, or ``new`` + ``.old``.

    If the kernel or the filesystem cannot exchange two names (some network filesystems cannot), it takes two renames,
    and between them nothing is at ``place``.
    """
    if not os.path.lexists(place):
        os.rename(new, place)
    elif not _exchanged(new, place):
        old = new + ".old"
        os.rename(place, old)
        try:
            os.rename(new, place)
        except OSError:
            os.rename(old, place)
            raise


def _exchanged(first: str, second: str) -> bool:
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:  # A C library without it: glibc before 2.28, musl.
        return False
    result: int = renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    return result == 0
