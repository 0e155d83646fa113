# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language servers of users: their units, limits, processes and crash logs."""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import re
import typing as t

from ..._core.errors import DevserverError
from ..._environment.declaration import UserEnvironment
from ..._gopls import paths
from ..._gopls.settings import Schema, read_schema
from ..._gopls.units import serves_profiles
from ..._host.accounts import Account
from ..._host.files import is_socket, open_unfollowed, read_text
from ..._host.procfs import read_process
from ..._host.reading_limit import reading
from ..._host.user_access import call_as
from ..._systemd import systemctl
from ..._systemd.environment_files import last_change, variables_in
from ..._systemd.systemctl import manager_runs
from ..._systemd.unit_state import State, edits_of, settings_in, states_of
from ..._tools.build_info import read_build_info
from ..._tools.workarounds import Workaround
from ..records.editor_settings import EditorSettings
from ..records.language_servers import LIMITS, Crash, Gopls, LanguageServer, LanguageServers

_MODULE = "golang.org/x/tools/gopls"
_PROPERTIES = ("MainPID", *LIMITS)
# Those that are kept of a user.
_MOST_CRASHES = 10
# Characters of a crash log's first line.
_SHORT = 200


def pinned(path: str, added: t.Sequence[t.Mapping[str, t.Any]]) -> Gopls:
    """Return the gopls at ``path``; ``added`` are workarounds in the format of gopls_service."""
    info = None
    with contextlib.suppress(DevserverError):
        build_info = read_build_info(path)
        info = build_info if build_info.module == _MODULE else None
    applied: t.Any = None
    with contextlib.suppress(ValueError, DevserverError):
        applied = json.loads(read_text(paths.APPLIED) or "{}")
    names = applied.get("workarounds") if isinstance(applied, dict) else None
    workarounds = [Workaround(**entry) for entry in added]
    changed = None
    with contextlib.suppress(OSError):
        changed = os.stat(paths.SETTINGS).st_mtime
    return Gopls(os.path.realpath(path), info, names if isinstance(names, list) else [], workarounds, changed)


def collect(
    users: t.Sequence[UserEnvironment], files: t.Sequence[EditorSettings], gopls: Gopls, crash_days: float
) -> LanguageServers:
    """Return the language servers of ``users``, read from files, from /proc and from systemd."""
    servers = LanguageServers([with_lines(server) for server in servers_of(users)], gopls, crash_days)
    return servers._replace(schema=schema_for(servers, files))


def schema_for(servers: LanguageServers, files: t.Sequence[EditorSettings]) -> Schema | None:
    """Return the settings of the pinned gopls; None if no user has any, or if gopls does not report them."""
    users = [server.user for server in servers.provisioned]
    used = any(file.gopls_settings for file in files if file.kind == "settings" and file.user in users)
    path = servers.gopls.path
    try:
        return read_schema(path) if used and servers.gopls.info and os.access(path, os.X_OK) else None
    except DevserverError:
        return None


def servers_of(users: t.Sequence[UserEnvironment]) -> list[LanguageServer]:
    """Return the language server of each user. Nothing connects to a socket: that would start the daemon."""
    mode = "daemon" if manager_runs() else "per-editor"
    variables = {user.account.name: _variables(user.account.name) for user in users}
    names = [unit for user in users if variables[user.account.name] for unit in _units_of(user)]
    states = states_of(names, _PROPERTIES) if mode == "daemon" else {}
    servers = []
    for user in users:
        rendered = variables[user.account.name]
        # A user may mount a file system that hangs on directories of the daemon.
        with reading(user.account):
            servers.append(_server(user, mode, rendered, states) if rendered else LanguageServer(user))
    return servers


def with_lines(server: LanguageServer) -> LanguageServer:
    """Return ``server`` with the lines that set other limits than the rendered ones, and those of drop-ins."""
    lines = {
        (limit.unit, limit.name): server.units[limit.unit].line(rf"\s*{limit.name}\s*=")
        for limit in server.other_limits
    }
    rendered = [os.path.join(systemctl.UNIT_DIR, re.sub(r"^([^@]*@).*[.]", r"\1.", unit)) for unit in server.units]
    rendered += [paths.prewarm_file(server.user_name), paths.session_file(server.user.account.uid)]
    overrides = {unit: state.overrides(rendered) for unit, state in server.units.items()}
    # The slice of a user's sessions is systemd's own: only its limits are rendered.
    for unit in (unit for unit in overrides if unit.endswith(".slice")):
        overrides[unit] = [override for override in overrides[unit] if override.edited]
    return server._replace(limit_lines=lines, overrides=overrides)


def _variables(user: str) -> dict[str, str]:
    """Return the variables that provisioning has rendered for a user's gopls; none without a language server."""
    return variables_in(*paths.environment_files(user)) if variables_in(paths.environment_file(user)) else {}


def _units_of(user: UserEnvironment) -> list[str]:
    name = user.account.name
    prewarm = [] if os.path.exists(paths.prewarm_file(name)) else [paths.prewarm_unit(name), paths.prewarm_timer(name)]
    command = settings_in(f"{systemctl.UNIT_DIR}/gopls@.service").get("ExecStart", "")
    profiles = [] if serves_profiles(command) else [paths.pprof_socket(name), paths.pprof_proxy(name)]
    units = [unit for unit in paths.units_of(name) if unit not in (*prewarm, *profiles)]
    return [*units, paths.session_slice(user.account.uid)]


def _server(
    user: UserEnvironment, mode: str, variables: t.Mapping[str, str], states: t.Mapping[str, State]
) -> LanguageServer:
    own_states = {unit: states[unit] for unit in _units_of(user) if unit in states}
    server = LanguageServer(user, mode, variables, own_states, crashes=_crashes(user.account))
    if not own_states:
        return server
    slice_name = paths.session_slice(user.account.uid)
    files = {server.unit: f"{systemctl.UNIT_DIR}/gopls@.service", slice_name: paths.session_file(user.account.uid)}
    rendered = {unit: (path, _limits(path)) for unit, path in files.items()}
    daemon = read_process(int(own_states[server.unit].values.get("MainPID", "0")))
    missing = [path for path in server.sockets.values() if not is_socket(path)]
    changed = last_change(*paths.environment_files(server.user_name))
    return server._replace(missing=missing, daemon=daemon, rendered=rendered, variables_changed=changed)


def _limits(path: str) -> dict[str, str]:
    """Return the rendered limits, without those that were edited in the file."""
    edited = {edit.directive.partition("=")[0].strip() for edit in edits_of(path)}
    return {name: value for name, value in settings_in(path).items() if name in LIMITS and name not in edited}


def _crashes(account: Account) -> list[Crash]:
    """Return the last crash logs of a user's daemon, newest first; the user can make any number of them."""
    with contextlib.suppress(DevserverError, OSError):
        crashes = [Crash(*entry) for entry in call_as(account, lambda: _read_crashes(account.name))]
        return sorted(crashes, key=lambda crash: crash.at, reverse=True)
    return []


def _read_crashes(user: str) -> list[Crash]:
    entries = (entry.path for entry in os.scandir(paths.crash_directory(user)) if entry.name.endswith(".log"))
    # The names begin with the time.
    last = heapq.nlargest(_MOST_CRASHES, entries)
    return [Crash(path, _first_line(path), os.lstat(path).st_mtime) for path in last if os.path.lexists(path)]


def _first_line(path: str) -> str:
    """Return the first line of a log; empty if its owner keeps it from being read, such as by a lease on it."""
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace", opener=open_unfollowed) as file:
        return file.readline(_SHORT).strip()
    return ""
