# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes the gopls of several users at the same time: each as its user, in one session, within a time limit."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import sys
import time
import typing as t

from ..._core.errors import DevserverError, describe_error
from ..._core.redaction import printable, redacted, without_secrets
from ..._environment.contexts.editor_files import read_editor_file
from ..._environment.contexts.vscode_server import VscodeServerContext, VscodeServerKind
from ..._environment.declaration import ARGUMENT_SPEC, UserEnvironment, declaration_from
from ..._host.accounts import Account
from ..._host.command import session_environment
from ..._host.user_access import acting_as
from ..._protocols.framing import Connection
from ..._protocols.lsp import Diagnostic, LspClient, Popup, ServerInfo
from ..memory import Memory
from .checks import Measurements, Task, run_checks
from .sample_positions import Use, find_use, locate_symbol, read_source
from .server_process import DaemonConnection, ServerConnection, StartedServer

_SECTION = "gopls"
# Of one result: a workspace that does not build has one for every other line.
_MAX_DIAGNOSTICS = 20
# Characters; logs contain stacks and commands of any length.
_MAX_LINE = 300
# Seconds; a day.
_MAX_TIMEOUT = 86400
_LARGEST_FILE = 4 * 1024 * 1024


class ProbeRequest(t.NamedTuple):
    """The user and the workspace to probe; without a ``symbol`` a call in the workspace is used."""

    name: str
    workspace: str
    files: t.Sequence[str] = ()
    symbol: str = ""
    line: int | None = None


class ServerOptions(t.NamedTuple):
    """How to reach the servers: at ``socket``, the daemon of ``unit``, or by starting the command ``gopls``, if given.

    ``{user}`` is replaced in both paths and the unit. Without ``settings`` each user's own are sent, as an editor
    would. ``timeout`` (seconds) limits each user's session.
    """

    socket: str
    unit: str
    gopls: str
    settings: t.Mapping[str, t.Any] | None
    timeout: float


def probe(requests: t.Sequence[ProbeRequest], options: ServerOptions) -> list[dict[str, t.Any]]:
    """Return one result per request, with a failure as its ``problem``; raise DevserverError for an invalid timeout."""
    if not 0 < options.timeout <= _MAX_TIMEOUT:
        raise DevserverError(
            f"timeout must be more than 0 and at most {_MAX_TIMEOUT} seconds, got {options.timeout:g}",
            remedy="set timeout to a number in this range, such as 120",
        )
    sessions = [_Session(request, options) for request in requests]
    # In the main thread, because a thread cannot take on a user's rights: read all files, then connect all sockets.
    for session in sessions:
        session.attempt(session.prepare)
    for session in sessions:
        session.attempt(session.connect)
    # Before Python 3.9, switching the user of a child process is not safe while other threads run.
    workers = len(sessions) if sys.version_info >= (3, 9) else 1
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        for _none in pool.map(lambda session: session.attempt(session.run), sessions):
            pass
    return [session.result() for session in sessions]


