# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a host should have for its gopls daemons, and which it should no longer have."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import typing as t

from .._core.errors import DevserverError
from .._core.sizes import MIB
from .._environment.contexts.editor_files import EditorFile, removals_of
from .._environment.contexts.machine_settings import MachineSettings, Settings
from .._environment.contexts.vscode_server import machine_settings, shared_path
from .._environment.declaration import UserEnvironment
from .._host.accounts import Account, find_account, find_known_account
from .._host.managed_files import ManagedFile, named_files
from .._host.program import source_of
from .._host.records import Record, read_record, record_file, record_path
from .._jsonc.editor import Edit
from . import host_files, paths, prewarm, units
from .expected import ExpectedDaemons

ROLE = "language_server"
# What the last run applied: the text of paths.APPLIED, parsed.
Applied = t.Mapping[str, t.Any]


def expected_files(expected: ExpectedDaemons, kept: t.Sequence[str], applied: Applied) -> list[ManagedFile]:
    """Return the files for the listed users, and those that these share with the users whose daemons are ``kept``."""
    if not expected.users:
        return []
    # The editors of kept users still have the settings of earlier runs.
    previous = (applied.get("settings") or {}) if kept else {}
    record = {"settings": {**previous, **expected.settings}, "workarounds": list(expected.workarounds)}
    gopls = expected.daemon.gopls
    files = [
        record_file(ROLE, _values_to_record(expected)),
        _file(paths.SETTINGS, _json(expected.settings)),
        _file(paths.APPLIED, _json(record)),
        _file(shared_path(gopls), host_files.render_shared_gopls(gopls), mode=0o755),
    ]
    for user in expected.users:
        variables = host_files.gopls_variables(user.account.name, expected.daemon.limits, expected.environment)
        files.append(_file(paths.environment_file(user.account.name), host_files.render_variables(variables)))
    files += _editor_files(expected, applied)
    files += [_limited_file(name, expected) for name in kept]
    return [*files, *_system_files(expected, kept)] if expected.shared else files


def _limited_file(name: str, expected: ExpectedDaemons) -> ManagedFile:
    """Return the variables of a kept user with the limit that all daemons of this host share."""
    limit = f'GOMEMLIMIT="{expected.daemon.limits.heap // MIB}MiB"'

    def content(now: str | None) -> str | None:
        return None if now is None else re.sub(r"^GOMEMLIMIT=.*$", limit, now, flags=re.MULTILINE)

    return ManagedFile(paths.environment_file(name), content, named=name)


def removed_files(
    expected: ExpectedDaemons, removed: t.Sequence[str], kept: t.Sequence[str], applied: Applied
) -> list[ManagedFile]:
    """Return the files of ``removed`` users, and the shared ones if nobody else has a daemon, each without content."""
    files = [] if expected.users else [MachineSettings({ROLE: {}}).record(expected.removes)]
    for name in removed:
        files.append(_file(paths.prewarm_file(name), None))
        with contextlib.suppress(DevserverError):  # The account may be gone as well.
            account = find_account(name)
            files.append(_file(paths.session_file(account.uid), None))
            files += _cleared_settings(expected, account, applied)
    if removed and kept and not expected.users:
        text = host_files.render_tmpfiles(_known_accounts(kept), expected.daemon.log)
        files.append(_file(paths.TMPFILES, text))
    if expected.purge or (removed and not kept and not expected.users):
        scripts = (paths.CRASH, paths.PREWARM, *_shared_scripts(expected))
        configuration = (paths.SETTINGS, paths.APPLIED, paths.TMPFILES, paths.LOGROTATE, record_path(ROLE))
        files += [_file(path, None) for path in (*scripts, *configuration, *units.render_units(expected.daemon))]
    if expected.purge:
        # Of accounts that are gone, and of a run that was killed before it wrote the file by which a user is known.
        patterns = (paths.prewarm_file("*"), paths.session_file("*"))
        files += [_file(path, None) for pattern in patterns for path in named_files(pattern).values()]
    # Users are known by these files. They go last, so that the next run finishes a run that was killed.
    return [*files, *(_file(paths.environment_file(name), None) for name in removed)]


