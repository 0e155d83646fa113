# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of systemd's environment files: systemd.exec(5) for ``EnvironmentFile=``, and environment.d(5)."""

from __future__ import annotations

import re
import typing as t

from .._core.provenance import Assignment
from .._host.assignments import find_assignments
from .._host.files import read_text
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
