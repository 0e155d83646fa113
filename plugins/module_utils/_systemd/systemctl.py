# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries and controls the units of the system's manager."""

from __future__ import annotations

import os
import shutil
import typing as t

from .._core.errors import DevserverError
from .._host.command import SYSTEM_PATH, Completed, run
from .._host.files import split_lines
from .._host.remembered import remembered
from .quoting import unquoted

# Where the administrator's units are.
UNIT_DIR = "/etc/systemd/system"
# Seconds; the manager kills a unit that does not stop earlier than that.
_PATIENCE = 120
RUNNING = ("active", "activating", "reloading")
# The property that is "yes" if a unit's files have changed since the manager has loaded them.
NEEDS_RELOAD = "NeedDaemonReload"


def manager_runs() -> bool:
    """Return whether systemd runs this host, so that units can be started."""
    return os.path.isdir("/run/systemd/system") and shutil.which("systemd-run") is not None


def default_path(timeout: float) -> str:
    """Return the PATH that the manager gives to units; that of the system if it does not respond.

    It depends on the version of systemd, on the layout of the host, and on DefaultEnvironment= in system.conf.
    """
    return unquoted(manager_environment(timeout).get("PATH", SYSTEM_PATH))


@remembered
def manager_environment(timeout: float) -> dict[str, str]:
    """Return the variables that the manager gives to units, with values as systemctl quotes them."""
    completed = run(["systemctl", "show-environment"], env={"PATH": SYSTEM_PATH}, timeout=timeout)
    return dict(line.split("=", 1) for line in split_lines(completed.stdout) if "=" in line)


def properties_of(units: t.Sequence[str], names: t.Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the properties ``names`` of each unit; a unit that does not exist is inactive."""
    if not units:
        return {}
    completed = _systemctl("show", f"--property={','.join(names)}", "--", *units)
    blocks = completed.stdout.rstrip("\n").split("\n\n")
    return {unit: dict(line.split("=", 1) for line in split_lines(block)) for unit, block in zip(units, blocks)}


def main_processes(units: t.Sequence[str]) -> list[int]:
    """Return the ID of the main process of each unit; 0 for none."""
    properties = properties_of(units, ("MainPID",))
    return [int(properties[unit].get("MainPID") or 0) for unit in units]


def needs_reload(properties: t.Mapping[str, str]) -> bool:
    """Return whether the manager has yet to load a unit's files, by a unit's ``properties`` with NEEDS_RELOAD.

    A run may have been killed between writing and loading them: then no file differs, and they still have to be loaded.
    """
    return properties.get(NEEDS_RELOAD) == "yes"


def find_unread(units: t.Sequence[str]) -> list[str]:
    """Return those of ``units`` whose files the manager has yet to load."""
    return [unit for unit, properties in properties_of(units, (NEEDS_RELOAD,)).items() if needs_reload(properties)]


def run_verb(verb: str, *arguments: str) -> str:
    """Run ``systemctl`` with ``verb`` and return its output; raise DevserverError if it fails."""
    return _systemctl(verb, *arguments).stdout


def read_last_log_lines(unit: str, invocation: str, lines: int) -> str:
    """Return the last log lines of one run of ``unit``; empty without a journal, and for a run of another one."""
    argv = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={lines}"]
    fields = [f"_SYSTEMD_UNIT={unit}", f"_SYSTEMD_INVOCATION_ID={invocation}"]
    return _run([*argv, *fields]).stdout.strip() if invocation else ""


def _systemctl(*arguments: str) -> Completed:
    completed = _run(["systemctl", "--no-ask-password", *arguments])
    if not completed.ok:
        raise DevserverError(
            f"systemctl {' '.join(arguments)} failed: {completed.complaint}",
            remedy="look at `systemctl status` and `journalctl -xe` for the unit that it names",
        )
    return completed


def _run(argv: t.Sequence[str]) -> Completed:
    return run(argv, env={"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"}, timeout=_PATIENCE)
