# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix: one cell for each user, context and variable, with the file and line its value came from."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import redacted
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import DIRECTORY_VARIABLES

DIRECTORIES = (*DIRECTORY_VARIABLES, "GOTMPDIR")
# Where nobody sets them, go answers with another variable's value, and what is below that.
FOLLOWS = {"GONOPROXY": ("GOPRIVATE", ""), "GONOSUMDB": ("GOPRIVATE", ""), "GOMODCACHE": ("GOPATH", "/pkg/mod")}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One value.

    ``status`` is ``ok``, ``drift`` (differs from the declaration), ``missing``, ``conflict`` (not declared, and the
    user's contexts disagree), ``unmanaged`` (not declared) or ``unknown`` (could not be found out). ``source`` is None
    where there is no value.
    """

    user: str
    context: str
    variable: str
    expected: str | None
    actual: str | None
    status: str
    source: Source | None
    shadowed: t.Sequence[Source] = ()
    workspace: str = ""

    @property
    def place(self) -> str:
        """The context, and which of several, in words."""
        return f"{self.context} of {self.workspace}" if self.workspace else self.context

    def result(self) -> dict[str, t.Any]:
        return dict(
            dataclasses.asdict(self),
            expected=self.expected and redacted(self.expected),
            actual=self.actual and redacted(self.actual),
            source=self.source and self.source._asdict(),
            shadowed=[source._asdict() for source in self.shadowed],
        )


def same_value(variable: str, one: str | None, other: str | None) -> bool:
    """Return whether two values mean the same: a slash more, within a path or behind it, makes no other directory."""
    return plain_value(variable, one) == plain_value(variable, other)


def plain_value(variable: str, value: str | None) -> str | None:
    return ":".join(map(plain_path, value.split(":"))) if value and variable in DIRECTORIES else value


def plain_path(path: str) -> str:
    """Return an absolute path without what says nothing; links are not looked at, so that ``..`` stays."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", ".")) if path[:1] == "/" else path


def follows(cell: Cell, others: t.Mapping[str, Cell]) -> bool:
    """Return whether a value is only what go makes of another variable's, which stands in ``others``."""
    leader, below = FOLLOWS.get(cell.variable, ("", ""))
    value = others[leader].actual if leader in others else None
    return bool(leader) and (cell.actual or "") == (value + below if value else "")


def in_order(wanted: t.Sequence[str], entries: t.Sequence[str]) -> bool:
    """Return whether ``wanted`` stand in ``entries`` in that order; others may lie between."""
    present = list(map(plain_path, entries))
    asked = dict.fromkeys(map(plain_path, wanted))
    positions = [present.index(directory) if directory in present else -1 for directory in asked]
    return -1 not in positions and positions == sorted(positions)
