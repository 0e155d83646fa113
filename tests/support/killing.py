# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests end processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import process_ids, read_stat


def kill_group(process: subprocess.Popen[t.Any]) -> None:
    """Kill a process that leads its group, with every process of the group, and wait for it."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_tree(process: subprocess.Popen[t.Any]) -> None:
    """Kill a process and all that came of it, also in sessions of their own, and wait for it."""
    parents = {pid: stat.parent for pid in process_ids() for stat in [read_stat(pid)] if stat}
    victims = [process.pid]
    for victim in victims:
        victims += [pid for pid, parent in parents.items() if parent == victim]
    for victim in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    process.wait()
