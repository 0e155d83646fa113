# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language servers of users, and the settings that keep an editor from using them."""

from __future__ import annotations

import shlex
import typing as t

from ..._core.errors import DevserverError
from ..._core.provenance import PROCESS, Source
from ..._gopls.paths import APPLIED
from ..._gopls.settings import Schema, validate_settings
from ..._systemd.unit_state import State
from ..._tools.workarounds import KNOWN, Workaround, match_workarounds
from ..finding import Finding, Remedy, Rule, format_time
from ..records.editor_settings import EditorSettings
from ..records.language_servers import Gopls, LanguageServer
from ..snapshot import Snapshot
from .overrides import of_override

NOT_SHARED = Rule(
    "GD1001",
    severity="warning",
    title="An editor does not use the user's language server",
    impact="The editor starts its own gopls beside the shared one, without the memory limit and with a cold cache.",
    why="""\
`go.languageServerFlags` in the machine settings of a user's VS Code server must contain `-remote=unix;` with the socket
of the user's daemon. The list was replaced, the file was created after provisioning, or it names another socket. A list
in a workspace's `.vscode/settings.json` overrides that one there, and must contain the flag too. Missing files are not
reported.""",
    fix="""\
Provision the host again with `--tags language_server`: that keeps the user's own flags behind ours. It leaves a
workspace's own list alone: delete that list, or add the flag to it.""",
    example="/home/alice/.vscode-server/data/Machine/settings.json lacks -remote=unix;/run/gopls/alice/gopls.sock",
)
NO_SOCKET = Rule(
    "GD1002",
    severity="error",
    title="The socket of a language server is missing",
    impact="Editors that are configured to use it have no language server at all.",
    why="""\
systemd listens for the user: `gopls-proxy@USER.socket` must be active, and its file must exist. With
`language_server_pprof: true` the same applies to `gopls-pprof@USER.socket`. It was stopped, it failed, or the file was
removed from /run/gopls. The socket is examined without a connection, which would start the
daemon.""",
    fix="Run `systemctl start gopls-proxy@USER.socket`. If that fails, read `systemctl status` of it.",
    example="gopls-proxy@alice.socket is inactive; expected a socket at /run/gopls/alice/gopls.sock",
)
UNIT_FAILED = Rule(
    "GD1003",
    severity="warning",
    title="A unit of a language server has failed",
    impact="The language server is missing, or its cache is cold and the first diagnostics take minutes.",
    why="""\
systemd reports that the user's daemon, its proxy, or the prewarm of its cache (`gopls-prewarm@USER`) has failed; or the
timer of the prewarm is not active although the user has workspaces.""",
    fix="""\
Read `systemctl status UNIT` and `journalctl -u UNIT`, correct the reported error, and start the unit again.""",
    example="gopls-prewarm@alice.service has failed (timeout)",
)
OTHER_LIMITS = Rule(
    "GD1004",
    severity="warning",
    title="A language server has other limits than the rendered ones",
    impact="It may use the memory of other users, or is killed long before its limit.",
    why="""\
`systemctl show` reports the limits in force for `gopls@USER.service` and for the slice of the user's sessions. They
differ from the rendered files because of a drop-in, because of `systemctl set-property`, or because systemd has not
read the files again. The source is the line that takes effect, if a file has one.""",
    fix="""\
Remove the line that overrides the rendered file and run `systemctl daemon-reload`; or declare the limit in
`language_server_memory`, `language_server_session_memory` (the slice), `language_server_cpu_weight` or
`language_server_oom_score`, and provision again with `--tags language_server`.""",
    example="gopls@alice.service has MemoryMax=infinity; expected 2146435072",
)
OLD_DAEMON = Rule(
    "GD1005",
    severity="warning",
    title="A language server runs with a previous binary, environment or settings",
    impact="Its editors use another gopls, heap limit, workaround or setting than the declared ones until it restarts.",
    why="""\
The binary of the running daemon is not the pinned one, or has been deleted; the daemon started with other variables
than those that are rendered now (`devserver_variables`, the heap limit, those of workarounds); or it started before
provisioning changed `language_server_settings`. A daemon runs for days, and an editor sends the settings when it
connects: open windows may work with the previous ones.""",
    fix="""\
Provision the host again with `--tags language_server`, or run `systemctl restart gopls@USER.service`. Changed settings
need the restart alone, which provisioning leaves to the user, so that editors stay connected.""",
    example="the gopls of alice runs /usr/local/lib/go-tools/gopls/v0.15.3-go1.22.12/gopls; expected v0.16.2",
)
FAILED_LATELY = Rule(
    "GD1006",
    severity="warning",
    title="A language server has failed recently",
    impact="The editor had no diagnostics and completion for some time, and the failure can recur.",
    why="""\
The output of a daemon before a failure is kept in /var/log/gopls/crashes; the logs of the last seven days, or of
`drift_crash_days`, are reported. A result of `signal` and `KILL`, or `oom-kill`, usually means the memory limit. Any
other result is usually a bug in gopls.""",
    fix="""\
Read the log. At the memory limit, raise `language_server_memory` or exclude directories (`build.directoryFilters`). For
a bug in gopls, pin another version or declare a workaround. Then the log can be deleted.""",
    example="the gopls of alice has failed 2 times, last at 2026-01-31T12:00:00Z: result signal, killed KILL",
)
UNHELPED = Rule(
    "GD1007",
    severity="warning",
    title="This gopls has a known bug without a workaround",
    impact="It crashes, or reports wrong results, for code that triggers the bug.",
    why="""\
The pinned gopls, with the Go that built it, is in the table of known bugs (or in `devserver_gopls_workarounds`), and
provisioning has not applied the workaround; or only another version helps.""",
    fix="Provision the host again with `--tags language_server`, or pin the version that the remedy names.",
    example="gopls 0.15.0 crashes where return values are highlighted",
)
NEEDLESS = Rule(
    "GD1008",
    severity="note",
    title="A workaround is in use that this gopls does not need",
    impact="gopls lacks a feature because of a bug that it does not have.",
    why="""\
It was applied for other versions of gopls or Go than those in use now, or the play still contains it although its
versions no longer match.""",
    fix="Provision the host again with `--tags language_server`, and remove it from `devserver_gopls_workarounds`.",
    example="the workaround type-aliases-before-0.16 does not apply to gopls v0.16.2, built by go1.22.12",
)
INVALID_SETTING = Rule(
    "GD1009",
    severity="warning",
    title="The pinned gopls rejects a setting",
    impact="The editor shows an error at each start, and gopls works without the setting.",
    why="""\
The pinned binary reports its settings (`gopls api-json`). Those in `gopls` of the machine settings and of workspaces
are compared with that: names in their full or short form, and the types of values.""",
    fix="Correct or delete it. `language_server_settings` are validated before they are written.",
    example="/home/alice/.vscode-server/data/Machine/settings.json:9: staticchek: gopls has no such setting",
)

