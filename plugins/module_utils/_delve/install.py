# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and applies the debug services of a host: units, environment files, launch configurations, unit states."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import re
import time
import typing as t

from .._core.errors import DevserverError
from .._core.redaction import without_secrets
from .._host.accounts import find_account, find_owner
from .._host.files import Changes, read_text, split_lines
from .._host.managed_files import FileEdit, ManagedFile, plan_each, plan_edits, write_each
from .._host.removal import remove_as_owner, remove_empty_directories
from .._host.skipped_files import SkippedFile, skip_errors
from .._host.user_access import is_true_or_hangs
from .._host.user_directories import lacks_user_directory, make_user_directory
from .._systemd import back_off, reload_journal, systemctl
from .._systemd.systemctl import UNIT_DIR, manager_runs
from .._tools.build_info import read_build_info
from . import units
from .launch import LaunchFileEdit, configuration_name, launch_configuration, launch_file, managed_launch_files
from .listen_address import is_listening
from .running import go_of, read_running
from .services import DebugService, unit_name
from .workspace import accept_services

PENDING = f"{reload_journal.DIRECTORY}/gopherops-debug.pending"
_PROPERTIES = (*back_off.PROPERTIES, "UnitFileState", "InvocationID", "Job", "MainPID", systemctl.NEEDS_RELOAD)
# Services stop first: another service may use their port.
_STARTS = ("restart", "start")
_ORDER = ("disable", "stop", "reenable", *_STARTS)
_OUTPUT_LINES = 12
# Characters; a line of the journal can have any length.
_LONGEST_OUTPUT = 8192
_FIRST_DLV_WITH_SOCKETS = (1, 22, 1)


class DebugServicePlan(t.NamedTuple):
    """The changes of a run: files to write, services to remove, and systemctl verbs, each with its units.

    With ``reload`` the manager has changed unit files to read, from this run or from one that was killed. ``skipped``
    are the launch.json files that cannot be edited, and the builds that cannot be removed. ``lacking``
    are those of the ``services`` whose users have no directory for the build yet.
    """

    edits: list[FileEdit]
    removed: list[str]
    verbs: list[tuple[str, list[str]]]
    reload: bool
    skipped: list[SkippedFile]
    lacking: list[DebugService]
    services: t.Sequence[DebugService]

    @property
    def changes(self) -> Changes:
        """Return the changes for the result of a module."""
        changes = Changes()
        for edit in self.edits:
            changes.add(edit.file.path, *_redacted_diff(edit), whole=edit.file.whole)
        for service in self.lacking:
            changes.add(units.build_directory(service.name), "", f"directory of {service.account.name}\n")
        for name in self.removed:
            changes.add(unit_name(name), "declared\n", "stopped and removed\n")
        for verb, names in self.verbs:
            for name in names:
                changes.add(name, "", f"{verb}\n")
        return changes


class ServiceState(t.NamedTuple):
    """A service's ActiveState, whether it listens, why it failed, and whether its start is pending."""

    active: str
    listening: bool
    problem: str
    pending: bool


def plan_services(
    services: t.Sequence[DebugService], programs: units.Programs, is_removed: t.Callable[[str], bool]
) -> DebugServicePlan:
    """Return the changes for this host, and apply none of them; other services stay unless their name ``is_removed``.

    Raises DevserverError where the changes are impossible.
    """
    installed = _installed_units()
    expected = {service.name for service in services}
    removed = sorted(name for name in set(installed) - expected if is_removed(name))
    if (expected or removed) and not manager_runs():
        raise DevserverError(
            "debug services need systemd, which does not run this host",
            expected="a host or a container with systemd as its first process",
            remedy="leave debugger_services empty for this host, and start dlv by hand on a loopback address",
        )
    _reject_old_dlv(services, programs.dlv)
    skipped: list[SkippedFile] = []
    accepted = accept_services(services, skipped)
    # The others stop. Their units and launch files stay as they are until the workspace is corrected.
    rejected = {service.name for service in services} - {service.name for service in accepted}
    changing = {*expected, *removed} - rejected
    services, recorded = accepted, {name: text for name, text in installed.items() if name in changing}
    launch_edits = plan_each(managed_launch_files(_launch_file_edits(services, recorded)), skipped)
    pending = _find_pending_cleanups(recorded, skipped)
    kept = [name for name in installed if name in rejected or (name in removed and name in pending)]
    removed = [name for name in removed if name not in pending]
    # The units record the launch files, so that a run after a killed one finishes them.
    edits = launch_edits + plan_edits(_managed_files(services, programs, installed, pending, removed))
    written = {edit.file.path for edit in edits}
    states = systemctl.properties_of([service.unit for service in services], _PROPERTIES)
    unread = any(path.startswith(UNIT_DIR) for path in written) or any(map(systemctl.needs_reload, states.values()))
    verbs = _verbs(services, programs, states, written, kept)
    lacking = [service for service in services if service.builds and _lacks_build_directory(service)]
    return DebugServicePlan(edits, removed, verbs, unread, skipped, lacking, services)


