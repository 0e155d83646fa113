# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows which step runs, and at the end how long each took."""

from __future__ import annotations

import contextlib
import re
import time
import typing as t
from pathlib import Path

from dev.checkout import LOGS
from dev.console import show


class Phases:
    """The steps of one command, in the order in which they began, with the seconds that each took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.monotonic()

    @contextlib.contextmanager
    def phase(self, title: str) -> t.Iterator[Path]:
        """Announce a step and give it an empty log of its own."""
        show(f"==> {title}")
        log = log_of(title)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        start = time.monotonic()
        self.seconds[title] = 0.0
        try:
            yield log
        finally:
            self.seconds[title] = time.monotonic() - start

    def table(self) -> str:
        """Return the steps and their times; the last line has the time since the beginning, as steps may overlap."""
        rows = [*self.seconds.items(), ("total", time.monotonic() - self._start)]
        width = max(len(title) for title, _seconds in rows)
        return "\n".join(f"  {title:<{width}}  {seconds:7.1f} s" for title, seconds in rows)


def log_of(title: str) -> Path:
    """Return the log's path: the title in small letters, all else a hyphen."""
    return LOGS / (re.sub(r"[^a-z0-9.]+", "-", title.lower()).strip("-") + ".log")
