# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the peak memory of a server: of its unit's control group, else of the process.

Sources: the kernel's documentation of both versions of the memory controller, and proc(5) for ``VmHWM``.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import PROC, read_file, status_field

_CGROUPS = "/sys/fs/cgroup"


class Memory(t.NamedTuple):
    """Bytes, None if unknown; ``source`` is cgroup or process, empty if neither is readable.

    ``peak`` of a control group counts since its unit was started, with the file cache and the server's child processes.
    """

    peak: int | None = None
    source: str = ""
    limit: int | None = None


class _Files(t.NamedTuple):
    directory: str
    peak: str
    limit: str


def read_memory(pid: int, unit: str, proc: str = PROC, cgroups: str = _CGROUPS) -> Memory:
    """Return the memory of the control group of process ``pid`` if it is that of ``unit``, else of the process."""
    for files in _memory_files(read_file(pid, "cgroup", proc), cgroups):
        peak = _read_bytes(os.path.join(files.directory, files.peak))
        if unit and os.path.basename(files.directory) == unit and peak is not None:
            return Memory(peak, "cgroup", _read_bytes(os.path.join(files.directory, files.limit)))
    peak = read_process_peak(pid, proc)
    return Memory(peak, "process" if peak is not None else "")


def read_process_peak(pid: int, proc: str = PROC) -> int | None:
    """Return the largest resident set that a process has had, in bytes."""
    kibibytes = status_field(read_file(pid, "status", proc), "VmHWM")
    return int(kibibytes) * 1024 if kibibytes.isdigit() else None


def _memory_files(groups: str, cgroups: str) -> t.Iterator[_Files]:
    for line in groups.splitlines():
        _number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if "memory" in controllers.split(","):
            yield _Files(f"{cgroups}/memory{path}", "memory.max_usage_in_bytes", "memory.limit_in_bytes")
        elif not controllers:
            yield _Files(f"{cgroups}{path}", "memory.peak", "memory.max")


def _read_bytes(path: str) -> int | None:
    """Return the number in a file; None if it contains none, as without a limit."""
    text = _read_text(path).strip()
    # The first version of the controller has a number for no limit: the largest count of pages.
    return int(text) if text.isdigit() and int(text) < 1 << 62 else None


def _read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
