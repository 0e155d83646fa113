# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's own per-user configuration file, which ``go env -w`` writes: one ``NAME=value`` a line.

It is read and written here, not by ``go``: an invalid line in it can break every go command, ``go env -u`` included.
"""

from __future__ import annotations

import typing as t

from .._core.managed_header import MANAGED_BY

# In a home.
PATH = ".config/go/env"
# Beside this file: what "go telemetry" writes and every Go program reads, a mode and the day from which it is in force.
TELEMETRY_MODE = "telemetry/mode"
TELEMETRY_MODES = ("on", "local", "off")

_MANAGED = f"# {MANAGED_BY}:"


class GoenvSetting(t.NamedTuple):
    """One line that Go reads; ``line`` counts from 1."""

    name: str
    value: str
    line: int


def settings(text: str) -> list[GoenvSetting]:
    """Return the lines that Go reads as settings, in order; of several with one name the last one wins."""
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        name, separator, value = line.partition("=")
        if separator and "A" <= name[:1] <= "Z":
            entries.append(GoenvSetting(name, value, number))
    return entries


def updated(text: str, values: t.Mapping[str, str]) -> str:
    """Return ``text`` with ``values`` in force: changed in place, duplicates removed, new ones at the end.

    A comment, which ``go env -w`` keeps, lists the managed names: a name that is no longer managed is removed.
    """
    last = {setting.name: setting.line for setting in settings(text)}
    dropped = _managed(text) - set(values)
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        name, separator, _value = line.partition("=")
        if line.startswith(_MANAGED) or (separator and name in dropped):
            continue
        if not separator or name not in values:
            lines.append(line)
        elif number == last[name]:
            lines.append(f"{name}={values[name]}")
    while lines and not lines[-1]:
        lines.pop()
    lines += [f"{name}={value}" for name, value in values.items() if name not in last]
    head = [" ".join([_MANAGED, *sorted(values)])] if values else []
    return "".join(line + "\n" for line in head + lines)


def without_managed(text: str | None) -> str | None:
    """Return ``text`` without the managed names; None, which is no file, if nothing else was in it."""
    return text if text is None or not _managed(text) else updated(text, {}) or None


def is_managed(text: str) -> bool:
    """Return whether a run has written into ``text``."""
    return bool(_managed(text))


def telemetry_mode(text: str) -> str:
    """Return the mode in the text of Go's telemetry file."""
    return text.strip().partition(" ")[0] or "local"


def with_telemetry_mode(text: str | None, mode: str, today: str) -> str:
    """Return the text of that file with ``mode`` in it, in force from ``today`` (2026-01-31) on if the mode changes."""
    return text if text and telemetry_mode(text) == mode else f"{mode} {today}\n"


def _managed(text: str) -> set[str]:
    return {name for line in text.split("\n") if line.startswith(_MANAGED) for name in line[len(_MANAGED) :].split()}
