# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans which units of the gopls daemons systemd starts, restarts and stops, and carries that out."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._host.command import SYSTEM_PATH, Completed, run
from .._host.procfs import Process, read_process
from .._host.removal import remove_as_owner
from .._host.skipped_files import SkippedFile, skip_errors
from .._host.user_access import is_true_or_hangs
from .._systemd import systemctl
from .._systemd.environment_files import last_change, outdated_variables, variables_in
from .._systemd.systemctl import manager_runs
from . import paths
from .expected import ExpectedDaemons
from .host_files import gopls_variables

_SECONDS = 90


class UnitPlan(t.NamedTuple):
    """The pending changes of units.

    ``moved`` are users whose sockets are in a directory that they own, as earlier versions have made it, or who
    have the rest of one.
    ``start`` are enabled and started. ``restart`` are users whose daemon is restarted. ``stop`` are stopped and
    disabled before files are removed. ``unread`` have files on disk that systemd has not read, because an earlier run
    was killed.
    """

    moved: t.Sequence[str] = ()
    start: t.Sequence[str] = ()
    restart: t.Sequence[str] = ()
    stop: t.Sequence[str] = ()
    unread: t.Sequence[str] = ()


def systemd_version() -> int:
    """Return the version of the systemd that runs this host, 0 if none does."""
    if not manager_runs():
        return 0
    match = re.match(r"systemd (\d+)", systemctl.run_verb("--version"))
    return int(match.group(1)) if match else 0


def plan_units(expected: ExpectedDaemons, kept: t.Sequence[str] = ()) -> UnitPlan:
    """Compare the units with the expected daemons and those ``kept``; without systemd there is nothing to do."""
    if not expected.shared:
        return UnitPlan()
    prewarmed = [user.account.name for user in expected.prewarmed]
    active = [*map(paths.socket_unit, expected.names), *map(paths.prewarm_timer, prewarmed)]
    others = [name for name in expected.names if name not in prewarmed]
    inactive = [unit for name in others for unit in (paths.prewarm_timer(name), paths.prewarm_unit(name))]
    (active if expected.daemon.pprof else inactive).extend(map(paths.pprof_socket, expected.names))
    slices = [paths.session_slice(user.account.uid) for user in expected.users]
    written = [*slices, *(unit for name in expected.names for unit in paths.units_of(name))]

    moved = [name for name in (*expected.names, *kept) if _owns_sockets(name) or _has_previous(name)]
    sockets = [unit for name in moved for unit in (paths.socket_unit(name), paths.pprof_socket(name))]
    states = systemctl.properties_of([*active, *inactive, *sockets], ("ActiveState", "UnitFileState"))
    enabled = {"ActiveState": "active", "UnitFileState": "enabled"}
    restarted = [unit for unit in sockets if states[unit] == enabled and unit not in inactive]
    return UnitPlan(
        moved,
        list(dict.fromkeys([*(unit for unit in active if states[unit] != enabled), *restarted])),
        _outdated_daemons(expected),
        [unit for unit in inactive if _is_active(states[unit]) or states[unit]["UnitFileState"] == "enabled"],
        systemctl.find_unread(written),
    )


def _owns_sockets(user: str) -> bool:
    """Return whether not root owns the directory of the user's sockets, or whether it cannot be inspected."""
    try:
        return os.lstat(f"{paths.SOCKET_DIR}/{user}").st_uid != os.geteuid()
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _has_previous(user: str) -> bool:
    return os.path.lexists(paths.previous_directory(user))


def _is_active(state: t.Mapping[str, str]) -> bool:
    return state.get("ActiveState") in systemctl.RUNNING


def _outdated_daemons(expected: ExpectedDaemons) -> list[str]:
    """Return the users whose daemon runs another binary than the pinned one, or has another environment.

    The environment has the declared variables, the limit of the heap and the variables of the workarounds. The limits
    of the cgroup need no restart. Any other change, such as the place of the log, waits for the next start, so that
    editors stay connected. A daemon whose user keeps root from reading its environment in time is restarted too.
    """
    accounts = [user.account for user in expected.users]
    pids = systemctl.main_processes([paths.daemon_unit(account.name) for account in accounts])
    checks = {
        account: functools.partial(_is_outdated, pid, account.name, expected)
        for account, pid in zip(accounts, pids)
        if pid
    }
    return [account.name for account, check in checks.items() if is_true_or_hangs(account, check)]


def _is_outdated(pid: int, user: str, expected: ExpectedDaemons) -> bool:
    daemon = read_process(pid)
    other = daemon and daemon.program != os.path.realpath(expected.daemon.gopls)
    return bool(daemon and (other or _outdated_variables(daemon, user, expected)))


def _outdated_variables(daemon: Process, user: str, expected: ExpectedDaemons) -> list[str]:
    files = paths.environment_files(user)
    # This run has yet to write the second file.
    rendered = gopls_variables(user, expected.daemon.limits, expected.environment)
    removed = daemon.environment.keys() & variables_in(files[1]).keys() - rendered.keys()
    return [*outdated_variables(daemon, {**variables_in(files[0]), **rendered}, last_change(*files)), *removed]


