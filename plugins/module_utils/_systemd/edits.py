# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums at the end of a rendered unit, by which a line that was edited on the host is found."""

from __future__ import annotations

import difflib
import typing as t
import zlib

from .._host.files import split_lines

_MARK = "# Checksums of the lines, for the drift report: "


def sealed(text: str) -> str:
    """Return the ``text`` of a unit with the checksums of its lines."""
    checksums = (_checksum(line) for _number, line in _effective(split_lines(text)))
    return f"{text}{_MARK}{' '.join(checksums)}\n"


def edits_in(lines: t.Sequence[str]) -> list[tuple[int, str]]:
    """Return the number and the text of each line that differs from the rendered ones.

    The text is empty where a line is missing after the one with the number. A file without checksums has no edits.
    """
    mark = next((line for line in lines if line.startswith(_MARK)), None)
    if mark is None:
        return []
    numbered = list(_effective(lines))
    checksums = [_checksum(line) for _number, line in numbered]
    matcher = difflib.SequenceMatcher(None, mark[len(_MARK) :].split(), checksums, autojunk=False)
    edits: list[tuple[int, str]] = []
    for kind, _before, _after, begin, end in matcher.get_opcodes():
        if kind == "delete":
            edits.append((numbered[begin - 1][0] if begin else 1, ""))
        elif kind != "equal":
            edits += [(number, line.strip()) for number, line in numbered[begin:end]]
    return edits


def _effective(lines: t.Iterable[str]) -> t.Iterator[tuple[int, str]]:
    """Yield the lines that are neither empty nor a comment, with their numbers."""
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip() and line.lstrip()[0] not in "#;")


def _checksum(line: str) -> str:
    return f"{zlib.crc32(line.encode()):08x}"
