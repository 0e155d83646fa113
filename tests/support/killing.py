# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests end processes."""

from __future__ import annotations

import os
import signal
import subprocess
import typing as t


def kill_group(process: subprocess.Popen[t.Any]) -> None:
    """Kill a process that leads its group, with every process of the group, and wait for it."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
