# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the matrix from the observations, and from the files that go itself reads."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.go_variables import PERSISTENT_VARIABLES
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import BUILT_IN, PROCESS, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import (
    DIRECTORIES,
    FOLLOWS,
    Cell,
    in_order,
    plain_value,
    same_value,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.go_files import (
    mode_file,
    settings_in,
    telemetry_mode,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import TELEMETRY, WATCHED, Observation
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import goenv_file
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.go_command import NEEDS_C_COMPILER

# Not every file's assignments are known with their references filled in.
_REFERENCE = re.compile(r"[$@]\{[^}]*\}|\$\w+")


def cells(declaration: Declaration, observations: t.Sequence[Observation], go_version: str) -> list[Cell]:
    """Return the cells of all observations; ``go_version`` (such as ``1.22.12``) is the declared one."""
    return _with_conflicts([cell for seen in observations for cell in _Row(declaration, seen, go_version).cells()])


class _Row:
    """The cells of one observation."""

    def __init__(self, declaration: Declaration, seen: Observation, go_version: str) -> None:
        self._declaration = declaration
        self._seen = seen
        self._go_version = go_version
        self._environment = seen.environment or {}
        self._files = self._settings_files()

    def cells(self) -> t.Iterator[Cell]:
        expected = self._expected()
        if self._seen.context.gives_environment:
            yield self._path()
            yield self._go()
        for variable, value in expected.items():
            if self._seen.context.gives_environment or _is_go_variable(variable):
                yield self._variable(variable, value)

    def _expected(self) -> dict[str, str | None]:
        declared = self._seen.context.expected(self._seen.user)
        if not self._seen.context.asks_go:
            # What is neither declared nor given there is nobody's business: the other end has its own, and folders.
            given = [name for name in WATCHED if name in self._environment and name not in DIRECTORIES]
            return {**dict.fromkeys(given), **declared}
        version = f"go{self._go_version}" if self._go_version else None
        known = {"GOROOT": self._declaration.goroot, "GOVERSION": version, TELEMETRY: self._seen.user.telemetry or None}
        return {**dict.fromkeys(WATCHED), **declared, **known}

    def _cell(
        self, variable: str, expected: str | None, actual: str | None, status: str, sources: t.Sequence[Source]
    ) -> Cell:
        status = "unknown" if self._seen.environment is None else status
        source = sources[0] if sources and actual else None
        if not actual and status in ("missing", "drift"):
            source = self._taken_away(variable)
        return Cell(
            user=self._seen.user.account.name,
            context=self._seen.context.name,
            variable=variable,
            expected=expected,
            actual=actual,
            status=status,
            source=source,
            shadowed=[other for other in sources[1:] if other is not BUILT_IN],
            workspace=self._seen.workspace,
        )

    def _path(self) -> Cell:
        wanted, actual = self._seen.user.path, self._environment.get("PATH")
        status = "ok" if in_order(wanted, (actual or "").split(":")) else "drift"
        return self._cell("PATH", ":".join(wanted), actual, status, self._sources("PATH"))

    def _go(self) -> Cell:
        expected = os.path.join(self._declaration.goroot, "bin/go")
        found = self._seen.programs.get("go", [])
        actual = found[0] if found else None
        status = "missing" if actual is None else "ok" if _same_file(actual, expected) else "drift"
        status = status if self._seen.walked else "unknown"
        sources = [*self._sources("PATH")[:1], *(Source("file", path) for path in found[1:])]
        return self._cell("go", expected, actual, status, sources)

    def _variable(self, variable: str, expected: str | None) -> Cell:
        sources = self._sources(variable)
        actual = self._actual(variable)
        # What the process has itself counts whatever becomes of go.
        silent = self._is_gos(variable) and variable != TELEMETRY and not self._seen.go.values and not actual
        if silent or variable in self._seen.context.unknown:
            status = "unknown"
        elif expected is None:
            status = "unmanaged"
        elif not actual:
            status = "missing" if expected else "ok"
        else:
            status = "ok" if _same(variable, expected, actual) else "drift"
        return self._cell(variable, expected, actual, status, sources)

    def _actual(self, variable: str) -> str | None:
        value = self._environment.get(variable)
        if variable == TELEMETRY:
            return telemetry_mode(self._environment, self._seen.user.account) if self._environment else None
        if variable == "GOROOT" and value:
            return value  # Where it is wrong, go does not even answer.
        if not self._is_gos(variable):
            return value
        if not self._seen.go.values and variable not in NEEDS_C_COMPILER:
            return value or None
        # What go is not asked for, or is too old to know, it says nothing of: the process's other programs do know it.
        answer = self._seen.go.values.get(variable)
        return answer or value or self._persisted(variable) or answer

    def _persisted(self, variable: str) -> str | None:
        # As in _sources: of the files the stronger one, and of its lines the last one.
        values = (item.value for _path, items in self._files for item in reversed(items) if item.name == variable)
        return next(values, None)

    def _sources(self, variable: str) -> list[Source]:
        """Return the source of the value that won, then those of the values that lost, strongest first."""
        value = self._environment.get(variable)
        if variable == TELEMETRY:
            file = mode_file(self._environment, self._seen.user.account)
            return [Source("file", file, 1) if file else BUILT_IN]
        layers = self._assigned(variable, value) or ([PROCESS] if value else [])
        if self._is_gos(variable):
            # What is empty in the environment does not count for go.
            layers = layers if value else []
            for path, items in self._files:
                layers += [Source("file", path, item.line) for item in reversed(items) if item.name == variable]
            # What only follows another variable comes from where that one comes from.
            layers += self._sources(FOLLOWS[variable][0]) if variable in FOLLOWS and not layers else [BUILT_IN]
        return list(dict.fromkeys(layers))

    def _is_gos(self, variable: str) -> bool:
        """Return whether go's own answer is what counts for ``variable``."""
        return self._seen.context.asks_go and _is_go_variable(variable)

    def _assigned(self, variable: str, value: str | None) -> list[Source]:
        """Return where the start-up assigned the variable; first the last one that gave it the value it has.

        Where none did, the program that starts the process has; of PATH each assignment may have made a part.
        """
        found = [item for item in reversed(self._seen.assignments) if item.name == variable]
        winner = next((item for item in found if item.value == value), None)
        winner = winner or next((item for item in found if _may_become(item.value, value)), None)
        sources = [item.source for item in sorted(found, key=lambda item: item is not winner)]
        return [PROCESS, *sources] if value and found and not winner and variable != "PATH" else sources

    def _taken_away(self, variable: str) -> Source | None:
        """Return where the start-up unset the variable, or gave it no text."""
        found = [item for item in self._seen.assignments if item.name == variable]
        return found[-1].source if found and not found[-1].value else None

    def _settings_files(self) -> list[tuple[str, list[goenv_file.Setting]]]:
        """Return the two files that go reads itself, the stronger one first, with what is set in them."""
        answer = self._seen.go.values
        paths = [answer.get("GOENV", ""), os.path.join(answer.get("GOROOT", ""), "go.env")]
        return [(path, settings_in(path, self._seen.user.account)) for path in paths]


def _may_become(written: str, value: str | None) -> bool:
    """Return whether ``value`` may be what a file says that refers to other variables, as ``${HOME}/go`` does."""
    parts = _REFERENCE.split(written)
    return value is not None and len(parts) > 1 and value.startswith(parts[0]) and value.endswith(parts[-1])


def _is_go_variable(variable: str) -> bool:
    return variable in ("GOROOT", "GOVERSION", TELEMETRY) or variable in PERSISTENT_VARIABLES


def _same(variable: str, expected: str, actual: str) -> bool:
    return _same_file(expected, actual) if variable == "GOROOT" else same_value(variable, expected, actual)


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _with_conflicts(found: t.Sequence[Cell]) -> list[Cell]:
    values: dict[tuple[str, str], set[str | None]] = {}
    for cell in found:
        if cell.status == "unmanaged":
            values.setdefault((cell.user, cell.variable), set()).add(plain_value(cell.variable, cell.actual))
    return [
        dataclasses.replace(cell, status="conflict")
        if cell.status == "unmanaged" and len(values[cell.user, cell.variable]) > 1
        else cell
        for cell in found
    ]
