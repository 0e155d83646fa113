# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of this host's units in systemd, and the lines of their files."""

from __future__ import annotations

import contextlib
import re
import typing as t

from .._core.errors import DevserverError
from .._core.provenance import Source
from .._host.files import numbered_lines, read_text
from . import back_off
from .edits import edits_in
from .systemctl import properties_of

_ALWAYS = (*back_off.PROPERTIES, "Result", "FragmentPath", "DropInPaths")

# Directives that change nothing about how a unit runs.
_TEXTS = ("Description", "Documentation")
# Where administrators put units; those of packages are in other directories.
_OF_ADMINISTRATORS = ("/etc/", "/run/")
_DIRECTIVE = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)\s*=(.*)")


class Override(t.NamedTuple):
    """A directive in a drop-in, or a whole unit file in the place of the rendered one, which has no ``directive``.

    If it is ``edited``, it is a line of a rendered file, or the lack of one after ``source``, without ``directive``.
    """

    source: Source
    directive: str
    edited: bool = False


class State(t.NamedTuple):
    """The properties of one unit, by name; texts as ``systemctl show`` writes them.

    ``failure`` is that after which systemd starts the unit again, None if it does not.
    """

    values: t.Mapping[str, str]
    failure: back_off.Failure | None = None

    @property
    def active(self) -> bool:
        return self.values.get("ActiveState") == "active"

    @property
    def failed(self) -> bool:
        """Whether it has failed, or is started again after a failure."""
        waits = self.values.get("SubState") == "auto-restart" and self.result != "success"
        return waits or self.failure is not None or self.values.get("ActiveState") == "failed"

    @property
    def result(self) -> str:
        return self.failure.result if self.failure else self.values.get("Result", "")

    @property
    def files(self) -> list[str]:
        """The unit's files, those that win first."""
        return [*reversed(self.values.get("DropInPaths", "").split()), *self.values.get("FragmentPath", "").split()]

    @property
    def source(self) -> Source | None:
        """The unit's own file; None for a unit without one."""
        path = self.values.get("FragmentPath")
        return Source("file", path) if path else None

    def overrides(self, rendered_files: t.Container[str]) -> list[Override]:
        """Return the directives that an administrator has added to the unit, or edited in its rendered files."""
        fragment = self.values.get("FragmentPath", "")
        overrides = []
        if fragment.startswith(_OF_ADMINISTRATORS) and fragment not in rendered_files:
            overrides.append(Override(Source("file", fragment), ""))
        rendered = {line.strip() for line in lines_of(fragment)}
        for path in self.values.get("DropInPaths", "").split():
            if path.startswith(_OF_ADMINISTRATORS) and path not in rendered_files:
                overrides += [override for override in _directives_in(path) if override.directive not in rendered]
        rendered_of_unit = [path for path in self.files if path in rendered_files]
        return overrides + [edit for path in rendered_of_unit for edit in edits_of(path)]

    def line(self, beginning: str) -> Source | None:
        """Return the last line of the unit's files that matches ``beginning`` at its start, else its own file."""
        for path in self.files:
            lines = lines_of(path)
            numbers = [number for number, line in enumerate(lines, 1) if re.match(beginning, line)]
            if numbers:
                return Source("file", path, numbers[-1])
        return self.source


def edits_of(path: str) -> list[Override]:
    """Return the lines of a rendered file that were edited on the host."""
    return [Override(Source("file", path, number), line, edited=True) for number, line in edits_in(lines_of(path))]


def _directives_in(path: str) -> t.Iterator[Override]:
    for number, line in enumerate(lines_of(path), 1):
        match = _DIRECTIVE.match(line)
        if match and match.group(1) not in _TEXTS:
            yield Override(Source("file", path, number), line.strip())


def states_of(units: t.Sequence[str], properties: t.Sequence[str] = ()) -> dict[str, State]:
    """Return the state of each unit; empty if systemd does not respond."""
    with contextlib.suppress(DevserverError):
        by_unit = properties_of(units, [*_ALWAYS, *properties])
        return {unit: State(values, back_off.pending_failure(unit, values)) for unit, values in by_unit.items()}
    return {}


def settings_in(path: str) -> dict[str, str]:
    """Return the last value of each directive in the file of a unit."""
    matches = filter(None, map(_DIRECTIVE.match, lines_of(path)))
    return {match.group(1): match.group(2).strip() for match in matches}


def lines_of(path: str) -> list[str]:
    """Return the lines of a file; none if it cannot be read."""
    with contextlib.suppress(DevserverError):
        return [line for _number, line in numbered_lines(read_text(path) or "")]
    return []