OVERRIDDEN = Rule(
    "GD1010",
    severity="warning",
    title="A unit of a language server was edited or overridden",
    impact="The language server runs with other variables, commands or restrictions than the rendered ones.",
    why="""\
`systemctl show` names the files of each unit. A drop-in in /etc or /run that provisioning has not rendered changes the
unit: the finding names each of its directives, except for those that are in the rendered unit too. A unit file for one
user in the place of the rendered template is reported as a whole. The rendered files, also the drop-in of the slice of
a user's sessions, end with checksums of their lines: each line that was edited on the host is reported, too. Limits in
force are GD1004. Files of packages, in /usr/lib, are not reported.""",
    fix="""\
Remove the line or the file and run `systemctl daemon-reload`, then restart the unit. If a rendered file was edited,
provision the host again with `--tags language_server`. Declare variables with `devserver_variables`, and limits as
GD1004 describes.""",
    example="gopls@alice.service has Environment=GOFLAGS=-mod=vendor, which provisioning has not rendered",
)

_PROVISION_AGAIN = "provision the host again with --tags language_server"
_FLAGS = "go.languageServerFlags"
# The variables that declare the limits of a daemon; no variable declares the others.
_VARIABLES = {
    "MemoryMax": "language_server_memory",
    "MemoryHigh": "language_server_memory",
    "CPUWeight": "language_server_cpu_weight",
    "OOMScoreAdjust": "language_server_oom_score",
}


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    servers = snapshot.language_servers
    for server in servers.provisioned:
        if server.mode == "daemon":
            yield from _editors(server, snapshot.editor_files)
        yield from _units(server)
        yield from _limits(server)
        yield from _overrides(server)
        yield from _daemon(server, servers.gopls)
        yield from _crashes(server, snapshot.taken_at - servers.crash_days * 86400)
    if servers.provisioned:
        yield from _workarounds(servers.gopls)
    if servers.schema:
        for server in servers.provisioned:
            yield from _settings(server, snapshot.editor_files, servers.schema)


