# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trees whose programs are running: a reading of /proc."""

from __future__ import annotations

import os
import time
import typing as t

# Seconds to wait for programs to end.
PATIENCE = 10.0

_PAUSE = 0.1


def in_use(trees: t.Sequence[str], proc: str = "/proc") -> dict[str, list[int]]:
    """Return the trees below which a running program lies, each with the numbers of its processes.

    Only root sees the programs of all users.
    """
    running = _running(proc) if trees else {}
    found = {}
    for tree in trees:
        inside = os.path.realpath(tree) + "/"
        found[tree] = sorted(number for number, program in running.items() if program.startswith(inside))
    return {tree: numbers for tree, numbers in found.items() if numbers}


def await_end(trees: t.Sequence[str]) -> dict[str, list[int]]:
    """Wait for what runs below the trees, no longer than PATIENCE; return what is in use still, as ``in_use`` does.

    A tree counts as free after two looks: a process that is just being started has its program by the second.
    """
    deadline = time.monotonic() + PATIENCE
    used = in_use(trees)
    while trees:
        time.sleep(_PAUSE)
        before, used = used, in_use(trees)
        if not (before or used) or time.monotonic() >= deadline:
            return {**before, **used}
    return {}


def _running(proc: str) -> dict[int, str]:
    """Return the program of each process, as far as they may be seen."""
    programs = {}
    for name in filter(str.isdecimal, os.listdir(proc)):
        try:
            programs[int(name)] = os.readlink(os.path.join(proc, name, "exe"))
        except OSError:
            continue  # It has ended, or is not ours to look into.
    return programs
