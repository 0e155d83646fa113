# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and applies the gopls daemons of all users: first the files, then the units.

The plan reads everything and writes nothing, so that nothing is written before all input is known to be valid.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import name_of, reject_number
from .._host.files import Changes, read_text
from .._host.managed_files import FileEdit, plan_each, write_each
from .._host.records import record_path
from .._host.removal import remove_as_owner, remove_empty_directories, remove_paths
from .._host.skipped_files import SkippedFile, skip_errors
from .._host.user_directories import lacks_user_directory, make_user_directory
from .._systemd import back_off, systemctl
from . import manager, paths
from .expected import ExpectedDaemons
from .expected_files import ROLE, expected_files, removed_files
from .manager import UnitPlan

# The characters that systemd, file names and tmpfiles.d take unescaped.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\Z")


class DaemonPlan(t.NamedTuple):
    """The pending changes of a host.

    ``removed`` are the users who lose their daemons, by name. ``directories`` are removed with what is in them.
    ``lacking`` are the names of users without a cache.
    """

    expected: ExpectedDaemons
    edits: t.Sequence[FileEdit]
    units: UnitPlan
    removed: t.Sequence[str]
    obsolete_workarounds: t.Sequence[str]
    skipped: t.Sequence[SkippedFile] = ()
    directories: t.Sequence[str] = ()
    lacking: t.Sequence[str] = ()

    @property
    def changes(self) -> Changes:
        changes = Changes()
        for edit in self.edits:
            edit.add_to(changes)
        for unit in self.units.stop:
            changes.add(unit, "enabled or running\n", "stopped and disabled\n")
        for unit in self.units.unread:
            changes.add(unit, "running with previous files\n", "reloaded\n")
        for name in self.units.moved:
            changes.add(f"{paths.SOCKET_DIR}/{name}", "directory of the user\n", "directory of root\n")
        for unit in self.units.start:
            changes.add(unit, "", "enabled and started\n")
        for name in self.units.restart:
            changes.add(paths.daemon_unit(name), "running with a previous binary or environment\n", "restarted\n")
        for directory in self.directories:
            changes.add(directory, "directory\n", "")
        for name in self.lacking:
            changes.add(paths.cache_directory(name), "", f"directory of {name}\n")
        return changes


def plan_daemons(expected: ExpectedDaemons) -> DaemonPlan:
    """Compare the host with the expected daemons.

    A user's editor settings that cannot be read or parsed are skipped. Raises DevserverError for a user name that no
    unit can have, and for a file of the host that cannot be read.
    """
    for name in expected.names:
        _validate_name(name)
    applied = _read_applied()
    others = [name for name in paths.known_users() if name not in expected.names]
    removed = list(filter(expected.removes, others))
    kept = [name for name in others if name not in removed]
    skipped: list[SkippedFile] = []
    with _os_errors_reported():
        files = [*expected_files(expected, kept, applied), *removed_files(expected, removed, kept, applied)]
        edits = plan_each(files, skipped)
        units = manager.plan_units(expected, kept)
    obsolete = [name for name in applied.get("workarounds", []) if name not in expected.workarounds]
    candidates = (paths.LOG_DIR, paths.CACHE_DIR, paths.SOCKET_DIR) if expected.purge else ()
    directories = [path for path in candidates if os.path.isdir(path)]
    accounts = [user.account for user in expected.users]
    lacking = [user.name for user in accounts if lacks_user_directory(paths.cache_directory(user.name), user)]
    return DaemonPlan(expected, edits, units, removed, obsolete, skipped, directories, lacking)


def apply_plan(plan: DaemonPlan) -> DaemonPlan:
    """Carry out the plan; return it without the files, directories and units of users that were skipped.

    Raises DevserverError for a file of the host that cannot be written.
    """
    with _os_errors_reported():
        if plan.expected.daemon.systemd:
            manager.stop_units([*(unit for name in plan.removed for unit in paths.units_of(name)), *plan.units.stop])
            skipped = list(plan.skipped)
            manager.take_directories(plan.units.moved, skipped)
            plan = plan._replace(skipped=skipped)
        plan = _write_files(_remove_user_directories(plan))
        if plan.expected.purge and not plan.skipped:
            for path in glob.glob(f"{paths.SOCKET_DIR}/*"):
                manager.remove_sockets(os.path.basename(path))
            plan = plan._replace(skipped=_purge(plan.directories))
            etc = os.path.dirname(paths.SETTINGS)
            candidates = (os.path.dirname(paths.PREWARM), etc, os.path.dirname(record_path(ROLE)), os.path.dirname(etc))
            remove_empty_directories(candidates)
        _remove_empty_directories(plan.edits)
        plan = _make_directories(plan)
        return _start_daemons(plan) if plan.expected.shared else plan


def _purge(directories: t.Sequence[str]) -> list[SkippedFile]:
    """Remove the directories of all users; return what is left, such as a log over which its user has mounted."""
    skipped: list[SkippedFile] = []
    crashes = paths.crash_directory("*")
    patterns = [back_off.directory_of(paths.daemon_unit("*")), crashes, *(f"{path}/*" for path in directories)]
    for entry in (entry for pattern in patterns for entry in glob.glob(pattern) if entry != os.path.dirname(crashes)):
        with skip_errors(skipped, _user_of(entry), entry):
            remove_paths([entry], Changes(), check=False)
    for path in () if skipped else directories:
        with skip_errors(skipped, "root", path):
            remove_paths([path], Changes(), check=False)
    return skipped


