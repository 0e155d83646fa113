# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock between runs that is held by an open file, so that the kernel releases it with the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from .._core.errors import DevserverError


@contextlib.contextmanager
def locked(path: str, *, timeout: float) -> t.Iterator[int]:
    """Hold the lock file ``path`` and yield its descriptor; raise DevserverError if another run holds it for too long.

    A missing directory is created. A child process with the descriptor keeps the lock until it exits, even if this
    process is killed before.
    """
    descriptor = _acquired(path, timeout)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked_directory(directory: str, *, timeout: float) -> t.Iterator[int]:
    """Create ``directory`` if it is missing, and hold its lock; after a failure a new directory is removed again."""
    new = not os.path.isdir(directory)
    path = os.path.join(directory, ".lock")
    with locked(path, timeout=timeout) as descriptor:
        try:
            yield descriptor
        except BaseException:
            if new and os.listdir(directory) == [".lock"]:
                os.unlink(path)
                os.rmdir(directory)
            raise


def _acquired(path: str, timeout: float) -> int:
    deadline = time.monotonic() + timeout
    while True:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # A failed run has just removed the directory.
            # Read-only, so that a child process cannot write through the descriptor.
            descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _wait(descriptor, path, deadline, timeout)
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            # The previous run has removed the file: others lock a new one.
            os.close(descriptor)


def _wait(descriptor: int, path: str, deadline: float, timeout: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise DevserverError(
                    f"another run has held the lock {path} for more than {timeout:g} seconds",
                    expected="one run at a time",
                    remedy=f"wait for it to end, or find the process by `fuser {path}`",
                    path=path,
                ) from None
        time.sleep(0.1)
