# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a plan in lanes: lists that are worked through side by side, and a lane without work helps the others."""

from __future__ import annotations

import concurrent.futures
import threading
import typing as t

from dev import command


class Item(t.Protocol):
    """Items with the same ``resource`` never run at the same time; an empty one is shared by nobody."""

    @property
    def resource(self) -> str: ...


ItemT = t.TypeVar("ItemT", bound=Item)


class Lanes(t.Generic[ItemT]):
    """What is left to do in each lane, in order, and what runs."""

    def __init__(self, plan: t.Sequence[t.Sequence[ItemT]]) -> None:
        self._waiting = [list(lane) for lane in plan]
        self._resources: set[str] = set()
        self._changed = threading.Condition()

    def run(self, work: t.Callable[[ItemT], None]) -> None:
        """Call ``work`` with every item; an exception stops the other lanes too, and is raised."""
        with concurrent.futures.ThreadPoolExecutor(len(self._waiting)) as pool:
            lanes = [pool.submit(self._run_lane, lane, work) for lane in range(len(self._waiting))]
            try:
                for lane in concurrent.futures.as_completed(lanes):
                    lane.result()
            except BaseException:
                self._stop()
                raise

    def _run_lane(self, lane: int, work: t.Callable[[ItemT], None]) -> None:
        while (item := self._take(lane)) is not None:
            try:
                work(item)
            finally:
                self._release(item)

    def _take(self, lane: int) -> ItemT | None:
        """Remove and return the next item of this lane, else of another; wait while all need a resource in use."""
        with self._changed:
            while any(self._waiting):
                for waiting in (self._waiting[lane], *self._waiting):
                    for item in waiting:
                        if item.resource not in self._resources:
                            waiting.remove(item)
                            self._resources |= {item.resource} - {""}
                            return item
                self._changed.wait()
        return None

    def _release(self, item: ItemT) -> None:
        with self._changed:
            self._resources.discard(item.resource)
            self._changed.notify_all()

    def _stop(self) -> None:
        with self._changed:
            for waiting in self._waiting:
                waiting.clear()
            self._changed.notify_all()
        command.stop_all()
