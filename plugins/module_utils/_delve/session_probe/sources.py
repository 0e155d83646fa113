# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The positions of breakpoints in Go sources: marker comments, and the function around a line."""

from __future__ import annotations

import os
import re
import typing as t

from ..._core.errors import DevserverError
from ..._host.files import read_text

_MARKER = re.compile(r"//\s*breakpoint:\s*(?P<name>\S.*)")
_FUNCTION = re.compile(
    r"func\s+(?:\(\s*(?:\w+\s+)?(?:(?P<pointer>\*)\s*)?(?P<receiver>\w+)\b[^)]*\)\s*)?(?P<name>\w+)\s*[\[(]",
)
_PACKAGE = re.compile(r"^package\s+(\w+)", re.MULTILINE)
_DIRECTIVE = re.compile(r"//line (?P<file>.*?):(?P<line>\d{1,9})(?::\d+)?\s*\Z")
# Directories that ./... does not include, and those of third parties.
_SKIPPED_DIRECTORIES = ("testdata", "vendor", "node_modules")
# The maximum number of Go files in a workspace that are searched for markers.
_MAXIMUM_FILES = 20_000


class SourcePosition(t.NamedTuple):
    """A line of a source file; lines count from 1."""

    file: str
    line: int


def find_markers_below(directory: str) -> dict[str, list[SourcePosition]]:
    """Return the positions of each marker in the Go files below ``directory``."""
    positions: dict[str, list[SourcePosition]] = {}
    for path in _find_go_files(directory):
        for name, line in parse_markers(read_text(path) or "").items():
            positions.setdefault(name, []).append(SourcePosition(path, line))
    return positions


def find_markers_in(directory: str, *, tests: bool) -> dict[str, SourcePosition]:
    """Return the markers in the Go files of ``directory`` itself, those of test files only with ``tests``."""
    positions = {}
    for name in sorted(os.listdir(directory)):
        if name.endswith(".go") and (tests or not name.endswith("_test.go")):
            path = os.path.join(directory, name)
            positions.update(
                {mark: SourcePosition(path, line) for mark, line in parse_markers(read_text(path) or "").items()}
            )
    return positions


def parse_markers(text: str) -> dict[str, int]:
    """Return the line of each marker ``// breakpoint: name``: its own line, or the next one that contains code."""
    positions = {}
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        match = _MARKER.search(line)
        if match:
            on_own_line = not line[: match.start()].strip()
            positions[match.group("name").rstrip()] = _next_code_line(lines, number) if on_own_line else number
    return positions


def find_enclosing_function(text: str, line: int) -> Function | None:
    """Return the function around a line in the format of gofmt: ``func`` and its last brace begin a line."""
    lines = text.split("\n")
    for number in range(min(line, len(lines)), 0, -1):
        match = _FUNCTION.match(lines[number - 1])
        if match:
            # A package may have several functions init, which dlv cannot find by name.
            return None if match.group("name") == "init" else Function(_qualified_name(text, match), number)
        if lines[number - 1].startswith("}") and number < line:
            return None
    return None


class LineDirective(t.NamedTuple):
    """A directive ``//line`` on a ``line`` of a source, and the position that it gives to a later line of that."""

    line: int
    position: SourcePosition


def find_line_directive(text: str, line: int, directory: str) -> LineDirective | None:
    """Return the directive that decides about a line of a source in ``directory``; None if there is none above it."""
    file, directive = "", None
    for number, content in enumerate(text.split("\n")[: line - 1], 1):
        match = _DIRECTIVE.match(content)
        if match:
            # Without a name, the directive is about the file of the previous one.
            file = os.path.normpath(os.path.join(directory, match.group("file"))) if match.group("file") else file
            directive = LineDirective(number, SourcePosition(file, int(match.group("line")) + line - number - 1))
    return directive


class Function(t.NamedTuple):
    """A function by its name in dlv, such as ``stock.(*Shelf).Take``, and its first line."""

    name: str
    line: int


def _qualified_name(text: str, match: t.Match[str]) -> str:
    package = _PACKAGE.search(text)
    parts = [package.group(1) if package else "main", match.group("name")]
    if match.group("receiver"):
        receiver = match.group("receiver")
        parts.insert(1, f"(*{receiver})" if match.group("pointer") else receiver)
    return ".".join(parts)


def _next_code_line(lines: t.Sequence[str], number: int) -> int:
    for following in range(number + 1, len(lines) + 1):
        code = lines[following - 1].strip()
        if code and not code.startswith("//"):
            return following
    return number


def _find_go_files(directory: str) -> list[str]:
    positions: list[str] = []
    for path, directories, files in os.walk(directory):
        directories[:] = sorted(
            name for name in directories if name[0] not in "._" and name not in _SKIPPED_DIRECTORIES
        )
        positions += [os.path.join(path, name) for name in sorted(files) if name.endswith(".go")]
        if len(positions) > _MAXIMUM_FILES:
            raise DevserverError(
                f"{directory} contains more than {_MAXIMUM_FILES} Go files",
                expected="the workspace of one service",
                remedy="set workspace to a smaller directory, or list each breakpoint with file and line",
            )
    return positions
