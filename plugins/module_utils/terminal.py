# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A terminal that nobody sits at, for programs that behave differently in front of one."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import termios
import time
import typing as t

# Seconds between two looks at whether the program has ended; its output is waited for in between.
_LOOK = 0.05
# Makes the terminal on its standard input that of a new session, as a terminal emulator does.
IN_SESSION = ("setsid", "-c")
# What programs find in TERM in the terminals of editors.
TYPE = "xterm-256color"


class Terminal:
    """A pseudo-terminal; ``end`` is the file descriptor for the program that runs in it."""

    def __init__(self) -> None:
        self._own, self.end = os.openpty()
        mode = termios.tcgetattr(self.end)
        mode[1] &= ~termios.OPOST  # What is printed arrives as it is, line ends too.
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(self.end, termios.TCSANOW, mode)

    def hand_over(self) -> None:
        """Leave the program's end to the program alone, once it has been started."""
        os.close(self.end)
        self.end = -1

    def close(self) -> None:
        for descriptor in (self._own, self.end):
            if descriptor >= 0:
                os.close(descriptor)

    def copy(self, sink: t.IO[bytes], process: subprocess.Popen[bytes], *, deadline: float, limit: int) -> None:
        """Copy to ``sink`` what is printed until ``process`` ends, or ``deadline`` (of the monotonic clock) is past."""
        while time.monotonic() < deadline:
            # In this order: what a process printed just before its end is there to be read when it has ended.
            ended = process.poll() is not None
            if select.select([self._own], [], [], 0 if ended else _LOOK)[0]:
                if not self._copy_some(sink, limit):
                    return
            elif ended:
                return

    def _copy_some(self, sink: t.IO[bytes], limit: int) -> bool:
        try:
            data = os.read(self._own, 65536)
        except OSError:
            return False  # Nobody has the other end open any more.
        sink.write(data[: max(0, limit - sink.tell())])
        return bool(data)


def end_session(leader: int) -> None:
    """End all processes of a session: an interactive shell gives each job a process group of its own."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if _session(name) == leader:
                os.kill(int(name), signal.SIGKILL)


def _session(pid: str) -> int:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="surrogateescape") as file:
        return int(file.read().rpartition(")")[2].split()[3])
