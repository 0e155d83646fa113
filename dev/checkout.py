# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are in this checkout, and the identity of this checkout."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# All that can be made again; DEVSERVER also holds a private key.
CACHE = ROOT / ".cache"
DEVSERVER = ROOT / ".devserver"
LOGS = CACHE / "logs"
REQUIREMENTS = ROOT / "requirements"

IDENTITY = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
# Every container that is made from this checkout carries it.
LABEL = f"gopherops.devserver.checkout={IDENTITY}"


class Failure(Exception):
    """Ends a command: one message with what failed and what to do."""


@contextlib.contextmanager
def only_one() -> t.Iterator[None]:
    """Hold this checkout's lock; two commands at once would build the same things twice."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"another make is at work in {ROOT}; wait until it has ended") from None
        yield