def apply_plan(plan: DebugServicePlan) -> DebugServicePlan:
    """Apply a plan; return it without the files of users that were skipped. Removed services stop first."""
    reload_journal.record_pending(PENDING, (name for _verb, names in plan.verbs for name in names))
    if plan.removed:
        systemctl.run_verb("disable", "--now", "--", *map(unit_name, plan.removed))
    plan = _write_files(_make_build_directories(plan))
    if plan.reload:
        systemctl.run_verb("daemon-reload")
    changing = {os.path.basename(edit.file.path) for edit in plan.edits}
    changing.update(name for verb, names in plan.verbs if verb in _STARTS for name in names)
    back_off.prepare_start({service.unit: service.account for service in plan.services if service.unit in changing})
    for verb, names in plan.verbs:
        # A build may take long. wait_for_services waits for all services at once.
        systemctl.run_verb(verb, *(["--no-block"] if verb in _STARTS else []), "--", *names)
    reload_journal.clear_pending(PENDING)
    return plan


def _write_files(plan: DebugServicePlan) -> DebugServicePlan:
    """Write the files and remove the builds of removed services; return the plan without the edits that failed.

    A unit that records a launch file which failed stays as it is, so that a later run removes its configuration.
    """
    skipped = list(plan.skipped)

    def is_needed(edit: FileEdit) -> bool:
        return bool({entry.file for entry in skipped} & _lost_launch_files(edit))

    written = write_each(plan.edits, skipped, is_needed)
    for name in plan.removed:
        _remove_directory(units.build_directory(name), skipped)
        _remove_directory(back_off.directory_of(unit_name(name)), skipped)
    remove_empty_directories([back_off.DIRECTORY])
    return plan._replace(edits=written, skipped=skipped)


def _lacks_build_directory(service: DebugService) -> bool:
    return lacks_user_directory(units.build_directory(service.name), service.account)


def _make_build_directories(plan: DebugServicePlan) -> DebugServicePlan:
    """Make the directories of builds; return the plan in which a service without one stays as it is.

    A previous user of the service can prevent the removal of what the next user would run.
    """
    skipped, unmade = list(plan.skipped), {service.unit: service for service in plan.lacking}
    for service in plan.lacking:
        path = units.build_directory(service.name)
        with skip_errors(skipped, service.account.name, path):
            make_user_directory(path, service.account)
            del unmade[service.unit]
    names = [service.name for service in unmade.values()]
    files = {*map(_unit_file, names), *map(units.environment_file, names)}
    verbs = [(verb, [unit for unit in affected if unit not in unmade]) for verb, affected in plan.verbs]
    return plan._replace(
        edits=[edit for edit in plan.edits if edit.file.path not in files],
        verbs=[(verb, affected) for verb, affected in verbs if affected],
        lacking=[service for service in plan.lacking if service.unit not in unmade],
        skipped=skipped,
    )


def _lost_launch_files(edit: FileEdit) -> set[str]:
    """Return the launch files that the unit of an edit recorded and no longer records."""
    before, after = (units.launch_files_of(text or "") for text in (edit.before, edit.after))
    return {file.path for file in before if file not in after}


def _installed_units() -> dict[str, str]:
    """Return the unit texts that this module wrote, by the names of their services."""
    texts = {}
    for path in glob.glob(_unit_file("*")):
        text = read_text(path) or ""
        if text.startswith(units.HEADER):
            texts[os.path.basename(path)[len("dlv-") : -len(".service")]] = text
    return texts


def _unit_file(name: str) -> str:
    return os.path.join(UNIT_DIR, unit_name(name))


def _find_pending_cleanups(
    installed: t.Mapping[str, str], skipped: t.Sequence[SkippedFile]
) -> dict[str, list[units.LaunchFile]]:
    """Return the skipped files from which a later run must remove a configuration, by the names of their services.

    Only the units record them: without its record, the configuration would stay in the file forever.
    """
    paths = {entry.file for entry in skipped}
    files = {
        name: [file for file in units.launch_files_of(text) if file.path in paths] for name, text in installed.items()
    }
    return {name: unedited for name, unedited in files.items() if unedited}


