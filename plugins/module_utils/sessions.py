# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends the processes of a session."""

from __future__ import annotations

import contextlib
import os
import signal
import typing as t

# Who starts new processes faster than all are looked through would keep this going for ever.
_SWEEPS = 20


def end_session(leader: int) -> None:
    """End a session, and those that live processes of it have started: a hung start-up may wait for one in its own.

    A process group is less: an interactive shell gives each job one. A daemon that has left its parent stays.
    """
    for _sweep in range(_SWEEPS):
        if not _end(_of_session(leader)):
            return


class _Process(t.NamedTuple):
    pid: int
    parent: int
    session: int


def _of_session(leader: int) -> list[int]:
    found = [process for process in map(_process, _processes()) if process]
    sessions = {leader}
    children: dict[int, list[_Process]] = {}
    for process in found:
        children.setdefault(process.parent, []).append(process)
    # One that has been started only just may be in this process's session yet.
    waiting = [process.pid for process in found if process.session == leader or process[:2] == (leader, os.getpid())]
    own = set(waiting)
    while waiting:
        below = children.get(waiting.pop(), [])
        sessions.update(process.session for process in below)
        waiting += [process.pid for process in below]
    sessions.discard(os.getsid(0))
    return [process.pid for process in found if process.session in sessions or process.pid in own]


def _processes() -> t.Iterator[int]:
    return map(int, filter(str.isdigit, os.listdir("/proc")))


def _process(pid: int) -> _Process | None:
    """Return what still runs under that number; what has ended and waits for its parent does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="surrogateescape") as file:
            state, parent, _group, session = file.read().rpartition(")")[2].split()[:4]
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else _Process(pid, int(parent), int(session))


def _end(pids: t.Iterable[int]) -> bool:
    """Return whether there was any."""
    ended = False
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            ended = True
    return ended
