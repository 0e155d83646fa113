# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the matrix from the observations, and from the files that go itself reads."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import typing as t

from ..._core.go_variables import PERSISTENT_VARIABLES
from ..._core.provenance import BUILT_IN, Source
from ..._environment import goenv_file
from ..._environment.declaration import Declaration
from ..._environment.go_command import NEEDS_C_COMPILER
from ..._host.reading_limit import reading
from ..cells import DIRECTORIES, FOLLOWS, Cell, in_order, plain_value, same_value
from ..records.observation import TELEMETRY, WATCHED, Observation
from .go_files import mode_file, settings_in, telemetry_mode

# The assignments of some files are known only with their references. One without an end is the rest of the text: a
# search for it from each of many beginnings would take quadratic time.
_REFERENCE = re.compile(r"[$@]\{[^}]*\}?|\$\w+")


def cells(declaration: Declaration, observations: t.Sequence[Observation], go_version: str) -> list[Cell]:
    """Return the cells of all observations; ``go_version`` (such as ``1.22.12``) is the declared one."""
    return _with_conflicts(
        [cell for observation in observations for cell in _Row(declaration, observation, go_version).cells()]
    )


class _Row:
    """The cells of one observation."""

    def __init__(self, declaration: Declaration, observation: Observation, go_version: str) -> None:
        self._declaration = declaration
        self._observation = observation
        self._go_version = go_version
        self._environment = observation.environment or {}
        self._files = self._settings_files()

    def cells(self) -> t.Iterator[Cell]:
        expected = self._expected()
        if self._observation.context.gives_environment:
            yield self._path()
            yield self._go()
        for variable, value in expected.items():
            if self._observation.context.gives_environment or _is_go_variable(variable):
                yield self._variable(variable, value)

    def _expected(self) -> dict[str, str | None]:
        declared = self._observation.context.expected(self._observation.user)
        if not self._observation.context.on_this_host:
            # A variable that is neither declared nor set there is not compared: the other side has its own directories.
            names = [name for name in WATCHED if name in self._environment and name not in DIRECTORIES]
            return {**dict.fromkeys(names), **declared}
        version = f"go{self._go_version}" if self._go_version else None
        known = {
            "GOROOT": self._declaration.goroot,
            "GOVERSION": version,
            TELEMETRY: self._observation.user.telemetry or None,
        }
        return {**dict.fromkeys(WATCHED), **declared, **known}

    def _cell(
        self, variable: str, expected: str | None, actual: str | None, status: str, sources: t.Sequence[Source]
    ) -> Cell:
        status = "unknown" if self._observation.environment is None else status
        source = sources[0] if sources and actual else None
        if not actual and status in ("missing", "drift"):
            source = self._removed_at(variable)
        return Cell(
            user=self._observation.user.account.name,
            context=self._observation.context.name,
            variable=variable,
            expected=expected,
            actual=actual,
            status=status,
            source=source,
            shadowed=[other for other in sources[1:] if other is not BUILT_IN],
            workspace=self._observation.workspace,
        )

    @property
    def _given_by(self) -> Source:
        """The source of a value that no file gives."""
        return self._observation.given_by or self._observation.context.given_by

    def _path(self) -> Cell:
        expected, actual = self._observation.user.path, self._environment.get("PATH")
        status = "ok" if in_order(expected, (actual or "").split(":")) else "drift"
        return self._cell("PATH", ":".join(expected), actual, status, self._sources("PATH"))

    def _go(self) -> Cell:
        expected = os.path.join(self._declaration.goroot, "bin/go")
        paths = self._observation.programs.get("go", [])
        actual = paths[0] if paths else None
        status = "missing" if actual is None else "ok" if self._is_same_file(actual, expected) else "drift"
        status = status if self._observation.walked else "unknown"
        by = self._observation.source_before(os.path.dirname(actual), self._observation.user.path) if actual else None
        sources = [*([by] if by else self._sources("PATH")[:1]), *(Source("file", path) for path in paths[1:])]
        return self._cell("go", expected, actual, status, sources)

    def _variable(self, variable: str, expected: str | None) -> Cell:
        sources = self._sources(variable)
        actual = self._actual(variable)
        # A value of the process itself counts, even if go fails.
        silent = self._is_gos(variable) and variable != TELEMETRY and not self._observation.go.values and not actual
        if silent or variable in self._observation.context.unknown:
            status = "unknown"
        elif expected is None:
            status = "unmanaged"
        elif not actual:
            status = "missing" if expected else "ok"
        else:
            same = self._is_same_file if variable == "GOROOT" else functools.partial(same_value, variable)
            status = "ok" if same(expected, actual) else "drift"
        return self._cell(variable, expected, actual, status, sources)

    def _is_same_file(self, path: str, other: str) -> bool:
        with reading(self._observation.user.account):
            return os.path.realpath(path) == os.path.realpath(other)

    def _actual(self, variable: str) -> str | None:
        value = self._environment.get(variable)
        if variable == TELEMETRY:
            return telemetry_mode(self._environment, self._observation.user.account) if self._environment else None
        if variable == "GOROOT" and value:
            return value  # With a wrong one, go fails and reports nothing.
        if not self._is_gos(variable):
            return value
        if not self._observation.go.values and variable not in NEEDS_C_COMPILER:
            return value or None
        # go does not report variables that it is too old to know; other programs of the process still read them.
        reported = self._observation.go.values.get(variable)
        return reported or value or self._persisted(variable) or reported

    def _persisted(self, variable: str) -> str | None:
        # As in _sources: the stronger file, and its last line.
        values = (item.value for _path, items in self._files for item in reversed(items) if item.name == variable)
        return next(values, None)

    def _sources(self, variable: str) -> list[Source]:
        """Return the source of the value that won, then those of the values that lost, strongest first."""
        value = self._environment.get(variable)
        if variable == TELEMETRY:
            file = mode_file(self._environment, self._observation.user.account)
            return [Source("file", file, 1) if file else BUILT_IN]
        layers = self._assigned(variable, value) or ([self._given_by] if value else [])
        if self._is_gos(variable):
            # go ignores an empty value in the environment.
            layers = layers if value else []
            for path, items in self._files:
                layers += [Source("file", path, item.line) for item in reversed(items) if item.name == variable]
            # A value that follows another variable has the source of that one.
            layers += self._sources(FOLLOWS[variable][0]) if variable in FOLLOWS and not layers else [BUILT_IN]
        return list(dict.fromkeys(layers))

    def _is_gos(self, variable: str) -> bool:
        """Return whether go itself decides the value of ``variable``."""
        return self._observation.context.on_this_host and _is_go_variable(variable)

    def _assigned(self, variable: str, value: str | None) -> list[Source]:
        """Return the sources of the startup's assignments; first that of the last one with the present value.

        Without such an assignment, the program that starts the process has set it. Any assignment may add to PATH.
        """
        assignments = [item for item in reversed(self._observation.assignments) if item.name == variable]
        winner = next((item for item in assignments if item.value == value), None)
        winner = winner or next((item for item in assignments if _may_become(item.value, value)), None)
        sources = [item.source for item in sorted(assignments, key=lambda item: item is not winner)]
        elsewhere = value and assignments and not winner and variable != "PATH"
        return [self._given_by, *sources] if elsewhere else sources

    def _removed_at(self, variable: str) -> Source | None:
        """Return the line that unsets the variable or sets it to an empty value."""
        assignments = [item for item in self._observation.assignments if item.name == variable]
        return assignments[-1].source if assignments and not assignments[-1].value else None

    def _settings_files(self) -> list[tuple[str, list[goenv_file.GoenvSetting]]]:
        """Return the two files that go itself reads, the stronger one first, with their settings."""
        values = self._observation.go.values
        paths = [values.get("GOENV", ""), os.path.join(values.get("GOROOT", ""), "go.env")]
        return [(path, settings_in(path, self._observation.user.account)) for path in paths]


def _may_become(written: str, value: str | None) -> bool:
    """Return whether ``value`` may result from a text with references to other variables, such as ``${HOME}/go``."""
    parts = _REFERENCE.split(written)
    return value is not None and len(parts) > 1 and value.startswith(parts[0]) and value.endswith(parts[-1])


def _is_go_variable(variable: str) -> bool:
    return variable in ("GOROOT", "GOVERSION", TELEMETRY) or variable in PERSISTENT_VARIABLES


def _with_conflicts(all_cells: t.Sequence[Cell]) -> list[Cell]:
    values: dict[tuple[str, str], set[str | None]] = {}
    for cell in all_cells:
        if cell.status == "unmanaged":
            values.setdefault((cell.user, cell.variable), set()).add(plain_value(cell.variable, cell.actual))
    return [
        dataclasses.replace(cell, status="conflict")
        if cell.status == "unmanaged" and len(values[cell.user, cell.variable]) > 1
        else cell
        for cell in all_cells
    ]
