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
from .files import open_nonblocking
from .procfs import parse_environment, path_of, process_ids, read_command_line, read_file, start_time


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


def lock_file(directory: str) -> str:
    """Return the path of the lock of a directory."""
    return os.path.join(directory, ".lock")


@contextlib.contextmanager
def locked_directory(directory: str, *, timeout: float) -> t.Iterator[int]:
    """Create ``directory`` if it is missing, and hold its lock; after a failure a new directory is removed again."""
    new = not os.path.isdir(directory)
    path = lock_file(directory)
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
                holder = find_holder(path)
                raise DevserverError(
                    f"another run has held the lock {path} for more than {timeout:g} seconds"
                    + (f": {holder}" if holder else ""),
                    expected="one run at a time",
                    remedy=f"wait for it to end, or end the process that `fuser {path}` shows",
                    path=path,
                ) from None
        time.sleep(0.1)


def find_holder(path: str) -> str:
    """Return in words which process holds the lock, and since when it runs; empty if none is known to hold it."""
    with contextlib.suppress(OSError), open(path, "rb", opener=open_nonblocking) as file:
        if _is_free(file.fileno()):
            return ""
        status = os.fstat(file.fileno())
        for pid in process_ids():
            if _holds(pid, status):
                since = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(start_time(pid)))
                program = os.path.basename((read_command_line(pid) or ["?"])[0])
                user = parse_environment(read_file(pid, "environ")).get("SUDO_USER", "")
                return f"process {pid} ({program}){f' started by {user}' if user else ''}, which runs since {since}"
    return ""


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holds(pid: int, lock: os.stat_result) -> bool:
    """Return whether a process holds a lock on this file; one that waits for it has the file open, too."""
    with contextlib.suppress(OSError):
        for name in os.listdir(path_of(pid, "fd")):
            with contextlib.suppress(FileNotFoundError):  # It was closed meanwhile.
                is_lock = os.path.samestat(os.stat(path_of(pid, f"fd/{name}")), lock)
                if is_lock and "lock:" in read_file(pid, f"fdinfo/{name}"):
                    return True
    return False
