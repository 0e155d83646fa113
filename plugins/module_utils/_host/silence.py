# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices that a program only waits for the network, from which nothing arrives.

Programs such as go have no limit of their own for a server that accepts a connection and stays silent.
"""

from __future__ import annotations

import os
import time
import typing as t

from .accounts import Account
from .procfs import connected_sockets, path_of, process_ids, read_file, read_stat, socket_inodes
from .user_access import acting_as

# Bytes that the processes read in the limit of silence; fewer are taken for none.
_FEWEST = 4096
# The share of a processor's time that a waiting program uses at most.
_IDLE = 1 / 60
# Measurements in the limit of silence.
_MEASUREMENTS = 12


class Silence:
    """Watches the session of a program that runs as ``account`` for ``limit`` seconds without a byte.

    ``sources`` are then the addresses that it is connected to.
    """

    def __init__(self, session: int, account: Account | None, limit: float) -> None:
        self._session = session
        self._account = account
        self._limit = limit
        self._progress = (-_FEWEST, 0.0)
        self._since = self._next = time.monotonic()
        self.sources: list[str] = []

    def exceeded(self) -> bool:
        """Return whether nothing has arrived for too long; it measures only from time to time."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._limit / _MEASUREMENTS
        with acting_as(self._account):
            pids = [pid for pid in process_ids() if getattr(read_stat(pid), "session", 0) == self._session]
            count, seconds = sum(map(_bytes_read, pids)), sum(map(_processor_seconds, pids))
            # What a process has read is no longer counted after its end, which is progress, too.
            read, used = abs(count - self._progress[0]), abs(seconds - self._progress[1])
            if read >= _FEWEST or used >= self._limit * _IDLE:
                self._progress, self._since = (count, seconds), now
            self.sources = _connections(pids) if now - self._since >= self._limit else []
        return bool(self.sources)


def _bytes_read(pid: int) -> int:
    fields = dict(line.split(": ", 1) for line in read_file(pid, "io").splitlines())
    return int(fields.get("rchar", 0))


def _processor_seconds(pid: int) -> float:
    fields = read_file(pid, "stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _connections(pids: t.Iterable[int]) -> list[str]:
    inodes = set().union(*(socket_inodes(pid) for pid in pids if os.access(path_of(pid, "fd"), os.R_OK)))
    return sorted({str(socket.address) for socket in connected_sockets() if socket.inode in inodes})
