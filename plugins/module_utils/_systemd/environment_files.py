# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of systemd's environment files: systemd.exec(5) for ``EnvironmentFile=``, and environment.d(5)."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._core.go_variables import VARIABLES
from .._core.provenance import Assignment
from .._host.assignments import find_assignments
from .._host.files import read_text
from .._host.procfs import Process
from .quoting import quoted, unquoted, without_specifiers

_VARIABLE = re.compile(r"\s*(?P<name>[A-Za-z_]\w*)=(?P<value>.*)")


def environment_lines(variables: t.Mapping[str, str], *, dollar: str) -> str:
    """Return the lines that set ``variables``; ``dollar`` is how a dollar sign is written."""
    return "".join(f"{name}={quoted(value, dollar)}\n" for name, value in variables.items())


def environment_file_setting(path: str) -> str:
    """Return the value of ``EnvironmentFile=`` for one file: systemd takes it for a pattern, after specifiers."""
    return without_specifiers(re.sub(r"([\\*?\[])", r"\\\1", path))


def assignments_in(path: str) -> list[Assignment]:
    """Return the assignments in the file at ``path``."""
    return find_assignments(read_text(path), path, _VARIABLE, unquoted)


def variables_in(*paths: str) -> dict[str, str]:
    """Return the variables that a unit gets from its files at ``paths``, of which later ones have precedence."""
    variables: dict[str, str] = {}
    for path in paths:
        with contextlib.suppress(DevserverError):
            variables.update({assignment.name: assignment.value for assignment in assignments_in(path)})
    return variables


def last_change(*paths: str) -> float:
    """Return when the newest file of ``paths`` was written, in seconds of the epoch; 0 if none exists."""
    times = [0.0]
    for path in paths:
        with contextlib.suppress(OSError):
            times.append(os.stat(path).st_mtime)
    return max(times)


def outdated_variables(process: Process, variables: t.Mapping[str, str], changed: float) -> list[str]:
    """Return the names of variables that a start with ``variables``, from files ``changed`` then, would correct.

    A variable of Go that the files do not contain was removed from them if the process is older than they are. In a
    younger one it comes from elsewhere, such as a drop-in, and a restart would not remove it.
    """
    names = [name for name, value in variables.items() if process.environment.get(name) != value]
    older = process.started is not None and process.started < changed
    return names + sorted(process.environment.keys() & VARIABLES - variables.keys() if older else ())
