# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes run programs of a tree, as /proc shows them."""

from __future__ import annotations

import os
import time
import typing as t

from .._host.path_names import is_below
from .._host.procfs import PROC, process_ids, read_program

# Seconds to wait for processes to exit.
TIMEOUT = 10.0

_PAUSE = 0.1


def find_processes(trees: t.Sequence[str], proc: str = PROC) -> dict[str, list[int]]:
    """Return the trees with a running program, each with the IDs of its processes.

    Only root can read the programs of all users.
    """
    running = _running(proc) if trees else {}
    processes = {}
    for tree in trees:
        real_tree = os.path.realpath(tree)
        processes[tree] = sorted(number for number, program in running.items() if is_below(program, real_tree))
    return {tree: numbers for tree, numbers in processes.items() if numbers}


def await_exit(trees: t.Sequence[str]) -> dict[str, list[int]]:
    """Wait at most TIMEOUT for the processes in the trees to exit; return the others, as ``find_processes`` does.

    A tree counts as unused after two probes: a process that is being started has its program by the second.
    """
    deadline = time.monotonic() + TIMEOUT
    current = find_processes(trees)
    while trees:
        time.sleep(_PAUSE)
        before, current = current, find_processes(trees)
        if not (before or current) or time.monotonic() >= deadline:
            return {**before, **current}
    return {}


def _running(proc: str) -> dict[int, str]:
    """Return the program of each process that this user may inspect."""
    programs = {pid: read_program(pid, proc) for pid in process_ids(proc)}
    return {pid: program for pid, program in programs.items() if program}
