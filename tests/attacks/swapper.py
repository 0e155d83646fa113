# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process of a user that swaps files and directories for links, as fast as it can."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import pathlib
import random
import signal
import struct
import typing as t

AT_FDCWD = -100
RENAME_EXCHANGE = 2
# At the beginning of the name of what a path is exchanged with.
TWIN = "twin-"


class Swapper:
    """Counts the swaps of all its processes."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    @property
    def count(self) -> int:
        number: int = struct.unpack("Q", self._memory[:8])[0]
        return number

    @contextlib.contextmanager
    def running(self, directories: t.Sequence[pathlib.Path], uid: int) -> t.Iterator[None]:
        """Exchange, as the user, entries of ``directories`` with their twins: those whose names have TWIN before."""
        child = os.fork()
        if child == 0:
            try:
                self._swap(list(map(str, directories)), uid)
            finally:
                os._exit(1)
        try:
            yield
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def _swap(self, directories: list[str], uid: int) -> None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        exchange = ctypes.CDLL(None).renameat2
        choose = random.Random(1).choice
        swaps = self.count
        while True:
            directory = choose(directories)
            try:
                twin = choose([name for name in os.listdir(directory) if name.startswith(TWIN)])
            except (OSError, IndexError):
                continue
            name = twin[len(TWIN) :].partition("~")[0]
            pair = (f"{directory}/{name}".encode(), f"{directory}/{twin}".encode())
            for _turn in range(8):
                if exchange(AT_FDCWD, pair[0], AT_FDCWD, pair[1], RENAME_EXCHANGE) == 0:
                    swaps += 1
            self._memory[:8] = struct.pack("Q", swaps)
