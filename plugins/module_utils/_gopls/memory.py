# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads memory: the peak of a server, of its unit's control group or its process, and the memory of this host.

Sources: the kernel's documentation of both versions of the memory controller, and proc(5) for ``VmHWM``.
"""

from __future__ import annotations

import os
import typing as t

from .._host.files import read_text_or_empty, split_lines
from .._host.procfs import PROC, read_file, status_field

_CGROUPS = "/sys/fs/cgroup"


class Memory(t.NamedTuple):
    """Bytes, None if unknown; ``source`` is cgroup or process, empty if neither is readable.

    ``peak`` of a control group counts since its unit was started, with the file cache and the server's child processes.
    """

    peak: int | None = None
    source: str = ""
    limit: int | None = None


class _ControlGroup(t.NamedTuple):
    """A control group below the ``mount`` of its controller, with the names of the files of its peak and limit."""

    mount: str
    path: str
    peak: str
    limit: str

    def read(self, name: str) -> int | None:
        """Return the number in a file of the group; None if it contains none, as without a limit."""
        text = read_text_or_empty(f"{self.mount}{self.path}/{name}").strip()
        # The first version of the controller has a number for no limit: the largest count of pages.
        return int(text) if text.isdigit() and int(text) < 1 << 62 else None

    def parents(self) -> t.Iterator[_ControlGroup]:
        """Yield the groups that contain this one, beginning with itself."""
        path = self.path.rstrip("/")
        while path:
            yield self._replace(path=path)
            path = path.rpartition("/")[0]
        yield self._replace(path="")


def read_memory(pid: int, unit: str, proc: str = PROC, cgroups: str = _CGROUPS) -> Memory:
    """Return the memory of the control group of process ``pid`` if it is that of ``unit``, else of the process."""
    for group in _control_groups(pid, proc, cgroups):
        peak = group.read(group.peak)
        if unit and os.path.basename(group.path) == unit and peak is not None:
            return Memory(peak, "cgroup", group.read(group.limit))
    peak = read_process_peak(pid, proc)
    return Memory(peak, "process" if peak is not None else "")


def read_process_peak(pid: int, proc: str = PROC) -> int | None:
    """Return the largest resident set that a process has had, in bytes."""
    kibibytes = status_field(read_file(pid, "status", proc), "VmHWM")
    return int(kibibytes) * 1024 if kibibytes.isdigit() else None


def read_host_memory(proc: str = PROC, cgroups: str = _CGROUPS) -> int:
    """Return the bytes of memory of this host: its RAM, or the limit of the container that it is."""
    kibibytes = status_field(read_file("", "meminfo", proc), "MemTotal")
    # Of process 1, because the groups of this session may have lower limits, which do not apply to daemons.
    groups = [parent for group in _control_groups(1, proc, cgroups) for parent in group.parents()]
    limits = (group.read(group.limit) for group in groups)
    return min([int(kibibytes or 0) * 1024, *(limit for limit in limits if limit is not None)])


def _control_groups(pid: int, proc: str, cgroups: str) -> t.Iterator[_ControlGroup]:
    """Yield the control groups of a process that have a memory controller, of either version."""
    for line in split_lines(read_file(pid, "cgroup", proc)):
        _number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if "memory" in controllers.split(","):
            yield _ControlGroup(f"{cgroups}/memory", path, "memory.max_usage_in_bytes", "memory.limit_in_bytes")
        elif not controllers:
            yield _ControlGroup(cgroups, path, "memory.peak", "memory.max")