def _user_of(entry: str) -> str:
    """Return the owner of an entry; its own name if that is root, or if its user has mounted what root may not see."""
    with contextlib.suppress(OSError):
        uid = os.lstat(entry).st_uid
        return name_of(uid) if uid else os.path.basename(entry)
    return os.path.basename(entry)


@contextlib.contextmanager
def _os_errors_reported() -> t.Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise DevserverError(
            f"cannot set up the gopls daemons: {error}",
            remedy=f"as root, check the owner, the mode and the file system of{where or ' the path'}",
        ) from error


def _validate_name(name: str) -> None:
    reject_number(name)
    if not _NAME.match(name):
        raise DevserverError(
            f"the user name {name!r} cannot be part of a systemd unit's name",
            expected="letters, digits, and the characters _ . @ -",
            remedy="give the account another name; or remove the user from devserver_users; or set"
            " language_server_enabled: false for all users of the host",
            user=name,
        )


def _read_applied() -> dict[str, t.Any]:
    """Return the record of the last run; empty if there is none, or if it was damaged."""
    with contextlib.suppress(ValueError):
        applied = json.loads(read_text(paths.APPLIED) or "{}")
        return applied if isinstance(applied, dict) else {}
    return {}


def _start_daemons(plan: DaemonPlan) -> DaemonPlan:
    """Start the units; return the plan with the users whose units do not start."""
    expected, skipped = plan.expected, list(plan.skipped)
    written = {edit.file.path for edit in plan.edits}
    if plan.units.unread or any(path.startswith(systemctl.UNIT_DIR) for path in written):
        # This also applies new memory limits to running daemons.
        systemctl.run_verb("daemon-reload")
    if expected.users and (paths.TMPFILES in written or not os.path.isdir(paths.LOG_DIR)):
        manager.make_temporary_files(paths.TMPFILES, skipped)
    manager.start_units(plan.units, skipped)
    names = [user.account.name for user in expected.prewarmed]
    prewarms = [paths.prewarm_unit(name) for name in names if paths.prewarm_file(name) in written]
    if prewarms:
        systemctl.run_verb("start", "--no-block", *prewarms)
    return plan._replace(skipped=skipped)


def _remove_user_directories(plan: DaemonPlan) -> DaemonPlan:
    """Remove sockets, caches and counted failures of users without a daemon; logs are kept to explain a failure.

    The users can change what is in these directories, but no parent of them, and the removal follows no link. A user
    can also prevent it, for example by a mount: the user is skipped then, and all others are completed.
    """
    skipped = list(plan.skipped)
    for name in plan.removed:
        with skip_errors(skipped, name, f"{paths.SOCKET_DIR}/{name}"):
            manager.remove_sockets(name)
        for path in (paths.cache_directory(name), back_off.directory_of(paths.daemon_unit(name))):
            with skip_errors(skipped, name, path), contextlib.suppress(FileNotFoundError):
                remove_as_owner(path)
    remove_empty_directories([back_off.DIRECTORY])
    return plan._replace(skipped=skipped)


def _write_files(plan: DaemonPlan) -> DaemonPlan:
    """Write the files; return the plan without the edits of users that failed.

    The file by which a user is known is removed last, so that the next run finishes a run that was killed or skipped a
    file or a directory of the user. The record of the settings to remove is kept as long as a file has them.
    """
    skipped = list(plan.skipped)

    def is_needed(edit: FileEdit) -> bool:
        return edit.after is None and edit.file.path in _needed_records(skipped, plan.removed)

    return plan._replace(edits=write_each(plan.edits, skipped, is_needed), skipped=skipped)


def _needed_records(skipped: t.Iterable[SkippedFile], removed: t.Container[str]) -> set[str]:
    unfinished = [entry for entry in skipped if entry.user in removed]
    directories = (paths.SOCKET_DIR, paths.CACHE_DIR, back_off.DIRECTORY)
    files = [entry for entry in unfinished if os.path.dirname(entry.file) not in directories]
    shared = [paths.APPLIED, record_path(ROLE)] if files else []
    return {*(paths.environment_file(entry.user) for entry in unfinished), *shared}


def _remove_empty_directories(edits: t.Sequence[FileEdit]) -> None:
    """Remove the directories of drop-ins that are empty now."""
    for edit in edits:
        directory = os.path.dirname(edit.file.path)
        if edit.after is None and directory.endswith(".d") and directory.startswith(systemctl.UNIT_DIR):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


def _make_directories(plan: DaemonPlan) -> DaemonPlan:
    """Make the users' directories; return the plan with the users without one.

    An earlier user of the same name can prevent the removal of the own directory.
    """
    skipped, expected = list(plan.skipped), plan.expected
    everybody = paths.TMPFILES in {edit.file.path for edit in plan.edits} or not os.path.isdir(paths.LOG_DIR)
    changing = {*plan.lacking, *plan.units.restart}
    accounts = [user.account for user in expected.users if everybody or user.account.name in changing]
    for account in accounts:
        modes = {paths.cache_directory(account.name): 0o700}
        if expected.shared:
            modes[paths.crash_directory(account.name)] = 0o755
        for path, mode in modes.items():
            with skip_errors(skipped, account.name, path):
                make_user_directory(path, account, mode)
    if expected.shared:
        back_off.prepare_start({paths.daemon_unit(account.name): account for account in accounts})
    return plan._replace(skipped=skipped)
