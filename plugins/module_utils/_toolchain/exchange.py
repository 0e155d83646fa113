# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a folder in the place of another, without a moment in which there is none."""

from __future__ import annotations

import ctypes
import os

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def swap(new: str, place: str) -> None:
    """Move ``new`` to ``place``, on the same filesystem; what was there is left as ``new``, or ``new`` + ``.old``.

    Where the kernel or the filesystem cannot exchange two names (some network filesystems cannot), two renames do it,
    with a moment between in which nothing is at ``place``.
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


def _exchanged(one: str, other: str) -> bool:
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:  # A C library without it: glibc before 2.28, musl.
        return False
    done: int = renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return done == 0
