# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A terminal that nobody sits at, for programs that behave differently in front of one."""

from __future__ import annotations

import os
import termios

# Makes the terminal on its standard input that of a new session, as a terminal emulator does.
IN_SESSION = ("setsid", "-c")
# What programs find in TERM in the terminals of editors.
TYPE = "xterm-256color"


class Terminal:
    """A pseudo-terminal; ``end`` is the file descriptor for the program that runs in it, ``own`` the other one."""

    def __init__(self) -> None:
        self.own, self.end = os.openpty()
        mode = termios.tcgetattr(self.end)
        mode[1] &= ~termios.OPOST  # What is printed arrives as it is, line ends too.
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(self.end, termios.TCSANOW, mode)

    def hand_over(self) -> None:
        """Leave the program's end to the program alone, once it has been started."""
        os.close(self.end)
        self.end = -1

    def close(self) -> None:
        for descriptor in (self.own, self.end):
            if descriptor >= 0:
                os.close(descriptor)
