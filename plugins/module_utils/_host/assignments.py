# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The assignments in the lines of a file."""

from __future__ import annotations

import re
import typing as t

from .._core.provenance import Assignment, Source
from .files import numbered_lines


def find_assignments(
    text: str | None, path: str, pattern: re.Pattern[str], decoded: t.Callable[[str], str]
) -> list[Assignment]:
    """Return the assignments in the lines of ``text`` that match a pattern with the groups ``name`` and ``value``.

    None is a missing file. ``decoded`` returns the value of a text as it is written.
    """
    matches = ((number, pattern.match(line)) for number, line in numbered_lines(text or ""))
    lines = [(match["name"], match["value"], number) for number, match in matches if match]
    return [Assignment(name, decoded(value), Source("file", path, number)) for name, value, number in lines]
