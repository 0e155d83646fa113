# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends the processes that a program has started: its session, their children, and daemons that have left both."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
import typing as t

from .._core.ending import clean_up_with
from .procfs import child_ids, path_of, process_ids, read_stat

_PR_SET_CHILD_SUBREAPER = 36
# A program that starts processes faster than they are listed would prolong this for ever.
_SWEEPS = 20
# Processes that outlive this one.
_DAEMONS: set[int] = set()
# Seconds that a killed process takes to exit.
_PAUSE = 0.005


def start_daemon(argv: t.Sequence[str]) -> None:
    """Start a program that outlives this process, without its output and terminal."""
    null = subprocess.DEVNULL
    process = subprocess.Popen(argv, cwd="/", env={}, start_new_session=True, stdin=null, stdout=null, stderr=null)
    _DAEMONS.add(process.pid)


def end_session(leader: int) -> None:
    """End a session, and the sessions that its processes have started: a hung startup may wait for one of those.

    A process group is not enough, because an interactive shell creates one for each job.
    """
    if _ORPHANS.none() and not os.path.exists(path_of(leader)):
        return
    for _sweep in range(_SWEEPS):
        if not _end(session_processes(leader)):
            return


@clean_up_with
def _end_all() -> None:
    """End all sessions that this process has started."""
    for process in _children():
        end_session(process.session)


@contextlib.contextmanager
def orphans_ended() -> t.Iterator[None]:
    """End the daemons of programs that are started inside of this block, when the last of several such blocks ends.

    The kernel makes this process their parent when their own parent exits, in any session and environment.
    Which program has started them is unknown then, so all blocks share the clean-up.
    """
    _ORPHANS.begin()
    try:
        yield
    finally:
        _ORPHANS.end()


class _Orphans:
    """The children that this process has not started itself."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin without blocks: a forked process has no children, and the kernel gives it no orphans yet."""
        self._lock = threading.Lock()
        self._blocks = 0
        self._others: set[int] = set()
        self._ended: set[int] = set()

    def begin(self) -> None:
        with self._lock:
            if self._blocks == 0:
                ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
                self._others, self._ended = _child_ids(), set()
            self._blocks += 1

    def none(self) -> bool:
        """Return whether there is no live orphan, so that no program of a block has left a process."""
        if not self._blocks:
            return False
        with self._lock:
            left = _child_ids() - self._others - self._ended
            # They are reaped at the end of the last block, when no other code can wait for them.
            self._ended |= {pid for pid in left if not _process(pid)}
            return left <= self._ended

    def end(self) -> None:
        with self._lock:
            self._blocks -= 1
            for _sweep in range(_SWEEPS if self._blocks == 0 else 0):
                left = {process.pid for process in _orphans()} - self._others
                if not left:
                    return
                _end(left)
                time.sleep(_PAUSE)
                for pid in left:
                    with contextlib.suppress(OSError):
                        os.waitpid(pid, os.WNOHANG)


_ORPHANS = _Orphans()
os.register_at_fork(after_in_child=_ORPHANS.reset)


class _Process(t.NamedTuple):
    pid: int
    parent: int
    session: int


def _children() -> list[_Process]:
    """Return the children in other sessions, which all programs of a block have."""
    return _in_other_sessions(process_ids())


def _orphans() -> list[_Process]:
    return _in_other_sessions(_child_ids())


def _child_ids() -> set[int]:
    """Return the children of this process's first thread, which the kernel makes the parent of orphans.

    They include the children that this thread has started. Listing all processes instead takes long on a busy host.
    """
    children = child_ids(os.getpid())
    return {process.pid for process in _children()} if children is None else children


def _in_other_sessions(pids: t.Iterable[int]) -> list[_Process]:
    own_pid, session = os.getpid(), os.getsid(0)
    processes = (_process(pid, ended=True) for pid in pids)
    return [
        process
        for process in processes
        if process and process.parent == own_pid and process.session != session and process.pid not in _DAEMONS
    ]


def session_processes(leader: int) -> list[int]:
    """Return the processes of a session, and of the sessions that these have started."""
    processes = [process for process in map(_process, process_ids()) if process]
    sessions = {leader}
    children: dict[int, list[_Process]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process)
    # A process that was started just now may still be in the session of this process.
    own_pid = os.getpid()
    waiting = [
        process.pid
        for process in processes
        if process.session == leader or (process.pid == leader and process.parent == own_pid)
    ]
    begun = set(waiting)
    while waiting:
        below = children.get(waiting.pop(), [])
        sessions.update(process.session for process in below)
        waiting += [process.pid for process in below]
    sessions.discard(os.getsid(0))
    return [process.pid for process in processes if process.session in sessions or process.pid in begun]


def _process(pid: int, *, ended: bool = False) -> _Process | None:
    """Return the process with that ID; one that has exited and is not reaped only with ``ended``."""
    stat = read_stat(pid)
    return None if stat is None or (stat.has_exited and not ended) else _Process(pid, stat.parent, stat.session)


def _end(pids: t.Iterable[int]) -> bool:
    """Kill processes; return whether there was one."""
    ended = False
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            ended = True
    return ended
