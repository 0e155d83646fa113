# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix: one cell for each user, context and variable, with the file and line its value came from."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils import goenv_file
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.observe import WATCHED, Observation
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils.go_command import COSTLY
from ansible_collections.gopherops.devserver.plugins.module_utils.redaction import redacted
from ansible_collections.gopherops.devserver.plugins.module_utils.sources import BUILT_IN, PROCESS, Source


@dataclasses.dataclass(frozen=True)
class Cell:
    """One value.

    ``status`` is ``ok``, ``drift`` (differs from the declaration), ``missing``, ``conflict`` (not declared, and the
    user's contexts disagree), ``unmanaged`` (not declared) or ``unknown`` (could not be found out).
    """

    user: str
    context: str
    variable: str
    expected: str | None
    actual: str | None
    status: str
    source: Source
    shadowed: t.Sequence[Source] = ()

    def result(self) -> dict[str, t.Any]:
        return dict(
            dataclasses.asdict(self),
            expected=self.expected and redacted(self.expected),
            actual=self.actual and redacted(self.actual),
            source=self.source._asdict(),
            shadowed=[source._asdict() for source in self.shadowed],
        )


def cells(declaration: Declaration, observations: t.Sequence[Observation], go_version: str) -> list[Cell]:
    """Return the cells of all observations; ``go_version`` (such as ``1.22.12``) is the declared one."""
    found = [cell for seen in observations for cell in _row(declaration, seen, go_version)]
    return [_with_conflict(cell, found) for cell in found]


def _row(declaration: Declaration, seen: Observation, go_version: str) -> t.Iterator[Cell]:
    expected: dict[str, str | None] = dict.fromkeys(WATCHED)
    expected.update(seen.user.variables)
    expected.update(GOROOT=declaration.goroot, GOVERSION="go" + go_version if go_version else None)
    if seen.context.gives_environment:
        yield _path_cell(seen)
        yield _go_cell(declaration, seen)
    for variable, value in expected.items():
        if seen.context.gives_environment or _is_gos_own(variable):
            yield _variable_cell(seen, variable, value)


def _is_gos_own(variable: str) -> bool:
    return variable in ("GOROOT", "GOVERSION") or variable in goenv_file.PERSISTENT_VARIABLES


def _variable_cell(seen: Observation, variable: str, expected: str | None) -> Cell:
    source, shadowed = _sources(seen, variable)
    actual = _actual(seen, variable)
    if seen.environment is None or (_is_gos_own(variable) and not seen.answer):
        status = "unknown"
    elif expected is None:
        status = "unmanaged"
    elif not actual:
        status = "missing" if expected else "ok"
    else:
        status = "ok" if _same(variable, expected, actual) else "drift"
    return Cell(seen.user.account.name, seen.context.name, variable, expected, actual, status, source, shadowed)


def _actual(seen: Observation, variable: str) -> str | None:
    if _is_gos_own(variable) and variable not in COSTLY:
        return seen.answer.get(variable)
    value = (seen.environment or {}).get(variable)
    if value or variable not in COSTLY:
        return value
    persisted = [item.value for item in _settings(seen.answer.get("GOENV", "")) if item.name == variable]
    return persisted[-1] if persisted else None


def _same(variable: str, expected: str, actual: str) -> bool:
    if variable == "GOROOT":
        return os.path.realpath(expected) == os.path.realpath(actual)
    return expected == actual


def _path_cell(seen: Observation) -> Cell:
    expected = ":".join(seen.user.path)
    actual = (seen.environment or {}).get("PATH")
    source, shadowed = _sources(seen, "PATH")
    status = "unknown" if actual is None else "ok" if _in_order(seen.user.path, actual.split(":")) else "drift"
    return Cell(seen.user.account.name, seen.context.name, "PATH", expected, actual, status, source, shadowed)


def _in_order(wanted: t.Sequence[str], entries: t.Sequence[str]) -> bool:
    """Return whether ``wanted`` stand in ``entries`` in that order; others may lie between."""
    positions = [entries.index(directory) if directory in entries else -1 for directory in dict.fromkeys(wanted)]
    return -1 not in positions and positions == sorted(positions)


def _go_cell(declaration: Declaration, seen: Observation) -> Cell:
    expected = os.path.join(declaration.goroot, "bin/go")
    actual = seen.go[0] if seen.go else None
    if seen.environment is None:
        status = "unknown"
    elif actual is None:
        status = "missing"
    else:
        status = "ok" if os.path.realpath(actual) == os.path.realpath(expected) else "drift"
    source, _shadowed = _sources(seen, "PATH")
    others = [Source("file", path) for path in seen.go[1:]]
    return Cell(seen.user.account.name, seen.context.name, "go", expected, actual, status, source, others)


def _sources(seen: Observation, variable: str) -> tuple[Source, list[Source]]:
    """Return the source of the value that won, and those of the values that lost, strongest first."""
    layers = [item.source for item in reversed(seen.assignments) if item.name == variable]
    if not layers and (seen.environment or {}).get(variable):
        layers = [PROCESS]
    if _is_gos_own(variable):
        if not (seen.environment or {}).get(variable):
            layers = []  # What is empty in the environment does not count for go.
        layers += _lines(seen.answer.get("GOENV", ""), variable)
        layers += _lines(os.path.join(seen.answer.get("GOROOT", ""), "go.env"), variable)
        layers.append(BUILT_IN)
    distinct = list(dict.fromkeys(layers)) or [PROCESS]
    return distinct[0], [source for source in distinct[1:] if source is not BUILT_IN]


def _lines(path: str, variable: str) -> list[Source]:
    return [Source("file", path, item.line) for item in reversed(_settings(path)) if item.name == variable]


def _settings(path: str) -> list[goenv_file.Setting]:
    try:
        return goenv_file.settings(read_text(path) or "") if path not in ("", "off") else []
    except DevserverError:
        return []  # go cannot read it either, and takes nothing from it.


def _with_conflict(cell: Cell, everything: t.Sequence[Cell]) -> Cell:
    if cell.status != "unmanaged":
        return cell
    values = {
        other.actual
        for other in everything
        if (other.user, other.variable, other.status) == (cell.user, cell.variable, "unmanaged")
    }
    return dataclasses.replace(cell, status="conflict") if len(values) > 1 else cell
