# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension hosts of VS Code servers that run on this host: a reading of /proc."""

from __future__ import annotations

import contextlib
import glob
import os
import re

from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import Process
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as, owner_of


def extension_hosts(proc: str = "/proc") -> list[Process]:
    """Return the processes that run extensions for VS Code or code-server, oldest number first."""
    found = (_extension_host(directory) for directory in glob.glob(os.path.join(proc, "[0-9]*")))
    return sorted(process for process in found if process)


def manager_started(uid: int, proc: str = "/proc") -> float | None:
    """Return when the systemd manager of a user was started; None where none runs."""
    found = []
    for directory in glob.glob(os.path.join(proc, "[0-9]*")):
        with contextlib.suppress(OSError):
            words = _read(os.path.join(directory, "cmdline")) if os.stat(directory).st_uid == uid else []
            if len(words) > 1 and os.path.basename(words[0]) == "systemd" and words[1] == "--user":
                found.append(started(directory))
    return next((start for start in found if start is not None), None)


def started(directory: str) -> float | None:
    """Return when a process was started: /proc counts that from the start of the machine."""
    try:
        fields = "".join(_read(os.path.join(directory, "stat"))).rpartition(")")[2].split()
        booted = re.search(r"^btime (\d+)$", "".join(_read(os.path.join(directory, "../stat"))), re.MULTILINE)
        return int(booted.group(1)) + int(fields[19]) / os.sysconf("SC_CLK_TCK") if booted else None
    except (OSError, ValueError, IndexError):
        return None


def _extension_host(directory: str) -> Process | None:
    try:
        words = _read(os.path.join(directory, "cmdline"))
        if "--type=extensionHost" not in words or not any(word.endswith("bootstrap-fork") for word in words):
            return None
        uid = os.stat(directory).st_uid
        with acting_as(owner_of(uid)):
            pairs = (entry.partition("=") for entry in _read(os.path.join(directory, "environ")))
        environment = {name: value for name, _separator, value in pairs if name}
        return Process(int(os.path.basename(directory)), uid, environment, started(directory))
    except OSError:
        return None  # It has exited, or this process may not read it.


def _read(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().split("\0")