def _managed_files(
    services: t.Sequence[DebugService],
    programs: units.Programs,
    installed: t.Mapping[str, str],
    pending: t.Mapping[str, list[units.LaunchFile]],
    removed: t.Iterable[str],
) -> t.Iterator[ManagedFile]:
    for service in services:
        _reject_foreign_unit(service, installed)
        declared = [units.LaunchFile(service.account.name, launch_file(service))] if service.launch else []
        unit = units.render_unit(service, programs, dict.fromkeys([*declared, *pending.get(service.name, [])]))
        yield _managed_file(_unit_file(service.name), unit)
        # It may contain passwords; systemd reads it as root.
        yield _managed_file(units.environment_file(service.name), units.render_environment(service), mode=0o600)
    for name in removed:
        yield _managed_file(_unit_file(name), None)
        yield _managed_file(units.environment_file(name), None)


def _managed_file(path: str, text: str | None, mode: int = 0o644) -> ManagedFile:
    return ManagedFile(path, lambda _now: text, mode=mode)


def _reject_foreign_unit(service: DebugService, installed: t.Container[str]) -> None:
    path = _unit_file(service.name)
    if service.name not in installed and os.path.lexists(path):
        raise DevserverError(
            f"debug service {service.name}: {path} exists and was not written by this module",
            expected="no other unit of this name",
            remedy="rename the service, or remove that unit",
            path=path,
        )


def _reject_old_dlv(services: t.Sequence[DebugService], dlv: str) -> None:
    """Reject Unix sockets where the installed dlv does not support them. A missing dlv is not an error here."""
    on_socket = next((service for service in services if service.listen.path), None)
    if on_socket is None or not os.path.exists(dlv):
        return
    version = read_build_info(dlv).version
    numbers = re.match(r"v(\d+)\.(\d+)\.(\d+)", version)
    if numbers and tuple(map(int, numbers.groups())) < _FIRST_DLV_WITH_SOCKETS:
        raise DevserverError(
            f"debug service {on_socket.name}: {dlv} is {version}, which does not support Unix sockets",
            expected="dlv 1.22.1 or later",
            remedy="use a loopback address in listen, or install a later dlv",
            service=on_socket.name,
        )


def _launch_file_edits(services: t.Sequence[DebugService], installed: t.Mapping[str, str]) -> dict[str, LaunchFileEdit]:
    """Return the edits of each launch.json that contains, or is to contain, a configuration of this module."""
    edits: dict[str, LaunchFileEdit] = {}
    for name, file in ((name, file) for name, text in installed.items() for file in units.launch_files_of(text)):
        # With the account, its launch.json is gone too.
        with contextlib.suppress(DevserverError):
            edit = edits.setdefault(file.path, LaunchFileEdit(find_account(file.user), {}, []))
            edit.removed.append(configuration_name(name))
    for service in services:
        if service.launch:
            edit = edits.setdefault(launch_file(service), LaunchFileEdit(service.account, {}, []))
            edit.expected[configuration_name(service.name)] = launch_configuration(service)
    for edit in edits.values():
        edit.removed[:] = [name for name in edit.removed if name not in edit.expected]
    return edits


def _verbs(
    services: t.Sequence[DebugService],
    programs: units.Programs,
    states: t.Mapping[str, t.Mapping[str, str]],
    written: t.Container[str],
    kept: t.Iterable[str],
) -> list[tuple[str, list[str]]]:
    """Return the verbs for ``services``; ``kept`` are undeclared services whose units stay, stopped, as records."""
    targets = systemctl.properties_of(
        [service.process_unit for service in services if service.process_unit], ("ActiveState",)
    )
    verbs: dict[str, list[str]] = {}
    owed, go = reload_journal.read_pending(PENDING), go_of(os.path.realpath(programs.go))
    for service in services:
        state, target = states[service.unit], targets.get(service.process_unit)
        rewritten = _unit_file(service.name) in written or service.unit in owed or systemctl.needs_reload(state)
        changed = rewritten or units.environment_file(service.name) in written
        check = functools.partial(_is_outdated, service, int(state["MainPID"]), programs.dlv, go)
        outdated = state["MainPID"] != "0" and is_true_or_hangs(service.account, check)
        for verb in _service_verbs(service, state, target, rewritten, changed or outdated):
            verbs.setdefault(verb, []).append(service.unit)
    for unit, state in systemctl.properties_of([unit_name(name) for name in kept], _PROPERTIES).items():
        for verb in _stop_verbs(state):
            verbs.setdefault(verb, []).append(unit)
    return [(verb, verbs[verb]) for verb in _ORDER if verb in verbs]


def _is_outdated(service: DebugService, pid: int, dlv: str, go: str) -> bool:
    running = read_running(service.name, service.account.name, pid, dlv, go)
    return running is not None and bool(running.outdated)


