# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Go a workspace's files require: parses .go-version, go.mod and go.work."""

from __future__ import annotations

import re
import typing as t

_VERSION = re.compile(r"(?:go)?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9})|(beta|rc)(\d{1,9}))?(?:-[\w.+-]{1,100})?")
# What precedes a comment: quoted strings may hold slashes of their own.
_CODE = re.compile(r'(?:[^"`/]|"(?:\\.|[^"\\])*"|`[^`]*`|/(?!/))*')
_STAGES = {"beta": 1, "rc": 2}


class Requirement(t.NamedTuple):
    """One required version: ``directive`` is go, toolchain or version-file; ``version`` has no prefix ``go``."""

    directive: str
    version: str
    line: int


def version_key(version: str) -> tuple[int, ...]:
    """Return a key by which versions sort as Go does: 1.21 < 1.21rc1 < 1.21.0; raise ValueError for anything else."""
    match = _VERSION.fullmatch(version)
    if not match:
        raise ValueError("it is not a Go version")
    major, minor, patch, stage, number = match.groups()
    if stage:
        return int(major), int(minor), _STAGES[stage], int(number)
    return (int(major), int(minor), 0, 0) if patch is None else (int(major), int(minor), 3, int(patch))


def parse_version_file(text: str) -> list[Requirement]:
    """Return the version in a .go-version file; raise ValueError if its first line with content is none."""
    for number, line in enumerate(text.split("\n"), 1):
        version = line.partition("#")[0].strip()
        if version:
            return [_requirement("version-file", version, number)]
    raise ValueError("it names no Go version")


def parse_mod_file(text: str) -> list[Requirement]:
    """Return what the lines ``go`` and ``toolchain`` of a go.mod or go.work require, in their order.

    ``toolchain default`` requires nothing. Raises ValueError, with the line, for an invalid version.
    """
    requirements = []
    block = False
    for number, line in enumerate(text.split("\n"), 1):
        words = _words(line)
        if words and not block and words[0] in ("go", "toolchain") and words[1:] != ["default"]:
            requirements.append(_requirement(words[0], " ".join(words[1:]), number))
        block = words[-1:] == ["("] or (block and words != [")"])
    return requirements


def _words(line: str) -> list[str]:
    match = _CODE.match(line)
    code = match.group() if match else ""
    return re.sub(r"\($", " (", code.strip()).split()


def _requirement(directive: str, version: str, line: int) -> Requirement:
    try:
        version_key(version)
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from None
    return Requirement(directive, version[2:] if version.startswith("go") else version, line)
