# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the output of a program until the program exits, even if other processes keep the pipe open."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
import typing as t

# Seconds between two checks whether the program has exited; output is read in between.
_LOOK = 0.05
# Seconds between two reads: programs write in small pieces, and a reader of each would take as much time as they do.
_PAUSE = 0.002
_CHUNK = 65536


class Stream:
    """The output from a descriptor: the first ``limit`` bytes are kept, or the last ones with ``last``."""

    def __init__(self, descriptor: int, limit: int, *, last: bool = False) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._last = last
        self._kept = bytearray()
        os.set_blocking(descriptor, False)

    def fileno(self) -> int:
        return self._descriptor

    @property
    def full(self) -> bool:
        return len(self._kept) >= self._limit

    @property
    def text(self) -> str:
        # Names that are not UTF-8 must survive a round trip through a result.
        return self._kept.decode("utf-8", "surrogateescape")

    def read(self) -> bool:
        """Read once; return False at the end, which a closed terminal reports as an error."""
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._kept += data if self._last else data[: self._limit - len(self._kept)]
        del self._kept[: -self._limit]
        return bool(data)


class OutputReader:
    """Reads the output of a process in a thread, so that it never blocks; keeps the same bytes as a Stream."""

    def __init__(self, pipe: t.IO[bytes], limit: int, *, last: bool = False) -> None:
        self._pipe = pipe
        self._stream = Stream(pipe.fileno(), limit, last=last)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def text(self) -> str:
        return self._stream.text

    def close(self) -> None:
        """Read the available rest, and stop."""
        if not self._pipe.closed:
            self._done.set()
            self._thread.join()
            self._pipe.close()

    def _read(self) -> None:
        while not self._done.is_set():
            if select.select([self._stream], [], [], 0.1)[0] and not self._stream.read():
                return
        # One read returns all that a pipe contains; later output of other processes is ignored.
        if select.select([self._stream], [], [], 0)[0]:
            self._stream.read()


def read_until_exit(
    streams: t.Sequence[Stream],
    process: subprocess.Popen[bytes],
    deadline: float,
    stop: t.Callable[[], bool] | None = None,
) -> int | None:
    """Read until ``process`` ends and return its code; None if ``deadline`` (of the monotonic clock) is earlier.

    Also None as soon as ``stop`` returns True.
    """
    still = list(streams)
    while still and process.poll() is None and time.monotonic() < deadline:
        if stop and stop():
            return None
        for stream in _ready(still, _LOOK):
            if not stream.read():
                still.remove(stream)
        time.sleep(_PAUSE)
    try:
        return process.wait(timeout=max(0, deadline - time.monotonic()) if not still else 0)
    except subprocess.TimeoutExpired:
        return None


def read_rest(streams: t.Sequence[Stream]) -> None:
    """Read the available rest; later output of daemons is ignored."""
    for stream in streams:
        while not stream.full and _ready([stream], 0) and stream.read():
            pass


def _ready(streams: t.Sequence[Stream], seconds: float) -> list[Stream]:
    """Return the streams with data or at their end; select(2) does not support descriptors from 1024 on."""
    poll = select.poll()
    for stream in streams:
        poll.register(stream, select.POLLIN)
    ready = {descriptor for descriptor, _event in poll.poll(seconds * 1000)}
    return [stream for stream in streams if stream.fileno() in ready]