def _files_of(server: LanguageServer, files: t.Sequence[EditorSettings]) -> list[EditorSettings]:
    """Return a user's settings, of the machine and of workspaces; those of a dev container are for its own gopls."""
    return [file for file in files if file.user == server.user and file.kind == "settings" and file.path]


def _editors(server: LanguageServer, files: t.Sequence[EditorSettings]) -> t.Iterator[Finding]:
    expected = f"-remote=unix;{server.socket}"
    for file in _files_of(server, files):
        # A null means that the setting is not set.
        setting = next(
            (setting for setting in file.settings if setting.name == _FLAGS and setting.value is not None), None
        )
        flags = setting.value if setting and isinstance(setting.value, list) else []
        machine = file.path in server.user.vscode_settings
        # A workspace without the setting uses that of the machine.
        if expected not in flags and (machine or setting):
            source = setting.source if setting else Source("file", file.path)
            remedy = Remedy(_PROVISION_AGAIN if machine else f"delete the list, or add {expected} to it")
            yield _of_setting(NOT_SHARED, f"{source} lacks {expected}", remedy, file, _FLAGS, source)


def _units(server: LanguageServer) -> t.Iterator[Finding]:
    for unit, state in server.units.items():
        if unit in server.sockets:
            yield from _socket(server, unit, state)
        elif unit.endswith(".timer") and not state.active:
            remedy = Remedy(f"start it, or {_PROVISION_AGAIN}", [f"systemctl enable --now {shlex.quote(unit)}"])
            cause = f"{unit} is not active"
            yield Finding(UNIT_FAILED, cause, remedy, server.user_name, source=state.source, subject=unit)
        elif state.failed:
            cause = f"{unit} has failed ({state.result})"
            remedy = Remedy(f"read 'journalctl -u {unit}', correct the reported error, and start it again")
            yield Finding(UNIT_FAILED, cause, remedy, server.user_name, source=state.source, subject=unit)


def _socket(server: LanguageServer, unit: str, state: State) -> t.Iterator[Finding]:
    path = server.sockets[unit]
    if state.active and path not in server.missing:
        return
    if state.active:
        cause = f"{unit} is active, but its file {path} is missing"
        proxy = unit.replace(".socket", ".service")
        remedy = Remedy(f"stop {proxy}, which keeps the socket in use, and restart {unit}")
    else:
        status = state.values.get("ActiveState", "missing") + (f" ({state.result})" if state.failed else "")
        cause = f"{unit} is {status}; expected a socket at {path}"
        command = f"systemctl start {shlex.quote(unit)}"
        remedy = Remedy(f"start it; if that fails, read 'systemctl status {unit}'", [command])
    yield Finding(NO_SOCKET, cause, remedy, server.user_name, source=state.source)


def _limits(server: LanguageServer) -> t.Iterator[Finding]:
    for limit in server.other_limits:
        source = server.limit_lines.get((limit.unit, limit.name))
        other = source and source.file != limit.file
        action = f"remove the line {source}" if other else "run systemctl daemon-reload"
        commands = [] if other else ["systemctl daemon-reload"]
        cause = f"{limit.unit} has {limit.name}={limit.actual}; expected {limit.expected}"
        variable = "language_server_session_memory" if limit.unit.endswith(".slice") else _VARIABLES.get(limit.name)
        remedy = Remedy(f"{action}, or declare the limit in {variable}" if variable else action, commands)
        user, name, unit = server.user_name, limit.name, limit.unit
        yield Finding(OTHER_LIMITS, cause, remedy, user, variable=name, source=source, subject=unit)


def _overrides(server: LanguageServer) -> t.Iterator[Finding]:
    # Other limits are a finding of their own.
    limits = [source for source in server.limit_lines.values() if source]
    for unit, overrides in server.overrides.items():
        for override in (override for override in overrides if override.source not in limits):
            yield of_override(OVERRIDDEN, unit, override, "language_server", server.user_name)


