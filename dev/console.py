# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what a command reports; the lines of checks that run side by side carry the name of their check."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import typing as t

# Each thread has a value of its own.
_label: contextvars.ContextVar[str] = contextvars.ContextVar("label", default="")
_one_writer = threading.Lock()


@contextlib.contextmanager
def labelled(name: str) -> t.Iterator[None]:
    """Begin every line that this thread shows with ``name``."""
    token = _label.set(f"{name}: ")
    try:
        yield
    finally:
        _label.reset(token)


def show(text: str) -> None:
    """Print the lines of ``text``, none of them mixed with another thread's."""
    lines = [f"{_label.get()}{line}" for line in printable(text).split("\n")]
    with _one_writer:
        print("\n".join(lines), flush=True)


def printable(text: str) -> str:
    """Return ``text`` with every character written out that a terminal does not show as it is.

    Reports and logs contain values of users: a terminal would carry out their escape sequences.
    """
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode() for char in text
    )