def stop_units(units: t.Sequence[str]) -> None:
    """Stop and disable ``units``; a unit that does not exist is skipped, one that keeps running is an error."""
    if not units:
        return
    problem = "it was started again"
    try:
        systemctl.run_verb("stop", *units)
    except DevserverError as error:
        problem = error.problem
    states = systemctl.properties_of(units, ("ActiveState",))
    running = [unit for unit, state in states.items() if _is_active(state)]
    if running:
        raise DevserverError(
            f"cannot stop {', '.join(running)}: {problem}",
            expected="stopped units before their files are removed",
            remedy=f"run 'systemctl stop {' '.join(running)}' as root, and the play again",
        )
    # systemctl disables no unit of a list if one does not exist, as after a run of an earlier version.
    for unit in (unit for unit in units if not unit.endswith(".service")):
        with contextlib.suppress(DevserverError):
            systemctl.run_verb("disable", "--quiet", unit)


def make_temporary_files(path: str, skipped: list[SkippedFile]) -> None:
    """Create what the tmpfiles.d(5) file ``path`` declares; users who prevent that for their files are skipped."""
    completed = _create_files(path)
    if completed.ok:
        return
    error = completed.error(
        f"cannot create the files and directories that {path} declares",
        remedy=f"run 'systemd-tmpfiles --create {path}' as root, and remove what is in the way",
    )
    # A user can mount a file system over the own log.
    files = {user: f"{paths.LOG_DIR}/{user}.log" for user in paths.known_users()}
    blocked = [(user, file) for user, file in files.items() if not _create_files(path, file).ok]
    if not blocked or not _create_files(path, paths.SOCKET_DIR).ok:
        raise error
    for user, file in blocked:
        with skip_errors(skipped, user, file):
            raise error


def _create_files(path: str, prefix: str = "/") -> Completed:
    argv = ["systemd-tmpfiles", "--create", f"--prefix={prefix}", path]
    return run(argv, env={"PATH": SYSTEM_PATH}, timeout=_SECONDS)


def take_directories(users: t.Sequence[str], skipped: list[SkippedFile]) -> None:
    """Remove directories of sockets that belong to users; what uses the sockets is stopped before.

    systemd makes new ones as root. Each is moved away first, in one step: at no time, and after no error, does root's
    directory contain what the user has made.
    """
    for user in users:
        path, previous = f"{paths.SOCKET_DIR}/{user}", paths.previous_directory(user)
        with skip_errors(skipped, user, path):
            if _owns_sockets(user):
                _stop_loaded([unit for unit in paths.units_of(user) if "prewarm" not in unit])
                _remove_if_present(previous)
                os.rename(path, previous)
        with skip_errors(skipped, user, previous):
            _remove_if_present(previous)


def _stop_loaded(units: t.Sequence[str]) -> None:
    """Stop those of ``units`` that the host has, such as no socket for profiles after an earlier version."""
    states = systemctl.properties_of(units, ("LoadState",))
    loaded = [unit for unit in units if states[unit].get("LoadState") == "loaded"]
    if loaded:
        systemctl.run_verb("stop", *loaded)


def remove_sockets(user: str) -> None:
    """Remove the directories of the user's sockets; what the user can make in them, with the user's rights."""
    if not _owns_sockets(user):
        _remove_if_present(paths.daemon_directory(user))
    for path in (f"{paths.SOCKET_DIR}/{user}", paths.previous_directory(user)):
        _remove_if_present(path)


def _remove_if_present(path: str) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        remove_as_owner(path)


def start_units(plan: UnitPlan, skipped: list[SkippedFile]) -> None:
    """Start and restart the planned units; those of users that do not start are added to ``skipped``."""
    left = {user for user in plan.moved if any(entry.file == f"{paths.SOCKET_DIR}/{user}" for entry in skipped)}
    start = [unit for unit in plan.start if _user_of(unit) not in left]
    restart = [paths.daemon_unit(user) for user in plan.restart if user not in left]
    # systemd starts no socket while its proxy runs, such as one that was stopped alone.
    proxies = [unit.replace(".socket", ".service") for unit in start if unit.endswith(".socket")]
    if proxies:
        systemctl.run_verb("stop", *proxies)
    _run_each(start, ("enable", "--now", "--quiet"), ("active",), skipped)
    _run_each(restart, ("try-restart",), ("active", "inactive"), skipped)


def _run_each(
    units: t.Sequence[str], verb: t.Sequence[str], expected: t.Container[str], skipped: list[SkippedFile]
) -> None:
    """Run ``verb`` for all units at once; the error of one, which its user can cause, does not affect the others.

    The unit of that error can be in an expected state again: a daemon that its user killed has stopped, or runs anew.
    Only where an active unit still has its previous invocation, the verb itself has failed.
    """
    if not units:
        return
    before = systemctl.properties_of(units, ("ActiveState", "InvocationID"))
    try:
        systemctl.run_verb(*verb, *units)
    except DevserverError:
        states = systemctl.properties_of(units, ("ActiveState", "InvocationID"))
        failed = [unit for unit in units if states[unit].get("ActiveState") not in expected]
        if not failed and any(states[unit] == before[unit] for unit in units if _is_active(states[unit])):
            raise
        for unit in failed:
            with skip_errors(skipped, _user_of(unit), unit):
                raise DevserverError(
                    f"{unit} does not start",
                    remedy=f"run 'systemctl status {unit}' and 'journalctl -u {unit}' as root, fix the error that they"
                    " show, and run the play again",
                ) from None


def _user_of(unit: str) -> str:
    return unit.partition("@")[2].rpartition(".")[0]