class _Session:
    """One user's probe, with its results so far."""

    # Set by ``prepare``.
    _account: Account
    _context: VscodeServerContext
    _settings: t.Mapping[str, t.Any]
    _task: Task

    def __init__(self, request: ProbeRequest, options: ServerOptions) -> None:
        self._request = request
        self._timeout = options.timeout
        self._declared_settings = options.settings
        paths = (options.socket, options.unit, options.gopls)
        self._socket, self._unit, self._gopls = (path.replace("{user}", request.name) for path in paths)
        self._server: ServerConnection | None = None
        self._measured = Measurements()
        self._popups: list[Popup] = []
        # The keys of the result that are known before or without measurements.
        self._described: dict[str, t.Any] = {"workspace": request.workspace, "symbol": None}
        self._state: dict[str, t.Any] = {"mode": "", "memory": Memory()._asdict(), "unit": {}}
        self._problem = ""

    def attempt(self, step: t.Callable[[], None]) -> None:
        """Run a step unless an earlier one failed."""
        if self._problem:
            return
        try:
            step()
        except Exception as error:
            # Files and servers of users are hostile input: they must not suppress the other results.
            self._problem = without_secrets(describe_error(error))

    def prepare(self) -> None:
        """Read the user's files, in the main thread only."""
        user = _declare_user(self._request)
        self._account = user.account
        self._context = t.cast(VscodeServerContext, VscodeServerKind().contexts_of(user, ())[0])
        self._settings = _read_settings(user) if self._declared_settings is None else self._declared_settings
        with acting_as(user.account):
            self._task = _make_task(self._request, user.workspaces[0])
        self._described = {"workspace": self._task.workspace, "symbol": _describe_use(self._task.use)}

    def connect(self) -> None:
        """Connect to the user's daemon, in the main thread only; a command is started later."""
        if not self._gopls:
            self._server = DaemonConnection(self._socket, self._unit, self._account)

    def run(self) -> None:
        """Run the session."""
        server = self._server or self._start_server()
        with contextlib.closing(server):
            deadline = time.monotonic() + self._timeout
            connection = Connection(server.stream, server.name)
            client = LspClient(connection, section=_SECTION, settings=self._settings, deadline=deadline)
            self._run_checks(client, server)

    def result(self) -> dict[str, t.Any]:
        measured = self._measured
        result = {
            "name": self._request.name,
            "problem": self._problem,
            "server": _describe_server(measured.server),
            "definition": measured.definition._asdict() if measured.definition else None,
            "references": len(measured.references),
            "seconds": {**measured.seconds, "total": round(sum(measured.seconds.values()), 4)},
            "errors": sum(item.severity == "error" for item in measured.diagnostics),
            "diagnostics": [_redact(item) for item in measured.diagnostics[:_MAX_DIAGNOSTICS]],
            "popups": [_redact(item) for item in dict.fromkeys(self._popups)],
            **self._described,
            **self._state,
        }
        return t.cast("dict[str, t.Any]", printable(result))

    def _start_server(self) -> ServerConnection:
        account, workspace = self._account, self._task.workspace
        env = self._context.environment(account, self._timeout) or session_environment(account)
        return StartedServer(self._gopls, self._unit, env=env, workspace=workspace, account=account)

    def _run_checks(self, client: LspClient, server: ServerConnection) -> None:
        self._popups = client.popups
        try:
            run_checks(client, self._task, self._measured)
        except DevserverError as error:
            self._read_state(server)
            logged = _first_line(client.complaint)
            details = [
                f"{error.problem}.",
                server.explain_failure(),
                f"Last error in its log: {logged}" if logged else "",
            ]
            raise DevserverError(
                " ".join(filter(None, details)), expected=error.expected, remedy=error.remedy
            ) from error
        self._read_state(server)
        if server.shared:
            # All results are complete, so a failure here does not matter.
            with contextlib.suppress(DevserverError):
                client.leave()

    def _read_state(self, server: ServerConnection) -> None:
        self._state = {"mode": server.mode, "memory": server.memory()._asdict(), "unit": server.unit()}


def _declare_user(request: ProbeRequest) -> UserEnvironment:
    """Return the user as a declaration with only the workspace describes it."""
    params = {name: option["default"] for name, option in ARGUMENT_SPEC.items()}
    params["users"] = [{"name": request.name, "workspaces": [request.workspace]}]
    return declaration_from(params).users[0]


def _read_settings(user: UserEnvironment) -> t.Mapping[str, t.Any]:
    """Return the settings that the user's editor sends to gopls: those of the first editor that has any."""
    files = [read_editor_file(path, user.account) for path in user.vscode_settings]
    values = (file.value(_SECTION) for file in files)
    return next((value for value in values if isinstance(value, dict)), {})


def _make_task(request: ProbeRequest, workspace: str) -> Task:
    if not os.path.isdir(workspace):
        raise DevserverError(
            f"workspace {workspace} does not exist, or user {request.name} has no access to it",
            expected="a directory that this user can enter",
            remedy="correct workspace, or create the directory",
            workspace=workspace,
        )
    files = [os.path.join(workspace, file) for file in request.files]
    if request.symbol and not files:
        raise DevserverError(
            f"symbol {request.symbol} needs files, got none",
            remedy="set files, with the file that contains the symbol first",
        )
    use = locate_symbol(files[0], request.symbol, request.line) if request.symbol else find_use(workspace, files)
    texts = {file: read_source(file, _LARGEST_FILE) for file in [use.place.file, *files]}
    # Only UTF-8 can be sent.
    return Task(workspace, use, {file: t.cast(str, printable(text)) for file, text in texts.items()})


def _first_line(text: str) -> str:
    return next((line.strip()[:_MAX_LINE] for line in text.splitlines() if line.strip()), "")


def _describe_server(server: ServerInfo | None) -> dict[str, str]:
    """Return name, version and Go of a server; gopls reports both versions in one string, as JSON."""
    if server is None:
        return {}
    try:
        versions = json.loads(server.version)
        return {"name": server.name, "version": str(versions["Version"]), "go": str(versions["GoVersion"])}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {"name": server.name, "version": server.version, "go": ""}


def _describe_use(use: Use) -> dict[str, t.Any]:
    return {**use.place._asdict(), "name": use.symbol, "across": use.across}


def _redact(item: Popup | Diagnostic) -> dict[str, t.Any]:
    """Return a message of the server without passwords; it may repeat settings, such as a proxy's URL."""
    return {**item._asdict(), "message": redacted(item.message)}
