# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that nobody but root can change a program, before it runs with the rights of another user."""

from __future__ import annotations

import os
import stat

# As many links as the kernel follows.
_MOST_LINKS = 40


def only_root_can_change(path: str) -> bool:
    """Return whether root owns a program, every directory and link on the way to it, and nobody else can write there.

    False for a relative path, and where anything cannot be read.
    """
    place, names, links = "/", path.split("/")[::-1], 0
    try:
        while os.path.isabs(path) and links <= _MOST_LINKS:
            status = os.lstat(place)
            if not _is_roots(status):
                return False
            if stat.S_ISLNK(status.st_mode):
                links += 1
                names += os.readlink(place).split("/")[::-1]
                # The first part of an absolute target is empty, and leads back to the root.
                place = "/" if names[-1] == "" else os.path.dirname(place)
            elif names and stat.S_ISDIR(status.st_mode):
                place = _below(place, names.pop())
            else:
                return not names and stat.S_ISREG(status.st_mode)
    except OSError:
        return False
    return False


def _below(directory: str, name: str) -> str:
    if name == "..":
        return os.path.dirname(directory)
    return directory if name in ("", ".") else os.path.join(directory, name)


def _is_roots(status: os.stat_result) -> bool:
    # A link has no rights of its own; in a sticky directory, such as /tmp, nobody else can replace what root owns.
    is_safe = stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX)
    return status.st_uid == 0 and (bool(is_safe) or not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
