# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool of threads in which a call that waits, such as a startup that hangs, does not keep others from running."""

from __future__ import annotations

import concurrent.futures
import threading
import time
import typing as t

T = t.TypeVar("T")

# Threads for each place: calls that wait use no processor, but each has a process.
_THREADS = 3


class PatientPool(concurrent.futures.ThreadPoolExecutor):
    """Runs as many calls at once as there are ``places``; one that takes longer than ``patience`` seconds keeps none.

    With a single place, all calls run one after the other.
    """

    def __init__(self, places: int, patience: float) -> None:
        super().__init__(max_workers=places * _THREADS if places > 1 else 1)
        self._places = places
        self._patience = patience
        self._starts: list[float] = []
        self._changed = threading.Condition()

    def submit(self, function: t.Callable[..., T], /, *args: t.Any, **kwargs: t.Any) -> concurrent.futures.Future[T]:
        return super().submit(self._in_a_place, function, *args, **kwargs)

    def _in_a_place(self, function: t.Callable[..., T], *args: t.Any, **kwargs: t.Any) -> T:
        start = self._take_place()
        try:
            return function(*args, **kwargs)
        finally:
            with self._changed:
                self._starts.remove(start)
                self._changed.notify()

    def _take_place(self) -> float:
        with self._changed:
            while True:
                now = time.monotonic()
                taken = [start for start in self._starts if now - start < self._patience]
                if len(taken) < self._places:
                    self._starts.append(now)
                    return now
                # Until another call ends, or the oldest one has lost its place.
                self._changed.wait(max(0.01, min(taken) + self._patience - now))
