# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pseudo-terminal for programs that behave differently in a terminal."""

from __future__ import annotations

import os
import termios

# Makes the terminal on standard input the controlling terminal of a new session, like a terminal emulator.
IN_SESSION = ("setsid", "-c")
# The value of TERM in the terminals of editors.
TYPE = "xterm-256color"


class Terminal:
    """A pseudo-terminal; ``end`` is the file descriptor for the program that runs in it, ``own_end`` the other one."""

    def __init__(self) -> None:
        self.own_end, self.end = os.openpty()
        mode = termios.tcgetattr(self.end)
        mode[1] &= ~termios.OPOST  # Output arrives unchanged, including line ends.
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(self.end, termios.TCSANOW, mode)

    def hand_over(self) -> None:
        """Close the program's end in this process, after the program was started."""
        os.close(self.end)
        self.end = -1

    def close(self) -> None:
        for descriptor in (self.own_end, self.end):
            if descriptor >= 0:
                os.close(descriptor)
