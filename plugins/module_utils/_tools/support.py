# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions of a tool support a Go: the known-good one, and whether a pinned one does."""

from __future__ import annotations

import re
import typing as t

from .._core.errors import DevserverError
from .known_good import PACKAGES, SETS, SUPPORT

_Version = t.Tuple[int, ...]


class _Support(t.NamedTuple):
    """The first Go and the last minor version of Go that a tool supports from ``since`` on; both empty: unknown."""

    since: str
    first: str = ""
    last: str = ""

    def supports(self, go: _Version) -> bool:
        return _numbers(self.first) <= go and (not self.last or go[:2] <= _numbers(self.last))

    def __str__(self) -> str:
        return f"Go {self.first} to {self.last}" if self.last else f"Go {self.first} or later"


def known_good(package: str, go: str) -> str:
    """Return the known-good version of ``package`` for ``go``; raise DevserverError if there is none."""
    name = _name(package)
    minor = ".".join(map(str, _go_version(go)[:2]))
    if name in SETS.get(minor, {}):
        return SETS[minor][name]
    raise DevserverError(
        f"{package} is declared without a version, and there is no known-good one for {go}",
        expected="a version, or one of {} with a Go of {} to {}".format(", ".join(PACKAGES), min(SETS), max(SETS)),
        remedy=f"declare a version of {package}",
    )


def incompatibility(package: str, version: str, go: str) -> str:
    """Return why ``package`` at ``version`` does not support ``go``; an empty text if it does, or if unknown."""
    name, pinned, present = _name(package), re.match(r"v(\d+\.\d+\.\d+)", version), _go_version(go)
    if not name or not pinned or not present:
        return ""
    table = [_Support(*line) for line in SUPPORT[name]]
    known = [line for line in table if _numbers(line.since) <= _numbers(pinned.group(1))]
    if not known or not known[-1].first or known[-1].supports(present):
        return ""
    matching = _versions(name, table, present)
    return f"{name} {version} supports {known[-1]}, but {go} builds it; {go} is supported by {matching}"


def _versions(name: str, table: t.Sequence[_Support], go: _Version) -> str:
    """Return in words the versions of a tool that support ``go``."""
    matching = [line for line in table if line.first and line.supports(go)]
    if not matching:
        return f"no known {name}"
    following = table[table.index(matching[-1]) + 1 :]
    return f"{name} v{matching[0].since} or later" + (f", before v{following[0].since}" if following else "")


def _name(package: str) -> str:
    return next((name for name, known in PACKAGES.items() if known == package), "")


def _go_version(go: str) -> _Version:
    """Return the three numbers of a release or candidate of Go; an empty tuple for anything else."""
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", go)
    return tuple(int(number or 0) for number in match.groups()) if match else ()


def _numbers(version: str) -> _Version:
    return tuple(map(int, version.split(".")))
