# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where breakpoints belong in Go sources: marker comments, and the function around a line."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text

_MARKER = re.compile(r"//\s*breakpoint:\s*(?P<name>\S.*?)\s*$")
_FUNCTION = re.compile(
    r"func\s+(?:\(\s*(?:\w+\s+)?(?P<pointer>\*?)\s*(?P<receiver>\w+)[^)]*\)\s*)?(?P<name>\w+)\s*[\[(]",
)
_PACKAGE = re.compile(r"^package\s+(\w+)", re.MULTILINE)
# What go itself leaves out of ./... , and what is somebody else's.
_PASSED_OVER = ("testdata", "vendor", "node_modules")
# Go files of a workspace that are looked through; more than any that a person keeps open at a time.
_MOST_FILES = 20_000


class Place(t.NamedTuple):
    """A line of a source file; lines count from 1."""

    file: str
    line: int


def markers_below(folder: str) -> dict[str, list[Place]]:
    """Return the places of each marker in the Go files below ``folder``."""
    found: dict[str, list[Place]] = {}
    for path in _go_files(folder):
        for name, line in markers(read_text(path) or "").items():
            found.setdefault(name, []).append(Place(path, line))
    return found


def markers_in(folder: str, *, tests: bool) -> dict[str, Place]:
    """Return the markers in the Go files that lie in ``folder`` itself, those of test files only with ``tests``."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".go") and (tests or not name.endswith("_test.go")):
            path = os.path.join(folder, name)
            found.update({mark: Place(path, line) for mark, line in markers(read_text(path) or "").items()})
    return found


def markers(text: str) -> dict[str, int]:
    """Return the line that each ``// breakpoint: name`` means: its own, or that of the next code where it has none."""
    found = {}
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        match = _MARKER.search(line)
        if match:
            alone = not line[: match.start()].strip()
            found[match.group("name")] = _next_code(lines, number) if alone else number
    return found


def function_around(text: str, line: int) -> Function | None:
    """Return the function that holds a line, as gofmt lays it out: ``func`` and its last brace begin a line."""
    lines = text.split("\n")
    for number in range(min(line, len(lines)), 0, -1):
        match = _FUNCTION.match(lines[number - 1])
        if match:
            # A package has as many functions init as it likes, and none can be asked for by this name.
            return None if match.group("name") == "init" else Function(_name(text, match), number)
        if lines[number - 1].startswith("}") and number < line:
            return None
    return None


class Function(t.NamedTuple):
    """A function as dlv calls it, ``stock.(*Shelf).Take``, and the line on which it begins."""

    name: str
    line: int


def _name(text: str, match: t.Match[str]) -> str:
    package = _PACKAGE.search(text)
    words = [package.group(1) if package else "main", match.group("name")]
    if match.group("receiver"):
        receiver = match.group("receiver")
        words.insert(1, f"(*{receiver})" if match.group("pointer") else receiver)
    return ".".join(words)


def _next_code(lines: t.Sequence[str], number: int) -> int:
    for following in range(number + 1, len(lines) + 1):
        code = lines[following - 1].strip()
        if code and not code.startswith("//"):
            return following
    return number


def _go_files(folder: str) -> list[str]:
    found: list[str] = []
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] not in "._" and name not in _PASSED_OVER)
        found += [os.path.join(path, name) for name in sorted(files) if name.endswith(".go")]
        if len(found) > _MOST_FILES:
            raise DevserverError(
                f"{folder} holds more than {_MOST_FILES} Go files",
                expected="the workspace of one service",
                remedy="name a smaller folder, or each breakpoint's file and line",
            )
    return found
