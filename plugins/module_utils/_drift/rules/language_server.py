# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language servers that provisioning has given to users, and what keeps an editor from them."""

from __future__ import annotations

import os
import shlex
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule, moment
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import (
    LIMITS,
    EditorSettings,
    Gopls,
    LanguageServer,
    Setting,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.paths import APPLIED
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.settings import (
    Schema,
    read_schema,
    validate_settings,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.workarounds import (
    KNOWN,
    Workaround,
    match_workarounds,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.unit_state import State

NOT_SHARED = Rule(
    "GD1001",
    "warning",
    "An editor does not use the user's language server",
    "The editor starts a gopls of its own, without the memory limit and with a cold cache, beside the shared one.",
    why="""\
`go.languageServerFlags` in the machine settings of a user's VS Code server must have `-remote=unix;` and the socket of
the user's own daemon. Somebody has replaced the list, the file was made after the host was provisioned, or another
socket is named. A list in a workspace's own `.vscode/settings.json` takes the place of that one there, and must have it
too. Files that are not there are no finding.""",
    mend="""\
Provision the host again with `--tags language_server`: flags of the user's own stay behind ours. A workspace's own list
is left alone by that: delete it, or put the flag into it.""",
    example="/home/alice/.vscode-server/data/Machine/settings.json has no -remote=unix;/run/gopls/alice/gopls.sock",
)
NO_SOCKET = Rule(
    "GD1002",
    "error",
    "The socket of a language server is not there",
    "Editors that were told to use it have no language server at all.",
    why="""\
systemd listens in the user's place: `gopls-proxy@USER.socket` must be active, and its file be there. It was stopped, it
failed, or somebody has removed the file from /run/gopls. Nobody connects to find out: that would start the daemon.""",
    mend="`systemctl start gopls-proxy@USER.socket`; where that fails, `systemctl status` says why.",
    example="gopls-proxy@alice.socket is inactive: nobody listens at /run/gopls/alice/gopls.sock",
)
UNIT_FAILED = Rule(
    "GD1003",
    "warning",
    "A unit of a language server has failed",
    "The language server is not there, or its cache is cold and the first diagnostics take minutes.",
    why="""\
systemd says that the user's daemon, its proxy, or the analysis ahead of time (`gopls-prewarm@USER`) has failed; or the
timer of that analysis is not active, though the user has workspaces.""",
    mend="Read `systemctl status UNIT` and `journalctl -u UNIT`, mend what they name, then start the unit again.",
    example="gopls-prewarm@alice.service is failed (timeout)",
)
OTHER_LIMITS = Rule(
    "GD1004",
    "warning",
    "A language server has other limits than those that were rendered",
    "It may take the memory of everybody else, or is ended long before its cap.",
    why="""\
`systemctl show` says what is in force for `gopls@USER.service` and for the slice of the user's sessions, and that is
not what the rendered files say: there is a drop-in beside them, `systemctl set-property` has been used, or systemd has
not read them again. The source is the line that wins, where a file has one.""",
    mend="Remove what overrules the rendered file, or declare the limit; then `systemctl daemon-reload`.",
    example="gopls@alice.service has MemoryMax=infinity instead of 2146435072",
)
OLD_DAEMON = Rule(
    "GD1005",
    "warning",
    "A language server runs with a former binary or environment",
    "Its editors work with another gopls, heap limit or work-around than the declared ones until it is restarted.",
    why="""\
The binary that the running daemon was started from is not the pinned one, or has been deleted since; or it was started
with other variables than those that are rendered now. A daemon runs for days.""",
    mend="Provision the host again with `--tags language_server`, or `systemctl restart gopls@USER.service`.",
    example="the gopls of alice with the process id 4711 runs /usr/local/lib/go-tools/gopls/v0.15.3-go1.22.12/gopls",
)
FAILED_LATELY = Rule(
    "GD1006",
    "warning",
    "A language server has failed lately",
    "The editor stood without diagnostics and completion for a while, and will again.",
    why="""\
What a daemon said before it failed is kept in /var/log/gopls/crashes; logs of the last seven days are told, or of
`drift_crash_days`. A result of `signal` and `KILL`, or `oom-kill`, is mostly the memory's cap; anything else a fault of
gopls.""",
    mend="""\
Read the log. At the cap give it more (`language_server_memory`) or less to do (`build.directoryFilters`); for a fault
of gopls pin another version or declare a work-around. The log may be deleted then.""",
    example="gopls of alice has failed 2 times, last at 2026-01-31T12:00:00Z: result signal, killed KILL",
)
UNHELPED = Rule(
    "GD1007",
    "warning",
    "This gopls has a known fault that nothing works around",
    "It crashes, or reports what is not so, on code that triggers the fault.",
    why="""\
The pinned gopls, with the Go that built it, is in the table of known faults (or in `language_server_workarounds`), and
the work-around is not among those that provisioning has applied; or there is none but another version.""",
    mend="Provision the host again with `--tags language_server`, or pin the version that the remedy names.",
    example="gopls 0.15.0 crashes where return values are highlighted",
)
NEEDLESS = Rule(
    "GD1008",
    "note",
    "A work-around is in use that this gopls does not need",
    "gopls does less than it could, for a fault that is gone.",
    why="""\
It was applied for other versions of gopls or Go than those in use now, or the play still has it though its versions do
not match any more.""",
    mend="Provision the host again with `--tags language_server`, and take it out of `language_server_workarounds`.",
    example="the work-around type-aliases-before-0.16 does not apply to gopls v0.16.2, built by go1.22.12",
)
REFUSED_SETTING = Rule(
    "GD1009",
    "warning",
    "A setting that the pinned gopls refuses",
    "The editor shows an error at each start, and gopls works without the setting.",
    why="""\
The pinned binary is asked which settings it has (`gopls api-json`), and those in `gopls` of the machine settings and of
workspaces' own are compared with that: names by their full or short form, and the types of values.""",
    mend="Correct or delete it; `language_server_settings` are judged before they are written.",
    example="/home/alice/.vscode-server/data/Machine/settings.json:9: staticchek: gopls has no such setting",
)
RULES = (
    NOT_SHARED,
    NO_SOCKET,
    UNIT_FAILED,
    OTHER_LIMITS,
    OLD_DAEMON,
    FAILED_LATELY,
    UNHELPED,
    NEEDLESS,
    REFUSED_SETTING,
)

_AGAIN = "provision the host again with --tags language_server"
_FLAGS = "go.languageServerFlags"
# Bytes: what systemd may round a size by.
_ROUNDED = 65536


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    there = snapshot.language_servers.there
    for server in there:
        yield from _editors(server, snapshot.editor_files)
        yield from _units(server)
        yield from _limits(server)
        yield from _daemon(server, snapshot.language_servers.gopls)
        yield from _crashes(server, snapshot.language_servers.crash_days)
    if there:
        yield from _work_arounds(snapshot.language_servers.gopls)
        yield from _settings(there, snapshot)


def _of(server: LanguageServer, files: t.Sequence[EditorSettings]) -> list[EditorSettings]:
    """Return a user's settings, of the machine and of workspaces; what a dev container has is for the gopls in it."""
    return [file for file in files if file.user == server.user and file.kind == "settings" and file.path]


def _editors(server: LanguageServer, files: t.Sequence[EditorSettings]) -> t.Iterator[Finding]:
    wanted = f"-remote=unix;{server.socket}"
    for file in _of(server, files) if server.mode == "daemon" else ():
        # A null stands for a setting that is not there.
        setting = next((one for one in file.settings if one.name == _FLAGS and one.value is not None), None)
        flags = setting.value if setting and isinstance(setting.value, list) else []
        machine = file.path in server.user.vscode_settings
        # A workspace that says nothing has what the machine's say.
        if wanted not in flags and (machine or setting):
            source = setting.source if setting else Source("file", file.path)
            cause = f"{source} has no {wanted}"
            remedy = Remedy(_AGAIN if machine else f"delete it, or put {wanted} into it")
            yield _finding(
                NOT_SHARED, server, cause, remedy, source, _FLAGS, context="vscode_server", subject=file.path
            )


def _units(server: LanguageServer) -> t.Iterator[Finding]:
    for unit, state in server.units.items():
        if unit.endswith(".socket"):
            yield from _socket(server, unit, state)
        elif unit.endswith(".timer") and not state.active:
            remedy = Remedy(f"start it, or {_AGAIN}", [f"systemctl enable --now {shlex.quote(unit)}"])
            yield _finding(UNIT_FAILED, server, f"{unit} is not active", remedy, state.source, subject=unit)
        elif state.failed:
            cause = f"{unit} is failed ({state.result})"
            remedy = Remedy(f"mend what 'journalctl -u {unit}' names, then start it again")
            yield _finding(UNIT_FAILED, server, cause, remedy, state.source, subject=unit)


def _socket(server: LanguageServer, unit: str, state: State) -> t.Iterator[Finding]:
    if state.active and server.listens:
        return
    how = state.values.get("ActiveState", "not there")
    how += f" ({state.result})" if state.failed else ""
    cause = f"{unit} is {how}: nobody listens at {server.socket}"
    remedy = Remedy(
        f"start it; where it fails, see 'systemctl status {unit}'", [f"systemctl start {shlex.quote(unit)}"]
    )
    if state.active:
        cause = f"{unit} is active, but its file {server.socket} is gone"
        proxy = unit.replace(".socket", ".service")
        remedy = Remedy(f"stop {proxy}, which a socket that is in use does not let be, and restart {unit}")
    yield _finding(NO_SOCKET, server, cause, remedy, state.source)


def _limits(server: LanguageServer) -> t.Iterator[Finding]:
    for unit, (path, rendered) in server.rendered.items():
        for name in LIMITS:
            state, wanted = server.units[unit], rendered.get(name)
            actual = state.values.get(name, "")
            if wanted is None or not actual or _same(actual, wanted):
                continue
            source = state.line(rf"\s*{name}\s*=")
            theirs = source and source.file != path
            way = f"remove the line {source}" if theirs else "let systemd read its files again"
            commands = [] if theirs else ["systemctl daemon-reload"]
            cause = f"{unit} has {name}={actual} instead of {wanted}"
            remedy = Remedy(f"{way}, or declare the limit", commands)
            yield _finding(OTHER_LIMITS, server, cause, remedy, source, name, subject=unit)


def _same(actual: str, wanted: str) -> bool:
    if actual.isdigit() and wanted.isdigit() and int(wanted) > _ROUNDED:
        return abs(int(actual) - int(wanted)) < _ROUNDED
    return actual == wanted


def _daemon(server: LanguageServer, gopls: Gopls) -> t.Iterator[Finding]:
    daemon = server.daemon
    if daemon is None:
        return
    # Profiles are served from the next start on, which is not worth one.
    wanted = {name: value for name, value in server.variables.items() if name != "GOPLS_FLAGS"}
    late = [name for name, value in wanted.items() if daemon.environment.get(name) != value]
    amiss = [f"runs {daemon.binary} instead of {gopls.path}"] if gopls.info and daemon.binary != gopls.path else []
    amiss += [f"was started with other values of {', '.join(late)}"] if late else []
    if amiss:
        cause = f"the gopls of {server.user.account.name} {' and '.join(amiss)}"
        remedy = Remedy(f"{_AGAIN}, or restart it when nobody works with it")
        yield _finding(OLD_DAEMON, server, cause, remedy, Source("process"), since=daemon.started)


def _crashes(server: LanguageServer, days: float) -> t.Iterator[Finding]:
    late = [crash for crash in server.crashes if crash.at > time.time() - days * 86400]
    if late:
        name, newest = server.user.account.name, late[0]
        often = "once" if len(late) == 1 else f"{len(late)} times"
        cause = f"gopls of {name} has failed {often}, last at {moment(newest.at)}: {newest.result}"
        remedy = Remedy(
            f"read {newest.path}; at the memory's cap give it more by language_server_memory,"
            " for a fault of gopls pin another version"
        )
        yield _finding(FAILED_LATELY, server, cause, remedy, Source("file", newest.path))


def _work_arounds(gopls: Gopls) -> t.Iterator[Finding]:
    if gopls.info is None:
        return
    entries = {entry.name: entry for entry in (*KNOWN, *gopls.added)}
    needed, _over = match_workarounds(gopls.info.version, gopls.info.go, gopls.added)
    for entry in needed:
        if entry.name not in gopls.applied or entry.pin:
            yield _unhelped(entry, gopls)
    # Of a name that nobody explains there is no telling.
    used = {*gopls.applied, *(entry.name for entry in gopls.added)}
    for name in sorted(used & {*entries} - {entry.name for entry in needed}):
        applied = name in gopls.applied
        versions = f"gopls {gopls.info.version}, built by {gopls.info.go}"
        way = _AGAIN if applied else "take it out of language_server_workarounds"
        source = Source("file", APPLIED) if applied else None
        cause = f"the work-around {name} does not apply to {versions}"
        yield Finding(NEEDLESS, cause, Remedy(way), variable="gopls", source=source, subject=name)


def _unhelped(entry: Workaround, gopls: Gopls) -> Finding:
    way = f"use {entry.pin}" if entry.pin else _AGAIN
    source = Source("file", gopls.path)
    return Finding(UNHELPED, entry.reason, Remedy(way), variable="gopls", source=source, subject=entry.name)


def _settings(there: t.Sequence[LanguageServer], snapshot: Snapshot) -> t.Iterator[Finding]:
    found = [
        (server, file, one) for server in there for file in _of(server, snapshot.editor_files) for one in _own(file)
    ]
    schema = _schema(snapshot.language_servers.gopls) if found else None
    for server, file, setting in found if schema else ():
        for name, value in setting.value.items():
            for problem in _refused(name, value, schema or {}):
                source = setting.inner.get(name, setting.source)
                cause = f"{source}: {problem}"
                remedy = Remedy("correct or delete it; 'gopls api-json' lists what there is")
                yield _finding(
                    REFUSED_SETTING,
                    server,
                    cause,
                    remedy,
                    source,
                    f"gopls.{name}",
                    context="vscode_server",
                    subject=file.path,
                )


def _own(file: EditorSettings) -> list[Setting]:
    return [one for one in file.settings if one.name == "gopls" and isinstance(one.value, dict) and one.value]


def _schema(gopls: Gopls) -> Schema | None:
    """Return what the pinned gopls knows; None where there is none to ask, which is a finding of its own."""
    try:
        return read_schema(gopls.path) if gopls.info and os.access(gopls.path, os.X_OK) else None
    except DevserverError:
        return None


def _refused(name: str, value: t.Any, schema: Schema) -> list[str]:
    try:
        validate_settings({name: value}, schema)
    except DevserverError as error:
        return list(error.details["refused"])
    return []


def _finding(
    rule: Rule,
    server: LanguageServer,
    cause: str,
    remedy: Remedy,
    source: Source | None,
    variable: str = "",
    *,
    context: str = "",
    subject: str = "",
    since: float | None = None,
) -> Finding:
    place = (server.user.account.name, context, variable, source)
    return Finding(rule, cause, remedy, *place, subject=subject, since=since)
