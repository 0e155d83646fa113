# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the declared debug services onto the host: units, environments, launch configurations, and what runs."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import redacted, without_values
from ansible_collections.gopherops.devserver.plugins.module_utils._delve import open_ports, units
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.launch import (
    Launch,
    configuration_of,
    launch_file,
    managed_launch_files,
    title_of,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import Service, unit_of
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes, read_text, remove
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import (
    FileEdit,
    ManagedFile,
    edits_of,
    write_all,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import reload_journal, systemctl
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.systemctl import UNITS, manager_runs
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import read_build_info

PENDING = f"{reload_journal.FOLDER}/gopherops-debug.pending"
_PROPERTIES = ("ActiveState", "SubState", "UnitFileState", "InvocationID", "Job", systemctl.NEEDS_RELOAD)
# What ends comes first: its port may be another's now.
_ORDER = ("disable", "stop", "reenable", "restart", "start")
_LINES = 12
_SOCKETS_SINCE = (1, 22, 1)


class Plan(t.NamedTuple):
    """What a run does: files to write, services to end for good, verbs of systemctl, each with its units.

    With ``reload`` the manager has units to read anew, from this run or one that was killed.
    """

    edits: list[FileEdit]
    stale: list[str]
    verbs: list[tuple[str, list[str]]]
    reload: bool

    def changes(self) -> Changes:
        """Return all of it as a module's result tells it."""
        changes = Changes()
        for edit in self.edits:
            changes.add(edit.file.path, *_shown(edit), whole=edit.file.whole)
        for name in self.stale:
            changes.add(unit_of(name), "declared\n", "stopped and removed\n")
        for verb, names in self.verbs:
            for name in names:
                changes.add(name, "", f"{verb}\n")
        return changes


class State(t.NamedTuple):
    """How a service is: systemd's word for it, whether it listens, what is the matter, whether that will change."""

    active: str
    listens: bool
    problem: str
    pending: bool


def plan(services: t.Sequence[Service], programs: units.Programs) -> Plan:
    """Return what is to be done on this host; raises DevserverError for what cannot be, and changes nothing."""
    present = _present()
    wanted = {service.name: service for service in services}
    stale = sorted(set(present) - set(wanted))
    if (wanted or stale) and not manager_runs():
        raise DevserverError(
            "debug services are units of systemd, which does not run this host",
            expected="a host or a container with systemd as its first process",
            remedy="leave debugger_services empty here, and start dlv by hand, on the loopback",
        )
    _refuse_old_dlv(services, programs.dlv)
    edits = edits_of(_files(services, programs, present))
    written = {edit.file.path for edit in edits}
    states = systemctl.properties_of([service.unit for service in services], _PROPERTIES)
    unread = any(path.startswith(UNITS) for path in written) or any(map(systemctl.is_unread, states.values()))
    return Plan(edits, stale, _verbs(services, states, written), unread)


def carry_out(planned: Plan) -> None:
    """Do what was planned: what is stale ends first, so that its port is free."""
    os.umask(0o022)
    reload_journal.note(PENDING, (name for _verb, names in planned.verbs for name in names))
    if planned.stale:
        systemctl.tell("disable", "--now", "--", *map(unit_of, planned.stale))
    write_all(planned.edits)
    for name in planned.stale:
        _forget(name)
    if planned.reload:
        systemctl.tell("daemon-reload")
    for verb, names in planned.verbs:
        # A program may take long to build: its start is waited for below, with all others.
        systemctl.tell(verb, *(["--no-block"] if verb in ("start", "restart") else []), "--", *names)
    reload_journal.settle(PENDING)


def _present() -> dict[str, str]:
    """Return the texts of this module's units on the host, by the names of their services."""
    found = {}
    for path in glob.glob(_unit_file("*")):
        text = read_text(path) or ""
        if text.startswith(units.HEAD):
            found[os.path.basename(path)[len("dlv-") : -len(".service")]] = text
    return found


def _unit_file(name: str) -> str:
    return os.path.join(UNITS, unit_of(name))


def _files(
    services: t.Sequence[Service], programs: units.Programs, present: t.Mapping[str, str]
) -> t.Iterator[ManagedFile]:
    wanted = {service.name for service in services}
    for service in services:
        _refuse_foreign(service, present)
        unit = units.render_unit(service, programs, launch_file(service))
        yield _own_file(_unit_file(service.name), unit)
        # It may hold passwords; systemd reads it as root.
        yield _own_file(units.environment_file(service.name), units.render_environment(service), mode=0o600)
    for name in sorted(set(present) - wanted):
        yield _own_file(_unit_file(name), None)
        yield _own_file(units.environment_file(name), None)
    yield from managed_launch_files(_launches(services, present))


def _own_file(path: str, text: str | None, mode: int = 0o644) -> ManagedFile:
    return ManagedFile(path, lambda _now: text, mode=mode)


def _refuse_foreign(service: Service, present: t.Container[str]) -> None:
    path = _unit_file(service.name)
    if service.name not in present and os.path.lexists(path):
        raise DevserverError(
            f"debug service {service.name}: {path} is there and was not written by this module",
            expected="no such unit",
            remedy="give the service another name, or remove that unit",
            path=path,
        )


def _refuse_old_dlv(services: t.Sequence[Service], dlv: str) -> None:
    """Refuse sockets that the dlv on this host does not know; one that is still to come is not judged."""
    on_socket = next((service for service in services if service.listen.path), None)
    if on_socket is None or not os.path.exists(dlv):
        return
    version = read_build_info(dlv).version
    numbers = re.match(r"v(\d+)\.(\d+)\.(\d+)", version)
    if numbers and tuple(map(int, numbers.groups())) < _SOCKETS_SINCE:
        raise DevserverError(
            f"debug service {on_socket.name}: {dlv} is {version}, which knows no unix sockets",
            expected="dlv 1.22.1 or later",
            remedy="listen on the loopback, or install a later dlv",
            service=on_socket.name,
        )


def _launches(services: t.Sequence[Service], present: t.Mapping[str, str]) -> dict[str, Launch]:
    """Return what becomes of each launch.json in which a configuration is wanted, or was by an earlier run."""
    found: dict[str, Launch] = {}
    for name, (user, path) in ((name, units.launch_of(text)) for name, text in present.items()):
        # Whose account is gone has no configuration either.
        with contextlib.suppress(DevserverError):
            found.setdefault(path, Launch(find_account(user), {}, [])).stale.append(title_of(name))
    for service in services:
        if service.launch:
            launch = found.setdefault(launch_file(service), Launch(service.account, {}, []))
            launch.wanted[title_of(service.name)] = configuration_of(service)
    for launch in found.values():
        launch.stale[:] = [title for title in launch.stale if title not in launch.wanted]
    return found


def _verbs(
    services: t.Sequence[Service], states: t.Mapping[str, t.Mapping[str, str]], written: t.Iterable[str]
) -> list[tuple[str, list[str]]]:
    targets = systemctl.properties_of([one.process_unit for one in services if one.process_unit], ("ActiveState",))
    verbs: dict[str, list[str]] = {}
    owed = reload_journal.owed(PENDING)
    written = {*written, *(_unit_file(service.name) for service in services if service.unit in owed)}
    for service in services:
        for verb in _verbs_of(service, states[service.unit], targets.get(service.process_unit), written):
            verbs.setdefault(verb, []).append(service.unit)
    return [(verb, verbs[verb]) for verb in _ORDER if verb in verbs]


def _verbs_of(
    service: Service, now: t.Mapping[str, str], target: t.Mapping[str, str] | None, written: t.Container[str]
) -> list[str]:
    rewritten = _unit_file(service.name) in written or systemctl.is_unread(now)
    changed = rewritten or units.environment_file(service.name) in written
    enabled, runs = now["UnitFileState"] == "enabled", now["ActiveState"] in systemctl.RUNNING
    if not service.started:
        return (["disable"] if enabled else []) + (["stop"] if runs else [])
    # What is to be attached to is not started for it: the service starts along with it then.
    can_run = target is None or target["ActiveState"] in systemctl.RUNNING
    verbs = [] if enabled and not rewritten else ["reenable"]
    if runs:
        return verbs + (["restart"] if changed else [])
    return verbs + (["start"] if can_run else [])


def _forget(name: str) -> None:
    path = os.path.join(units.STATE, name)
    if os.path.lexists(path):
        remove(path)


def _shown(edit: FileEdit) -> tuple[str, str]:
    before, after = edit.before or "", edit.after or ""
    if not edit.file.path.startswith(units.ENVIRONMENTS):
        return edit.shown
    # Values may be secrets: of what has changed the name alone is told.
    return edit.with_rights(_masked(before, ""), _masked(after, before))


def _masked(text: str, other: str) -> str:
    known = other.splitlines()
    pairs = [(line.partition("=")[0], line in known or not other) for line in text.splitlines() if "=" in line]
    return "".join(f"{name}=***\n" if same else f"{name}=*** (new)\n" for name, same in pairs)


def wait_for(services: t.Sequence[Service], timeout: float) -> dict[str, State]:
    """Return how each service is when all that were to start listen or have failed, or after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        states = _states(services)
        if time.monotonic() >= deadline or not any(state.pending for state in states.values()):
            return states
        time.sleep(0.2)


def _states(services: t.Sequence[Service]) -> dict[str, State]:
    found = systemctl.properties_of([service.unit for service in services], _PROPERTIES)
    return {service.name: _state(service, found[service.unit]) for service in services}


def _state(service: Service, now: t.Mapping[str, str]) -> State:
    active, listens, queued = now["ActiveState"], open_ports.listens(service.listen), bool(int(now.get("Job") or 0))
    failed = active == "failed" or now["SubState"] == "auto-restart"
    problem = (_last_words(service, now["InvocationID"]) or "it failed") if failed else ""
    return State(active, listens, problem, queued or (active in systemctl.RUNNING and not listens and not failed))


def _last_words(service: Service, invocation: str) -> str:
    # A program that does not start may well say with what it was given.
    return redacted(without_values(systemctl.last_words(invocation, _LINES), service.environment.values()))
