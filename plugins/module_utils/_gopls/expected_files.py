# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a host should have for its gopls daemons, and which it should no longer have."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import typing as t

from .._core.errors import DevserverError
from .._environment.contexts.vscode_server import shared_path
from .._environment.declaration import UserEnvironment
from .._host.accounts import Account, find_account
from .._host.managed_files import ManagedFile
from . import host_files, paths, prewarm, units
from .editor import MachineSettings, settings_file
from .expected import ExpectedDaemons

# What the last run applied: the text of paths.APPLIED, parsed.
Applied = t.Mapping[str, t.Any]


def expected_files(expected: ExpectedDaemons, applied: Applied) -> list[ManagedFile]:
    """Return the files for the listed users."""
    if not expected.users:
        return []
    record = {"settings": expected.settings, "workarounds": list(expected.workarounds)}
    gopls = expected.daemon.gopls
    files = [
        _file(paths.SETTINGS, _json(expected.settings)),
        _file(paths.APPLIED, _json(record)),
        _file(shared_path(gopls), host_files.render_shared_gopls(gopls), mode=0o755),
    ]
    for number, user in enumerate(expected.users):
        files += _user_files(expected, user, number, applied)
    return [*files, *_system_files(expected)] if expected.shared else files


def removed_files(expected: ExpectedDaemons, removed: t.Sequence[str], applied: Applied) -> list[ManagedFile]:
    """Return the files of users who are no longer listed, and the shared ones if nobody is, each without content."""
    files = []
    for name in removed:
        files.append(_file(paths.prewarm_file(name), None))
        with contextlib.suppress(DevserverError):  # The account may be gone as well.
            account = find_account(name)
            files.append(_file(paths.session_file(account.uid), None))
            files += _cleared_settings(expected, account, applied)
    if removed and not expected.users:
        scripts = (paths.CRASH, paths.PREWARM, shared_path(expected.daemon.gopls))
        configuration = (paths.SETTINGS, paths.APPLIED, paths.TMPFILES, paths.LOGROTATE)
        files += [_file(path, None) for path in (*scripts, *configuration, *units.render_units(expected.daemon))]
    # Users are known by these files. They go last, so that the next run finishes a run that was killed.
    return [*files, *(_file(paths.environment_file(name), None) for name in removed)]


def _user_files(expected: ExpectedDaemons, user: UserEnvironment, number: int, applied: Applied) -> list[ManagedFile]:
    name = user.account.name
    port = expected.pprof_port + number if expected.pprof_port else 0
    variables = host_files.gopls_variables(name, expected.daemon.limits, expected.environment, port)
    remote = [f"-remote=unix;{paths.socket_of(name)}"] if expected.shared else []
    settings = MachineSettings(
        [*remote, *(["-rpc.trace"] if expected.trace else [])],
        expected.settings,
        applied.get("settings") or {},
        "" if expected.shared else shared_path(expected.daemon.gopls),
    )
    editor = [
        settings_file(user.account, path, settings, create=expected.vscode_create and place == 0)
        for place, path in enumerate(user.vscode_settings)
    ]
    return [_file(paths.environment_file(name), host_files.render_variables(variables)), *editor]


def _system_files(expected: ExpectedDaemons) -> list[ManagedFile]:
    daemon = expected.daemon
    accounts = [user.account for user in expected.users]
    files = [_file(path, text) for path, text in units.render_units(daemon).items()]
    files += [
        _file(paths.TMPFILES, host_files.render_tmpfiles(accounts, daemon.log)),
        _file(paths.CRASH, host_files.render_crash_script(daemon.log), mode=0o755),
        _file(paths.LOGROTATE, host_files.render_log_rotation() if daemon.log else None),
        _file(paths.PREWARM, _render_program(prewarm) if expected.prewarmed else None, mode=0o755),
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
    """Return a module as a program; its text comes from the loader, because ansible packs modules into an archive."""
    text = module.__loader__.get_source(module.__name__)
    return f"#!{sys.executable}\n{paths.HEADER}{text}"


def _cleared_settings(expected: ExpectedDaemons, account: Account, applied: Applied) -> list[ManagedFile]:
    settings = MachineSettings([], {}, applied.get("settings") or {})
    names = [path.replace("{home}", account.home).replace("{user}", account.name) for path in expected.vscode_settings]
    return [settings_file(account, path, settings, create=False) for path in names if os.path.isabs(path)]


def _json(value: t.Mapping[str, t.Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def _file(path: str, text: str | None, *, mode: int = 0o644) -> ManagedFile:
    return ManagedFile(path, lambda _now: text, mode=mode)