def _daemon(server: LanguageServer, gopls: Gopls) -> t.Iterator[Finding]:
    daemon = server.daemon
    if daemon is None:
        return
    outdated = server.outdated_variables
    other = gopls.info and daemon.program != gopls.path
    problems = [f"runs {daemon.program}; expected {gopls.path}"] if other else []
    problems += [f"has outdated values of {', '.join(outdated)}; expected the rendered ones"] if outdated else []
    restart = f"run systemctl restart {server.unit} when it is not in use"
    action = f"{_PROVISION_AGAIN}, or {restart}" if problems else restart
    if (daemon.started or 0) < (gopls.settings_changed or 0) and daemon.started is not None:
        problems.append(f"started before its settings changed at {format_time(gopls.settings_changed or 0)}")
    if problems:
        cause = f"the gopls of {server.user_name} {'; it '.join(problems)}"
        remedy = Remedy(action)
        yield Finding(OLD_DAEMON, cause, remedy, server.user_name, source=PROCESS, since=daemon.started)


def _crashes(server: LanguageServer, begin: float) -> t.Iterator[Finding]:
    recent = [crash for crash in server.crashes if crash.at > begin]
    if recent:
        newest = recent[0]
        count = "once" if len(recent) == 1 else f"{len(recent)} times"
        cause = f"the gopls of {server.user_name} has failed {count}, last at {format_time(newest.at)}: {newest.result}"
        remedy = Remedy(
            f"read {newest.path}; at the memory limit raise language_server_memory,"
            " for a bug in gopls pin another version"
        )
        yield Finding(FAILED_LATELY, cause, remedy, server.user_name, source=Source("file", newest.path))


def _workarounds(gopls: Gopls) -> t.Iterator[Finding]:
    if gopls.info is None:
        return
    entries = {entry.name: entry for entry in (*KNOWN, *gopls.added)}
    needed, _obsolete = match_workarounds("gopls", gopls.info.version, gopls.info.go, gopls.added)
    for entry in needed:
        if entry.name not in gopls.applied or entry.pin:
            yield _unhelped(entry, gopls)
    # A name without an entry cannot be evaluated.
    used = {*gopls.applied, *(entry.name for entry in gopls.added)}
    for name in sorted(used & {*entries} - {entry.name for entry in needed}):
        applied = name in gopls.applied
        versions = f"gopls {gopls.info.version}, built by {gopls.info.go}"
        remedy = Remedy(_PROVISION_AGAIN if applied else f"remove {name} from devserver_gopls_workarounds")
        source = Source("file", APPLIED) if applied else None
        cause = f"the workaround {name} does not apply to {versions}"
        yield Finding(NEEDLESS, cause, remedy, variable="gopls", source=source, subject=name)


def _unhelped(entry: Workaround, gopls: Gopls) -> Finding:
    remedy = Remedy(f"use {entry.pin}" if entry.pin else _PROVISION_AGAIN)
    source = Source("file", gopls.path)
    return Finding(UNHELPED, entry.reason, remedy, variable="gopls", source=source, subject=entry.name)


def _settings(server: LanguageServer, files: t.Sequence[EditorSettings], schema: Schema) -> t.Iterator[Finding]:
    for file in _files_of(server, files):
        for setting in file.gopls_settings:
            for name, value in setting.value.items():
                source = setting.inner.get(name, setting.source)
                for problem in _problems(name, value, schema):
                    remedy = Remedy("correct or delete it; 'gopls api-json' lists the settings")
                    cause = f"{source}: {problem}"
                    yield _of_setting(INVALID_SETTING, cause, remedy, file, f"gopls.{name}", source)


def _of_setting(rule: Rule, cause: str, remedy: Remedy, file: EditorSettings, setting: str, source: Source) -> Finding:
    user = file.user.account.name
    return Finding(rule, cause, remedy, user, "vscode_server", variable=setting, source=source, subject=file.path)


def _problems(name: str, value: t.Any, schema: Schema) -> list[str]:
    try:
        validate_settings({name: value}, schema)
    except DevserverError as error:
        return list(error.details["rejected"])
    return []