def _editor_files(expected: ExpectedDaemons, applied: Applied) -> list[ManagedFile]:
    """Return the settings of the users' editors, and their record."""
    settings = MachineSettings({ROLE: {user.account.name: _declared(expected, user) for user in expected.users}})
    files = [
        settings.file(
            user.account,
            path,
            previous=_previous(user.account.name, applied),
            create=expected.vscode_create and number == 0,
        )
        for user in expected.users
        for number, path in enumerate(user.vscode_settings)
    ]
    return [*files, settings.record(expected.removes)]


def _previous(name: str, applied: Applied) -> Settings:
    """Return what an earlier version has written into the settings of a user's editors."""
    return {"go.languageServerFlags": [_remote(name)], "gopls": applied.get("settings") or {}}


def _remote(name: str) -> str:
    return f"-remote=unix;{paths.socket_of(name)}"


def _declared(expected: ExpectedDaemons, user: UserEnvironment) -> Settings:
    """Return the settings of a user's editors: how they start gopls, and those of gopls."""
    remote = [_remote(user.account.name)] if expected.shared else []
    flags = [*remote, *(["-rpc.trace"] if expected.trace else [])]
    tools = {} if expected.shared else {"gopls": shared_path(expected.daemon.gopls)}
    parts = {"go.languageServerFlags": flags, "gopls": dict(expected.settings), "go.alternateTools": tools}
    return {name: value for name, value in parts.items() if value}


def _known_accounts(names: t.Iterable[str]) -> list[Account]:
    return [account for account in map(find_known_account, names) if account]


def _system_files(expected: ExpectedDaemons, kept: t.Sequence[str]) -> list[ManagedFile]:
    daemon = expected.daemon
    accounts = [user.account for user in expected.users]
    everybody = sorted([*accounts, *_known_accounts(kept)], key=lambda account: account.name)
    prewarmed = bool(expected.prewarmed) or any(os.path.exists(paths.prewarm_file(name)) for name in kept)
    files = [_file(path, text) for path, text in units.render_units(daemon).items()]
    files += [
        _file(paths.TMPFILES, host_files.render_tmpfiles(everybody, daemon.log)),
        _file(paths.CRASH, host_files.render_crash_script(daemon.log), mode=0o755),
        _file(paths.LOGROTATE, host_files.render_log_rotation() if daemon.log else None),
        _file(paths.PREWARM, _render_program(prewarm) if prewarmed else None, mode=0o755),
    ]
    session = units.render_session_drop_in(daemon.limits) if daemon.limits.session else None
    files += [_file(paths.session_file(account.uid), session) for account in accounts]
    return [*files, *_prewarm_files(expected)]


def _prewarm_files(expected: ExpectedDaemons) -> list[ManagedFile]:
    binary = os.path.realpath(expected.daemon.gopls)
    names = [user.account.name for user in expected.prewarmed]
    texts = {
        user.account.name: units.render_prewarm_drop_in(sys.executable, binary, user.workspaces, previous)
        for user, previous in zip(expected.prewarmed, ["", *names])
    }
    return [_file(paths.prewarm_file(name), texts.get(name)) for name in expected.names]


def _render_program(module: t.Any) -> str:
    return f"#!{sys.executable}\n{paths.HEADER}{source_of(module)}"


def _cleared_settings(expected: ExpectedDaemons, account: Account, applied: Applied) -> list[ManagedFile]:
    recorded = read_record(ROLE, _values_to_record(expected))
    settings, programs = MachineSettings({ROLE: {}}), _shared_scripts(expected)
    previous = _previous(account.name, applied)

    def corrections(file: EditorFile) -> list[Edit]:
        return removals_of(file, "go.alternateTools", lambda _name, value: value in programs)

    return [
        settings.cleared_file(account, path, previous=previous, corrections=corrections)
        for path in machine_settings(account, recorded["vscode_settings"])
    ]


def _shared_scripts(expected: ExpectedDaemons) -> list[str]:
    """Return the paths that the script for users without a daemon has, or had in earlier runs."""
    return list(map(shared_path, read_record(ROLE, _values_to_record(expected))["gopls"]))


def _values_to_record(expected: ExpectedDaemons) -> Record:
    return {"vscode_settings": expected.vscode_settings, "gopls": [expected.daemon.gopls]}


def _json(value: t.Mapping[str, t.Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def _file(path: str, text: str | None, *, mode: int = 0o644) -> ManagedFile:
    return ManagedFile(path, lambda _now: text, mode=mode)
