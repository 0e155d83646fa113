# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of a tool goes with a Go: the known-good one, and whether a pinned one is for that Go at all."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.known_good import PACKAGES, SETS, SUPPORT

_Version = t.Tuple[int, ...]


class _Support(t.NamedTuple):
    """From which version of a tool on: the first Go and the last minor of Go that it takes; both empty: unknown."""

    since: str
    first: str
    last: str

    def takes(self, go: _Version) -> bool:
        return _numbers(self.first) <= go and (not self.last or go[:2] <= _numbers(self.last))

    def __str__(self) -> str:
        return f"Go {self.first} to {self.last}" if self.last else f"Go {self.first} or later"


def known_good(package: str, go: str) -> str:
    """Return the version of ``package`` that is known to go with ``go``; raise DevserverError where none is."""
    name = _name(package)
    minor = ".".join(map(str, _go_version(go)[:2]))
    if name in SETS.get(minor, {}):
        return SETS[minor][name]
    raise DevserverError(
        f"{package} is declared without a version, and there is no known-good one for {go}",
        expected="a version, or one of {} with a Go of {} to {}".format(", ".join(PACKAGES), min(SETS), max(SETS)),
        remedy="write the key version",
    )


def reservation(package: str, version: str, go: str) -> str:
    """Return why ``package`` at ``version`` will not do for ``go``, or nothing where nothing is known against it."""
    name, wanted, present = _name(package), re.match(r"v(\d+\.\d+\.\d+)", version), _go_version(go)
    if not name or not wanted or not present:
        return ""
    table = [_Support(*line) for line in SUPPORT[name]]
    known = [line for line in table if _numbers(line.since) <= _numbers(wanted.group(1))]
    if not known or not known[-1].first or known[-1].takes(present):
        return ""
    return f"{name} {version} takes {known[-1]}, and {go} builds it; {go} goes with {_versions(name, table, present)}"


def _versions(name: str, table: t.Sequence[_Support], go: _Version) -> str:
    """Return in words which versions of a tool take ``go``."""
    fit = [line for line in table if line.first and line.takes(go)]
    if not fit:
        return f"no {name} known here"
    following = table[table.index(fit[-1]) + 1 :]
    return f"{name} v{fit[0].since} or later" + (f", before v{following[0].since}" if following else "")


def _name(package: str) -> str:
    return next((name for name, known in PACKAGES.items() if known == package), "")


def _go_version(go: str) -> _Version:
    """Return the numbers of a release or candidate of Go, always three; none where it is something else."""
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", go)
    return tuple(int(number or 0) for number in match.groups()) if match else ()


def _numbers(version: str) -> _Version:
    return tuple(map(int, version.split(".")))
