# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running process is: a reading of /proc."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as, owner_of
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import readable_text


class Running(t.NamedTuple):
    """A process: the file that it runs, and the environment that it was given."""

    binary: str
    environment: t.Mapping[str, str]


def running(pid: int) -> Running | None:
    """Return what process ``pid`` is; None where it has ended, or nobody may look into it.

    It is looked into with the rights of whom it belongs to: root may not, in a container. Not for threads.
    """
    folder = f"/proc/{pid}"
    try:
        with acting_as(owner_of(os.stat(folder).st_uid)):
            with open(f"{folder}/environ", encoding="utf-8", errors="surrogateescape") as file:
                pairs = (entry.partition("=") for entry in file.read().split("\0") if "=" in entry)
                environment = {name: value for name, _equals, value in pairs}
            return Running(os.readlink(f"{folder}/exe"), environment)
    except OSError:
        return None


def tracer_of(pid: int) -> str:
    """Return the number of the process that debugs process ``pid``; empty where none does."""
    tracer = status_field(readable_text(f"/proc/{pid}/status"), "TracerPid")
    # The kernel names the thread that traces, which in a Go program is any of them.
    return "" if tracer in ("", "0") else status_field(readable_text(f"/proc/{tracer}/status"), "Tgid") or tracer


def status_field(status: str, name: str) -> str:
    """Return the first word of the line ``name`` in the text of a /proc/PID/status; empty where there is none."""
    match = re.search(rf"^{name}:\s*(\S+)", status, re.MULTILINE)
    return match.group(1) if match else ""