def _service_verbs(
    service: DebugService,
    state: t.Mapping[str, str],
    target: t.Mapping[str, str] | None,
    rewritten: bool,
    changed: bool,
) -> list[str]:
    """Return the verbs of a service; with ``rewritten`` its unit differs, with ``changed`` it needs a restart."""
    if not service.started:
        return _stop_verbs(state)
    enabled, running = state["UnitFileState"] == "enabled", state["ActiveState"] in systemctl.RUNNING
    # dlv never starts the unit that it attaches to. The debug service starts together with that unit.
    can_run = target is None or target["ActiveState"] in systemctl.RUNNING
    verbs = [] if enabled and not rewritten else ["reenable"]
    if running:
        return verbs + (["restart"] if changed else [])
    return verbs + (["start"] if can_run else [])


def _stop_verbs(state: t.Mapping[str, str]) -> list[str]:
    enabled, running = state["UnitFileState"] == "enabled", state["ActiveState"] in systemctl.RUNNING
    return (["disable"] if enabled else []) + (["stop"] if running else [])


def _remove_directory(path: str, skipped: list[SkippedFile]) -> None:
    """Remove a directory of a service; its user can prevent that, for example by a mount, and is skipped then."""
    try:
        uid = os.lstat(path).st_uid
    except FileNotFoundError:
        return
    owner = find_owner(uid)
    with skip_errors(skipped, owner.name if owner else str(uid), path):
        remove_as_owner(path)


def remove_builds(plan: DebugServicePlan, changes: Changes, *, check: bool) -> DebugServicePlan:
    """Remove the directories without a unit, which killed runs have left, and the directories of debug services.

    Return the plan with the builds that were skipped.
    """
    skipped = list(plan.skipped)
    removed = [*map(units.build_directory, plan.removed), *map(back_off.directory_of, map(unit_name, plan.removed))]
    patterns = (os.path.join(glob.escape(units.STATE_DIR), "*"), back_off.directory_of(unit_name("*")))
    others = sorted({path for pattern in patterns for path in glob.glob(pattern)} - {*removed})
    for path in others:
        changes.add(path, "directory\n", "")
        if not check:
            _remove_directory(path, skipped)
    if not check:
        parent = os.path.dirname(units.ENVIRONMENT_DIR)
        remove_empty_directories([units.STATE_DIR, back_off.DIRECTORY, units.ENVIRONMENT_DIR, parent])
    return plan._replace(skipped=skipped)


def _redacted_diff(edit: FileEdit) -> tuple[str, str]:
    before, after = edit.before or "", edit.after or ""
    if not edit.file.path.startswith(units.ENVIRONMENT_DIR):
        return edit.shown
    # Values may be secrets: the difference contains only names.
    return edit.with_rights(_mask_values(before, ""), _mask_values(after, before))


def _mask_values(text: str, before: str) -> str:
    lines = split_lines(before)
    variables = [(line.partition("=")[0], line in lines or not before) for line in split_lines(text) if "=" in line]
    return "".join(f"{name}=***\n" if unchanged else f"{name}=*** (new)\n" for name, unchanged in variables)


def wait_for_services(services: t.Sequence[DebugService], timeout: float) -> dict[str, ServiceState]:
    """Return the states once no start is pending, or after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        states = _service_states(services)
        if time.monotonic() >= deadline or not any(state.pending for state in states.values()):
            return states
        time.sleep(0.2)


def _service_states(services: t.Sequence[DebugService]) -> dict[str, ServiceState]:
    properties = systemctl.properties_of([service.unit for service in services], _PROPERTIES)
    return {service.name: _service_state(service, properties[service.unit]) for service in services}


def _service_state(service: DebugService, properties: t.Mapping[str, str]) -> ServiceState:
    active, listening = properties["ActiveState"], is_listening(service.listen)
    queued = bool(int(properties.get("Job") or 0))
    failure = back_off.pending_failure(service.unit, properties)
    problem = ""
    if failure or active == "failed":
        invocation = failure.invocation if failure else properties["InvocationID"]
        problem = _failure_output(service, invocation) or "the unit failed without output"
    # A service that fails is deactivating before systemd waits for its next start.
    starts = active in (*systemctl.RUNNING, "deactivating") and service.started
    return ServiceState(active, listening, problem, not problem and (queued or (starts and not listening)))


def _failure_output(service: DebugService, invocation: str) -> str:
    # A program that fails to start may print its variables.
    output = systemctl.read_last_log_lines(service.unit, invocation, _OUTPUT_LINES)
    # Redacted before it is truncated: a part of a secret would not match.
    return without_secrets(output, service.environment.values())[-_LONGEST_OUTPUT:]
