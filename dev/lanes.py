# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a plan in lanes: lists that are worked through side by side, and a lane without work helps the others."""

from __future__ import annotations

import concurrent.futures
import threading
import typing as t

from dev import command

ItemT = t.TypeVar("ItemT")


class Lanes(t.Generic[ItemT]):
    """What is left to do in each lane, in order."""

    def __init__(self, plan: t.Sequence[t.Sequence[ItemT]]) -> None:
        self._waiting = [list(lane) for lane in plan]
        self._lock = threading.Lock()

    def run(self, work: t.Callable[[ItemT], None]) -> None:
        """Call ``work`` with every item; an exception stops the other lanes too, and is raised."""
        with concurrent.futures.ThreadPoolExecutor(len(self._waiting)) as pool:
            lanes = [pool.submit(self._run_lane, lane, work) for lane in self._waiting]
            try:
                for lane in concurrent.futures.as_completed(lanes):
                    lane.result()
            except BaseException:
                self._stop()
                raise

    def _run_lane(self, lane: list[ItemT], work: t.Callable[[ItemT], None]) -> None:
        while waiting := self._take(lane):
            work(*waiting)

    def _take(self, lane: list[ItemT]) -> list[ItemT]:
        """Remove and return the next item of this lane, else of another; none if nothing is left."""
        with self._lock:
            waiting = next(filter(None, (lane, *self._waiting)), [])
            return [waiting.pop(0)] if waiting else []

    def _stop(self) -> None:
        with self._lock:
            for waiting in self._waiting:
                waiting.clear()
        command.stop_all()
