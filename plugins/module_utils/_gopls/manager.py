# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks systemd what runs, and has it run what shall."""

from __future__ import annotations

import contextlib
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import SYSTEM_PATH, run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import Running
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import running as process
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import systemctl

_SECONDS = 90


class Plan(t.NamedTuple):
    """``start`` are units to enable and start, ``restart`` users whose daemon is to begin anew.

    ``stop`` are units to end and disable before any file goes; those ``unread`` are on disk as no earlier run, which
    may have been killed, had them read.
    """

    start: t.Sequence[str]
    restart: t.Sequence[str]
    stop: t.Sequence[str]
    unread: t.Sequence[str]


def version() -> int:
    """Return the number of the version of systemd, 0 where it does not say."""
    match = re.match(r"systemd (\d+)", systemctl.tell("--version"))
    return int(match.group(1)) if match else 0


def plan_for(
    units: t.Sequence[str], unwanted: t.Sequence[str], restart: t.Sequence[str], known: t.Sequence[str]
) -> Plan:
    """Return what is to be done so that ``units`` are enabled and active, and ``unwanted`` neither.

    ``known`` are all units of which systemd shall have read what is on disk.
    """
    states = systemctl.properties_of([*units, *unwanted], ("ActiveState", "UnitFileState"))
    wanted = {"ActiveState": "active", "UnitFileState": "enabled"}
    start = [unit for unit in units if states[unit] != wanted]
    return Plan(start, restart, [unit for unit in unwanted if _lives(states[unit])], systemctl.unread(known))


def _lives(state: t.Mapping[str, str]) -> bool:
    return state["ActiveState"] in systemctl.RUNNING or state["UnitFileState"] == "enabled"


def running(units: t.Sequence[str]) -> list[Running | None]:
    """Return what each of ``units`` runs, None where it does not run."""
    return [process(number) for number in systemctl.main_processes(units)]


def stop(units: t.Sequence[str]) -> None:
    """Stop and disable ``units``; those that are not there are no error, but one that does not end is."""
    if units:
        refused = "it runs again"
        try:
            systemctl.tell("stop", *units)
        except DevserverError as error:
            refused = error.what
        states = systemctl.properties_of(units, ("ActiveState",))
        left = [unit for unit, state in states.items() if state.get("ActiveState") in systemctl.RUNNING]
        if left:
            raise DevserverError(
                f"{', '.join(left)} did not end: {refused}",
                expected="units that are over before their files go",
                remedy="look at `systemctl status`, and end them by hand",
            )
        # None of a unit that is not there.
        with contextlib.suppress(DevserverError):
            systemctl.tell("disable", "--quiet", *(unit for unit in units if not unit.endswith(".service")))


def make_temporary_files(path: str) -> None:
    """Make what the tmpfiles.d(5) file ``path`` asks for."""
    done = run(["systemd-tmpfiles", "--create", path], env={"PATH": SYSTEM_PATH}, timeout=_SECONDS)
    if not done.ok:
        raise done.error(f"not all that {path} asks for could be made", remedy="mend what it names")


def carry_out(plan: Plan) -> None:
    """Start and restart what is planned; raise DevserverError for a unit that does not start."""
    if plan.start:
        systemctl.tell("enable", "--now", "--quiet", *plan.start)
    if plan.restart:
        systemctl.tell("try-restart", *(f"gopls@{user}.service" for user in plan.restart))


def begin(units: t.Sequence[str]) -> None:
    """Start ``units`` without waiting for them."""
    if units:
        systemctl.tell("start", "--no-block", *units)
