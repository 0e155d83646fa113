# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix: one cell for each user, context and variable, with the file and line its value came from."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.provenance import Source
from .._core.redaction import masked_by_name
from .._environment.declaration import DIRECTORY_VARIABLES
from .finding import shortened

DIRECTORIES = (*DIRECTORY_VARIABLES, "GOTMPDIR")
# Variables that follow another one if they are not set, with the path below it.
FOLLOWS = {"GONOPROXY": ("GOPRIVATE", ""), "GONOSUMDB": ("GOPRIVATE", ""), "GOMODCACHE": ("GOPATH", "/pkg/mod")}

# Characters; a PATH may be longer than other values.
_LONGEST_CELL = 2000


@dataclasses.dataclass(frozen=True)
class Cell:
    """One value.

    ``status`` is ``ok``, ``drift`` (differs from the declaration), ``missing``, ``conflict`` (not declared, and
    different in the user's contexts), ``unmanaged`` (not declared) or ``unknown`` (could not be read). ``source`` is
    None if there is no value.
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
        """The context, with its workspace if it has one."""
        return f"{self.context} of {self.workspace}" if self.workspace else self.context

    @property
    def state(self) -> str:
        """The value with its source, as in the cause of a finding."""
        if self.actual:
            by = f" (by {self.source.by})" if self.source and self.source.by else ""
            return f"{self.variable} is {shortened(masked_by_name(self.variable, self.actual))}, from {self.source}{by}"
        removed = f", because {self.source} removes it" if self.source else ""
        return f"{self.variable} is not set{removed}"

    def result(self) -> dict[str, t.Any]:
        return {
            "user": self.user,
            "context": self.context,
            "workspace": self.workspace,
            "variable": shortened(self.variable),
            "expected": self.expected and shortened(masked_by_name(self.variable, self.expected), _LONGEST_CELL),
            "actual": self.actual and shortened(masked_by_name(self.variable, self.actual), _LONGEST_CELL),
            "status": self.status,
            "source": self.source and self.source._asdict(),
            "shadowed": [source._asdict() for source in self.shadowed],
        }


def same_value(variable: str, value: str | None, other: str | None) -> bool:
    """Return whether two values are equivalent: additional slashes in a path do not change the directory."""
    return plain_value(variable, value) == plain_value(variable, other)


def plain_value(variable: str, value: str | None) -> str | None:
    return ":".join(map(plain_path, value.split(":"))) if value and variable in DIRECTORIES else value


def plain_path(path: str) -> str:
    """Return an absolute path without redundant parts. Links are not resolved, so ``..`` stays."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", ".")) if path[:1] == "/" else path


def follows(cell: Cell, others: t.Mapping[str, Cell]) -> bool:
    """Return whether go derives a value from another variable, which is in ``others``."""
    leader, below = FOLLOWS.get(cell.variable, ("", ""))
    value = others[leader].actual if leader in others else None
    return bool(leader) and (cell.actual or "") == (value + below if value else "")


def in_order(expected: t.Sequence[str], entries: t.Sequence[str]) -> bool:
    """Return whether ``entries`` contain ``expected`` in that order; others may be between."""
    present = list(map(plain_path, entries))
    required = dict.fromkeys(map(plain_path, expected))
    positions = [present.index(directory) if directory in present else -1 for directory in required]
    return -1 not in positions and positions == sorted(positions)
