# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a value came from."""

from __future__ import annotations

import typing as t


class Source(t.NamedTuple):
    """One place that can set a value.

    ``kind`` is ``file`` (a startup file, PAM, GOENV, go.env: then ``file`` and ``line`` are the place), ``process``
    (given by the program that starts the process), ``set-environment`` (of systemctl: set in the running manager) or
    ``built-in`` (Go's own default). If this line calls a function that sets the value, ``by`` is the line in that
    function.
    """

    kind: str
    file: str | None = None
    line: int | None = None
    by: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file and self.line else self.file or self.kind


class Assignment(t.NamedTuple):
    """``name`` was given ``value`` at ``source``; of several for one name the last one wins."""

    name: str
    value: str
    source: Source


PROCESS = Source("process")
SET_ENVIRONMENT = Source("set-environment")
BUILT_IN = Source("built-in")


def is_default(source: Source | None) -> bool:
    """Return whether a value is Go's own: then nobody's line set it."""
    return source is None or source == BUILT_IN or (source.file or "").endswith("/go.env")
