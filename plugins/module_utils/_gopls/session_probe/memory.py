# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a server has had at most: its unit's by the control group, any other's by the process.

Sources: the kernel's documentation of both versions of the memory controller, and proc(5) for ``VmHWM``.
"""

from __future__ import annotations

import os
import re
import typing as t

_CGROUPS = "/sys/fs/cgroup"


class Memory(t.NamedTuple):
    """Bytes, None where unknown; ``source`` is cgroup or process, empty where neither says anything.

    ``peak`` of a control group counts since its unit was started, with the file cache and what the server has run.
    """

    peak: int | None = None
    source: str = ""
    limit: int | None = None


class _Files(t.NamedTuple):
    folder: str
    peak: str
    limit: str


def memory_of(pid: int, unit: str, proc: str = "/proc", cgroups: str = _CGROUPS) -> Memory:
    """Return the memory of process ``pid``; of its control group where that belongs to ``unit`` alone.

    An empty ``unit`` is none.
    """
    for files in _files_of(_text(f"{proc}/{pid}/cgroup"), cgroups):
        peak = _bytes(os.path.join(files.folder, files.peak))
        if unit and os.path.basename(files.folder) == unit and peak is not None:
            return Memory(peak, "cgroup", _bytes(os.path.join(files.folder, files.limit)))
    peak = peak_of_process(pid, proc)
    return Memory(peak, "process" if peak is not None else "")


def peak_of_process(pid: int, proc: str = "/proc") -> int | None:
    """Return the largest resident set that a process has had, in bytes."""
    found = re.search(r"^VmHWM:\s*(\d+) kB", _text(f"{proc}/{pid}/status"), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def _files_of(groups: str, cgroups: str) -> t.Iterator[_Files]:
    for line in groups.splitlines():
        _number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if "memory" in controllers.split(","):
            yield _Files(f"{cgroups}/memory{path}", "memory.max_usage_in_bytes", "memory.limit_in_bytes")
        elif not controllers:
            yield _Files(f"{cgroups}{path}", "memory.peak", "memory.max")


def _bytes(path: str) -> int | None:
    """Return the number in a file; None where there is none, as where no limit is set."""
    text = _text(path).strip()
    # The first version of the controller has a number for no limit: the largest that pages can count.
    return int(text) if text.isdigit() and int(text) < 1 << 62 else None


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
