# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time that a process of root spends on the files of each user, as the process that may end it sees it.

A read from a file system that hangs cannot be interrupted: only the whole process can be ended.
"""

from __future__ import annotations

import contextlib
import mmap
import threading
import time
import typing as t

from .accounts import Account

# Reads at the same time, in several threads.
_MOST = 256
_LOCK = threading.Lock()


class Clock:
    """The reads that are going on, each with the user's ID and the time at which the limit of that user is exceeded.

    Processes that are forked from this one share them.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._spent: dict[int, float] = {}
        self._until = memoryview(mmap.mmap(-1, 16 * _MOST)).cast("d")

    @contextlib.contextmanager
    def reading(self, uid: int) -> t.Iterator[None]:
        begin = time.monotonic()
        with _LOCK:
            place = 2 * self._until[::2].tolist().index(0)
            self._until[place + 1] = uid
            self._until[place] = begin + self._seconds - self._spent.get(uid, 0)
        try:
            yield
        finally:
            with _LOCK:
                self._spent[uid] = self._spent.get(uid, 0) + time.monotonic() - begin
                self._until[place] = 0

    def find_late(self) -> int | None:
        """Return the ID of a user whose limit is exceeded by a read that is going on."""
        now = time.monotonic()
        late = (place for place in range(0, 2 * _MOST, 2) if 0 < self._until[place] < now)
        return next((int(self._until[place + 1]) for place in late), None)


# The clock of this process, if it has one.
CLOCKS: list[Clock] = []


@contextlib.contextmanager
def reading(account: Account | None) -> t.Iterator[None]:
    """Count the time of a read from a path that ``account`` controls, if this process has a clock."""
    with CLOCKS[-1].reading(account.uid) if CLOCKS and account else contextlib.nullcontext():
        yield
