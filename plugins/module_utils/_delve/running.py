# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running debug service was started with, compared with what its unit starts now."""

from __future__ import annotations

import os

from .._environment.contexts.systemd_system import unit_environment_file
from .._host.procfs import read_process
from .._systemd.environment_files import assignments_in
from .units import environment_file


def outdated_part(name: str, user: str, pid: int, dlv: str) -> str:
    """Return what the process ``pid`` of the debug service ``name`` has from before a change, or an empty text.

    That is ``dlv``, whose build differs for each of its versions and of Go, or the environment.
    """
    process = read_process(pid) if pid else None
    # Before dlv starts, and for a wrapper script in its place, the unit's process is another program.
    if process is None or os.path.basename(process.program) != "dlv":
        return ""
    if process.program != os.path.realpath(dlv):
        return "dlv"
    files = (unit_environment_file(user), environment_file(name))
    expected = {assignment.name: assignment.value for path in files for assignment in assignments_in(path)}
    return "" if expected.items() <= process.environment.items() else "environment"
