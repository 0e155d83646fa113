# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces the startup files of bash and similar shells: which file and line set which variable.

The trace compares values: before each command the shell compares the variables with their values before the previous
one. So it does not matter how a command sets a variable, nor what a file does to the shell's own trace.
"""

from __future__ import annotations

import itertools
import os
import re
import typing as t

from .._core.go_variables import PERSISTENT_VARIABLES
from .._core.provenance import Assignment, Source
from .scripts import BASH_PROMPT, BASH_TRACE, BASH_TRACED_STARTUP, fill, quoted, source_files
from .startup import Startup

# Further variables that begin with GO are compared at assignments.
_WATCHED = {"HOME", "PATH", "XDG_CONFIG_HOME", "CGO_ENABLED", "GOROOT", "GOENV", "GOMEMLIMIT", "TMPDIR"}
_WATCHED.update(("AR", "CC", "CXX", "FC", "GCCGO", "PKG_CONFIG"))
_WATCHED.update(name for name in PERSISTENT_VARIABLES if name.startswith("GO"))

_NOTED = re.compile("\x01([^\0\x01]*)\0([^\0]*)\0([^\0]*)\0(\\d{1,9})\0(\\d{1,9})\0(\\d{1,9})\0([^\0]*)\0")
# More assignments than any startup has, and more than a call makes to one local variable: a trace may be forged.
_MOST = 10_000
_MOST_OF_CALL = 200
_COMMAND = re.compile(r"(?:(export|declare|typeset|readonly)\s(?:.*?\s)?)?([A-Za-z_]\w*)\+?=")
_SETS_LIMIT = re.compile(r"(?:builtin )?u?limit (?:.* )?[^- ]\S*$")
# What "declare -F" prints in debugging mode.
_FUNCTION = re.compile(r"go (\d{1,9}) (/.*)\Z")


def trace_bash(start_up: Startup, timeout: float, declared: t.Collection[str] = ()) -> list[Assignment]:
    """Run a startup in bash, which other POSIX shells are traced by too, and return the assignments in order.

    Names in ``declared`` are watched besides those that matter to Go. An alias or a function named go is returned as
    ``alias go`` or ``function go``.
    """
    if not start_up.files and not start_up.first_of:
        return []
    marks = {
        "SOURCE": source_files(start_up.files, start_up.first_of),
        "THEN": start_up.then + (BASH_PROMPT if start_up.prompts else ""),
    }
    names = watched_names(declared)
    looked_at = quoted([*names, "PROMPT_COMMAND", "alias go"])
    traced = fill(BASH_TRACED_STARTUP, marks)
    script = fill(BASH_TRACE, {"VALUES": _values(names), "NAMES": looked_at, "START_UP": traced})
    completed = start_up.run(["bash", *start_up.unread, "-c", script], timeout)
    entries = assignments(completed.stderr, start_up.env)
    function = _FUNCTION.match((completed.stdout.splitlines() or [""])[-1])
    if function:
        entries.append(Assignment("function go", "", Source("file", function.group(2), int(function.group(1)))))
    return entries


def watched_names(declared: t.Collection[str]) -> list[str]:
    """Return the names of the variables to watch: those that matter to Go, and those that are ``declared``."""
    return sorted({*_WATCHED, *declared})


def _values(names: t.Sequence[str]) -> str:
    """Return an expansion to all values in one text, which bash compares faster than a list."""
    return "\1".join([*(f"${{{name}-}}" for name in names), "${PROMPT_COMMAND[*]-}", "${BASH_ALIASES[go]-}"])


class _Entry(t.NamedTuple):
    item: Assignment
    depth: int


class _History:
    """The assignments so far; those of a function's local variables are removed when it returns."""

    def __init__(self, environment: t.Mapping[str, str]) -> None:
        self._entries: dict[int, _Entry] = {}
        self._numbers: dict[str, list[int]] = {}
        self._next = 0
        self._values = dict(environment)
        self._environment = environment

    def record_text(self, command: str, source: Source, depth: int) -> None:
        """Record an assignment by its text: it may set a variable to its current value. Limits have no variable."""
        if _SETS_LIMIT.match(command):
            self._append(_Entry(Assignment("ulimit", command, source), depth))
        match = _COMMAND.match(command)
        # Before a command, it is a variable of that command only.
        if match and (match.group(1) or len(command.split()) == 1) and self._values.get(match.group(2)):
            name = match.group(2)
            self._append(_Entry(Assignment(name, self._values[name], source), depth))

    def record_change(self, new: Assignment, depth: int, now: int) -> None:
        """Record a change by a command at call depth ``depth``, observed at the depth ``now``."""
        self._values[new.name] = new.value
        if now < depth and self._restored(new, now):
            return
        number = next(reversed(self._entries), -1)
        if number >= 0 and self._entries[number].item[::2] == (new.name, new.source):
            self._remove([number])  # Recorded by its text.
        # A value that no command of the caller has set is local to the call.
        self._append(_Entry(new, max(depth, now)))

    def items(self) -> list[Assignment]:
        return [entry.item for entry in self._entries.values()]

    def last(self, name: str) -> Assignment | None:
        """Return the last assignment of a variable."""
        numbers = self._numbers.get(name)
        return self._entries[numbers[-1]].item if numbers else None

    def _append(self, entry: _Entry) -> None:
        self._entries[self._next] = entry
        self._numbers.setdefault(entry.item.name, []).append(self._next)
        self._next += 1

    def _restored(self, new: Assignment, now: int) -> bool:
        """Remove changes of local variables in calls, if ``new`` is the value from before the calls."""
        numbers = self._numbers.get(new.name, [])
        latest = itertools.islice(reversed(numbers), _MOST_OF_CALL)
        inner = list(itertools.takewhile(lambda number: self._is_inner(number, new.value, now), latest))
        outer = len(numbers) - len(inner)
        before = self._entries[numbers[outer - 1]].item.value if outer else self._environment.get(new.name, "")
        if not inner or before != new.value:
            return False
        self._remove(inner)
        return True

    def _remove(self, numbers: t.Iterable[int]) -> None:
        """Remove the last assignments of a variable, the last one first."""
        for number in numbers:
            self._numbers[self._entries.pop(number).item.name].pop()

    def _is_inner(self, number: int, value: str, now: int) -> bool:
        return self._entries[number].depth > now and self._entries[number].item.value != value


def assignments(noted: str, environment: t.Mapping[str, str]) -> list[Assignment]:
    """Return the assignments in the output of a traced shell; ``environment`` is its initial environment."""
    history = _History(environment)
    for name, value, file, line, depth, now, by in itertools.islice(_groups(noted), _MOST):
        source = Source("file", os.path.normpath(file), int(line), by or None) if file.startswith("/") else None
        if name:
            # The commands of PROMPT_COMMAND are in no file.
            prompt = history.last("PROMPT_COMMAND")
            source = source or (prompt.source if prompt else None)
            history.record_change(Assignment(name, value, source or Source("process")), int(depth), int(now))
        elif source:
            history.record_text(value, source, int(depth))
    return [item for item in history.items() if item.source.file]


def _groups(noted: str) -> t.Iterator[tuple[str, ...]]:
    return (match.groups() for match in _NOTED.finditer(noted))
