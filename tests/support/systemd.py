# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A systemd in memory, for tests of what a run does to units."""

from __future__ import annotations

import getpass
import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import systemctl

DEFAULTS = {
    "LoadState": "loaded",
    "ActiveState": "inactive",
    "SubState": "dead",
    "UnitFileState": "",
    "InvocationID": "",
    "Job": "",
    "MainPID": "0",
    "NeedDaemonReload": "no",
    "NRestarts": "0",
    "User": getpass.getuser(),
}
EFFECTS = {
    "enable": {"UnitFileState": "enabled", "ActiveState": "active"},
    "reenable": {"UnitFileState": "enabled"},
    "disable": {"UnitFileState": "disabled", "ActiveState": "inactive"},
    "start": {"ActiveState": "active"},
    "restart": {"ActiveState": "active"},
    "stop": {"ActiveState": "inactive"},
}


class FakeSystemd:
    """The properties of units by name, in ``states``, and the commands that were run, without their options.

    It reads the unit files below ``directory`` like systemd does: at a daemon-reload. Without a directory, a unit needs
    one where the test sets its property NeedDaemonReload. Units whose names begin with ``oneshot`` exit at once.
    """

    def __init__(self, directory: pathlib.Path | None = None, oneshot: str = "\0") -> None:
        self.states: dict[str, dict[str, str]] = {}
        self.commands: list[tuple[str, ...]] = []
        self.read: dict[str, str] = {}
        self._directory = directory
        self._oneshot = oneshot

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the product use this one."""
        monkeypatch.setattr(systemctl, "properties_of", self.properties)
        monkeypatch.setattr(systemctl, "run_verb", self.run)

    @property
    def active(self) -> set[str]:
        return {unit for unit, state in self.states.items() if state.get("ActiveState") == "active"}

    def files(self) -> dict[str, str]:
        """Return the text of each unit file that is on disk."""
        found = self._directory.rglob("*") if self._directory else ()
        return {str(path.relative_to(self._directory)): path.read_text() for path in found if path.is_file()}

    def properties(self, units: t.Sequence[str], names: t.Sequence[str]) -> dict[str, dict[str, str]]:
        states = {unit: {**DEFAULTS, **self._freshness(unit), **self.states.get(unit, {})} for unit in units}
        return {unit: {name: state[name] for name in names} for unit, state in states.items()}

    def run(self, verb: str, *arguments: str) -> str:
        """Run a command of systemctl; a unit that is enabled or disabled is taken to be started or stopped, too."""
        units = [argument for argument in arguments if not argument.startswith("-")]
        self.commands.append((verb, *units))
        if verb == "daemon-reload":
            self.read = self.files()
        if verb in ("stop", "disable"):
            assert self.read == self.files(), "a unit must be stopped by the files that it was started with"
        for unit in units:
            state = self.states.setdefault(unit, {})
            state.pop("NeedDaemonReload", None)
            if not (unit.startswith(self._oneshot) and verb in ("start", "restart")):
                state.update(EFFECTS.get(verb, {}))
        return ""

    def _freshness(self, unit: str) -> dict[str, str]:
        read, on_disk = (self._files_of(unit, files) for files in (self.read, self.files()))
        return {"NeedDaemonReload": "no" if read == on_disk else "yes"}

    @staticmethod
    def _files_of(unit: str, files: t.Mapping[str, str]) -> list[str]:
        template = unit.partition("@")[0] + "@." + unit.rpartition(".")[2]
        return [text for name, text in sorted(files.items()) if name.startswith((template, f"{unit}.d/"))]
