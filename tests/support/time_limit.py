# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A time limit for code of this process that could hang in a system call."""

from __future__ import annotations

import contextlib
import signal
import typing as t


@contextlib.contextmanager
def time_limit(seconds: int) -> t.Iterator[None]:
    """Fail after ``seconds``, with an error that is no OSError, which the code under test could catch."""

    def fail(*_arguments: t.Any) -> None:
        raise AssertionError(f"did not finish within {seconds} seconds")

    previous = signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
