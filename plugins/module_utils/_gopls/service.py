# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the language servers of all users to a host: files first, then the units that are to run."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import shutil
import sys
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import shared_path
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls import manager, prewarm, units
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.editor import Told, settings_file
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.units import Daemon
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes, read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import (
    FileEdit,
    ManagedFile,
    edits_of,
    write_all,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import systemctl

APPLIED = "/etc/gopherops/language_server/applied.json"
# systemd takes it as the name of an instance as it is, and so do files and tmpfiles.d.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\Z")
_SESSION = "50-gopherops-session.conf"
_DROP_IN = "50-gopherops.conf"


class Wanted(t.NamedTuple):
    """What a host shall have; ``daemon.systemd`` is 0 where no systemd runs it, so that each editor has its own gopls.

    ``environment`` is added to gopls's, ``work_arounds`` names those in use, ``pprof_port`` is the first user's.
    """

    users: t.Sequence[UserEnvironment]
    daemon: Daemon
    settings: t.Mapping[str, t.Any]
    environment: t.Mapping[str, str]
    work_arounds: t.Sequence[str] = ()
    prewarm: bool = True
    trace: bool = False
    pprof_port: int = 0
    vscode_settings: t.Sequence[str] = ()
    vscode_create: bool = False

    @property
    def shared(self) -> bool:
        return self.daemon.systemd > 0

    @property
    def prewarmed(self) -> list[UserEnvironment]:
        return [user for user in self.users if user.workspaces and self.prewarm and self.shared]


class Outcome(t.NamedTuple):
    """``restarted`` are the users whose daemon had to be, ``over`` the work-arounds that are no longer in use."""

    changes: Changes
    restarted: t.Sequence[str]
    over: t.Sequence[str]


def apply(wanted: Wanted, *, check: bool) -> Outcome:
    """Make the host as ``wanted`` and return what that changed, or would change where ``check``.

    Raises DevserverError for a name that cannot be a unit's, a file that cannot be read or written, and a unit that
    does not start; nothing is written before everything has been read.
    """
    for user in wanted.users:
        _refuse_name(user.account.name)
    applied = _applied()
    stale = sorted(_known_users() - {user.account.name for user in wanted.users})
    try:
        edits = edits_of([*_files(wanted, applied), *_stale_files(wanted, stale, applied)])
        plan = manager.plan_for(_units(wanted), _unwanted(wanted), _restarts(wanted), _known_units(wanted))
        if not check:
            _carry_out(wanted, edits, stale, plan)
    except OSError as error:
        raise DevserverError(f"cannot set up the language servers: {error}", remedy="mend what it names") from error
    changes = Changes()
    for edit in edits:
        changes.add(edit.file.path, *edit.shown, whole=edit.file.whole)
    for unit in plan.stop:
        changes.add(unit, "enabled or running\n", "stopped and disabled\n")
    for unit in plan.unread:
        changes.add(unit, "running with former files\n", "read anew\n")
    for unit in plan.start:
        changes.add(unit, "", "enabled and started\n")
    for name in plan.restart:
        changes.add(f"gopls@{name}.service", "running with former limits or binary\n", "restarted\n")
    over = [name for name in applied.get("work_arounds", []) if name not in wanted.work_arounds]
    return Outcome(changes, plan.restart, over)


def _refuse_name(name: str) -> None:
    if not _NAME.match(name):
        raise DevserverError(
            f"no unit can be made for user {name!r}",
            expected="a name of letters, digits, and the characters _ . @ -",
            remedy="take the user out of language_server_users",
            user=name,
        )


def _applied() -> dict[str, t.Any]:
    """Return what the last run noted; nothing where there was none, or somebody has spoilt it."""
    with contextlib.suppress(ValueError):
        found = json.loads(read_text(APPLIED) or "{}")
        return found if isinstance(found, dict) else {}
    return {}


def _known_users() -> set[str]:
    """Return the users who have been given a language server by any run."""
    files = glob.glob(units.environment_file("*"))
    return {os.path.basename(path)[: -len(".env")] for path in files}


def _files(wanted: Wanted, applied: t.Mapping[str, t.Any]) -> list[ManagedFile]:
    if not wanted.users:
        return []
    settings = json.dumps(wanted.settings, indent=2, sort_keys=True) + "\n"
    note = {"settings": wanted.settings, "work_arounds": list(wanted.work_arounds)}
    files = [
        _whole(units.SETTINGS, settings),
        _whole(APPLIED, json.dumps(note, indent=2, sort_keys=True) + "\n"),
        _whole(shared_path(wanted.daemon.gopls), units.shared_script(wanted.daemon.gopls), mode=0o755),
    ]
    for number, user in enumerate(wanted.users):
        files += _files_of(wanted, user, number, applied)
    return [*files, *_system_files(wanted)] if wanted.shared else files


def _files_of(wanted: Wanted, user: UserEnvironment, number: int, applied: t.Mapping[str, t.Any]) -> list[ManagedFile]:
    name = user.account.name
    port = wanted.pprof_port + number if wanted.pprof_port else 0
    variables = units.variables_of(name, wanted.daemon.limits, wanted.environment, port)
    remote = [f"-remote=unix;{units.socket_of(name)}"] if wanted.shared else []
    told = Told(
        [*remote, *(["-rpc.trace"] if wanted.trace else [])],
        wanted.settings,
        applied.get("settings") or {},
        "" if wanted.shared else shared_path(wanted.daemon.gopls),
    )
    editor = [
        settings_file(user.account, path, told, create=wanted.vscode_create and place == 0)
        for place, path in enumerate(user.vscode_settings)
    ]
    return [_whole(units.environment_file(name), units.environment_text(variables)), *editor]


def _system_files(wanted: Wanted) -> list[ManagedFile]:
    daemon = wanted.daemon
    accounts = [user.account for user in wanted.users]
    files = [_whole(path, text) for path, text in units.template_units(daemon).items()]
    files += [
        _whole(units.TMPFILES, units.temporary_files(accounts, daemon.log)),
        _whole(units.CRASH, units.crash_script(daemon.log), mode=0o755),
        _whole(units.LOGROTATE, units.LOG_ROTATION if daemon.log else None),
        _whole(units.PREWARM, _source(prewarm) if wanted.prewarmed else None, mode=0o755),
    ]
    for account in accounts:
        text = units.session_drop_in(daemon.limits) if daemon.limits.session else None
        files.append(_whole(session_file(account.uid), text))
    return [*files, *_prewarm_files(wanted)]


def _prewarm_files(wanted: Wanted) -> list[ManagedFile]:
    binary = os.path.realpath(wanted.daemon.gopls)
    names = [user.account.name for user in wanted.prewarmed]
    texts = {
        user.account.name: units.prewarm_drop_in(sys.executable, binary, user.workspaces, behind)
        for user, behind in zip(wanted.prewarmed, ["", *names])
    }
    return [_whole(prewarm_file(user.account.name), texts.get(user.account.name)) for user in wanted.users]


def prewarm_file(user: str) -> str:
    """Return the file of what the prewarm of ``user`` is told."""
    return f"{systemctl.UNITS}/gopls-prewarm@{user}.service.d/{_DROP_IN}"


def session_file(uid: int) -> str:
    """Return the file of the limits on all that the sessions of one user run."""
    return f"{systemctl.UNITS}/user-{uid}.slice.d/{_SESSION}"


def _source(module: t.Any) -> str:
    """Return a module's own text, wherever it was loaded from: ansible packs modules into an archive."""
    text = module.__loader__.get_source(module.__name__)
    # The program stands alone, so it says itself what runs it.
    return f"#!{sys.executable}\n{units.HEAD}{text}"


def _stale_files(wanted: Wanted, stale: t.Sequence[str], applied: t.Mapping[str, t.Any]) -> list[ManagedFile]:
    """Return the files of users who are no longer listed, and of all where nobody is, as files that shall not be."""
    files = []
    for name in stale:
        files.append(_whole(prewarm_file(name), None))
        with contextlib.suppress(DevserverError):  # The account may be gone as well.
            account = find_account(name)
            files.append(_whole(session_file(account.uid), None))
            files += _stale_settings(wanted, account, applied)
    if stale and not wanted.users:
        shared = (
            units.SETTINGS,
            APPLIED,
            units.TMPFILES,
            units.CRASH,
            units.LOGROTATE,
            units.PREWARM,
            shared_path(wanted.daemon.gopls),
        )
        files += [_whole(path, None) for path in (*shared, *units.template_units(wanted.daemon))]
    # By these a user is known: they go last, so that a run that is killed is finished by the next one.
    return [*files, *(_whole(units.environment_file(name), None) for name in stale)]


def _stale_settings(wanted: Wanted, account: Account, applied: t.Mapping[str, t.Any]) -> list[ManagedFile]:
    told = Told([], {}, applied.get("settings") or {})
    paths = [path.replace("{home}", account.home).replace("{user}", account.name) for path in wanted.vscode_settings]
    return [settings_file(account, path, told, create=False) for path in paths if os.path.isabs(path)]


def _whole(path: str, text: str | None, *, mode: int = 0o644) -> ManagedFile:
    return ManagedFile(path, lambda _now: text, mode=mode)


def _units(wanted: Wanted) -> list[str]:
    """Return the units that shall be enabled and run."""
    if not wanted.shared:
        return []
    sockets = [f"gopls-proxy@{user.account.name}.socket" for user in wanted.users]
    return [*sockets, *(f"gopls-prewarm@{user.account.name}.timer" for user in wanted.prewarmed)]


def _unwanted(wanted: Wanted) -> list[str]:
    """Return the units that shall neither be enabled nor run: of users whom nothing is analysed for ahead of time."""
    if not wanted.shared:
        return []
    prewarmed = {user.account.name for user in wanted.prewarmed}
    names = [user.account.name for user in wanted.users if user.account.name not in prewarmed]
    return [unit for name in names for unit in _prewarm_units_of(name)]


def _known_units(wanted: Wanted) -> list[str]:
    """Return all units of users and their sessions, each of which systemd shall have read as it is on disk."""
    if not wanted.shared:
        return []
    accounts = [user.account for user in wanted.users]
    slices = [f"user-{account.uid}.slice" for account in accounts]
    return [*slices, *(unit for account in accounts for unit in _units_of(account.name))]


def _restarts(wanted: Wanted) -> list[str]:
    """Return the users whose daemon runs another binary than the pinned one, or with other limits or work-arounds.

    Everything else, a log's place for one, can wait until it ends by itself: an editor that works is not cut off.
    """
    if not wanted.shared:
        return []
    binary = os.path.realpath(wanted.daemon.gopls)
    names = [user.account.name for user in wanted.users]
    found = []
    for name, running in zip(names, manager.running([f"gopls@{name}.service" for name in names])):
        variables = units.variables_of(name, wanted.daemon.limits, wanted.environment, 0)
        if running and (running.binary != binary or not variables.items() <= running.environment.items()):
            found.append(name)
    return found


def _carry_out(wanted: Wanted, edits: t.Sequence[FileEdit], stale: t.Sequence[str], plan: manager.Plan) -> None:
    os.umask(0o022)
    if wanted.daemon.systemd:
        manager.stop([*(unit for name in stale for unit in _units_of(name)), *plan.stop])
    _forget(stale)
    write_all(edits)
    _tidy(edits)
    if not wanted.shared:
        _make_caches(wanted)
        return
    written = {edit.file.path for edit in edits}
    if plan.unread or any(path.startswith(systemctl.UNITS) for path in written):
        # Which also brings new memory limits to what runs.
        systemctl.tell("daemon-reload")
    if wanted.users and (units.TMPFILES in written or not all(map(_has_folder, wanted.users))):
        manager.make_temporary_files(units.TMPFILES)
    manager.carry_out(plan)
    due = [user.account.name for user in wanted.prewarmed if prewarm_file(user.account.name) in written]
    manager.begin([f"gopls-prewarm@{name}.service" for name in due])


def _has_folder(user: UserEnvironment) -> bool:
    """Return whether the sockets of ``user`` have their folder: systemd would make it as one of root's."""
    return os.path.isdir(f"{units.SOCKETS}/{user.account.name}")


def _units_of(name: str) -> list[str]:
    return [
        f"gopls-proxy@{name}.socket",
        f"gopls-proxy@{name}.service",
        *_prewarm_units_of(name),
        f"gopls@{name}.service",
    ]


def _prewarm_units_of(name: str) -> list[str]:
    return [f"gopls-prewarm@{name}.timer", f"gopls-prewarm@{name}.service"]


def _forget(stale: t.Iterable[str]) -> None:
    """Remove sockets and caches of users who have no use for them; logs may still be asked why gopls failed.

    It comes before the files by which a user is known: a run that is killed is finished by the next one.
    """
    for name in stale:
        for place in (units.SOCKETS, units.CACHES):
            shutil.rmtree(f"{place}/{name}", ignore_errors=True)


def _tidy(edits: t.Sequence[FileEdit]) -> None:
    """Remove the folders of drop-ins that are empty now."""
    for edit in edits:
        folder = os.path.dirname(edit.file.path)
        if edit.after is None and folder.endswith(".d") and folder.startswith(systemctl.UNITS):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _make_caches(wanted: Wanted) -> None:
    """Make the caches, or give them to their users: a run may have been killed between the two."""
    os.makedirs(units.CACHES, exist_ok=True)
    for user in wanted.users:
        folder, account = f"{units.CACHES}/{user.account.name}", user.account
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        status = os.lstat(folder)
        if (status.st_uid, status.st_gid) != (account.uid, account.gid):
            os.chown(folder, account.uid, account.gid, follow_symlinks=False)


def system_version() -> int:
    """Return the version of the systemd that runs this host, 0 where none does."""
    return manager.version() if systemctl.manager_runs() else 0
