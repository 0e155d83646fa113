# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes the language servers of several users at a time: each as its user, in one session, within a time limit."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import sys
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import printable, redacted
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.editor_files import (
    read_editor_file,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    ARGUMENT_SPEC,
    UserEnvironment,
    declaration_from,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.checks import (
    Answers,
    Task,
    examine,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.memory import Memory
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.sample_positions import (
    Use,
    find_use,
    given_use,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.server_process import (
    Daemon,
    Own,
    Peer,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import session_environment
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.framing import Connection
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.lsp import (
    Client,
    Diagnostic,
    Popup,
    Server,
)

_SECTION = "gopls"
# A workspace that does not build has one for every other line.
_MOST_DIAGNOSTICS = 20
# Characters; logs hold stacks and commands of any length.
_LONGEST_LINE = 300
# Seconds; a day.
_LONGEST = 86400
_LARGEST_FILE = 4 * 1024 * 1024


class Wanted(t.NamedTuple):
    """What to try for one user: by default a call that is found in the workspace."""

    name: str
    workspace: str
    files: t.Sequence[str] = ()
    symbol: str = ""
    line: int | None = None


class Way(t.NamedTuple):
    """How to reach the servers: at ``socket``, the daemon of ``unit``, or by starting the command ``gopls``, if given.

    Both paths and the unit may hold ``{user}``. Without ``settings`` each user's own are sent, those that an editor
    would send. ``timeout`` (seconds) bounds each user's session.
    """

    socket: str
    unit: str
    gopls: str
    settings: t.Mapping[str, t.Any] | None
    timeout: float


class _Prepared(t.NamedTuple):
    user: UserEnvironment
    context: VscodeServerContext
    settings: t.Mapping[str, t.Any]
    task: Task


def probe(wanted: t.Sequence[Wanted], way: Way) -> list[dict[str, t.Any]]:
    """Return one result for each of ``wanted``; what went wrong with one is its ``problem``.

    Raises DevserverError for a time limit that is none.
    """
    if not 0 < way.timeout <= _LONGEST:
        raise DevserverError(f"timeout is {way.timeout:g}", expected=f"seconds, more than 0 and at most {_LONGEST}")
    sessions = [_Session(one, way) for one in wanted]
    # With the users' rights, which a thread cannot take on: all files are read, then all sockets connected.
    for session in sessions:
        session.attempt(session.prepare)
    for session in sessions:
        session.attempt(session.connect)
    # Before Python 3.9 a process becomes another user by code that must not run while other threads do.
    workers = len(sessions) if sys.version_info >= (3, 9) else 1
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        for _none in pool.map(lambda session: session.attempt(session.hold), sessions):
            pass
    return [session.result() for session in sessions]


class _Session:
    """One user's probe, and what it has found out so far."""

    def __init__(self, wanted: Wanted, way: Way) -> None:
        self._wanted = wanted
        self._way = way
        self._prepared: _Prepared | None = None
        self._peer: Peer | None = None
        self._answers = Answers()
        self._popups: list[Popup] = []
        self._memory = Memory()
        self._unit: dict[str, str] = {}
        self._mode = ""
        self._problem = ""

    def attempt(self, step: t.Callable[[], None]) -> None:
        """Take a step where none has failed so far."""
        if self._problem:
            return
        try:
            step()
        except DevserverError as error:
            self._problem = redacted(str(error))

    def prepare(self) -> None:
        """Read the user's files. Not for threads."""
        user = _user(self._wanted)
        context = VscodeServerContext().for_user(user, ())[0]
        settings = self._way.settings if self._way.settings is not None else _own_settings(user)
        with acting_as(user.account):
            task = _task(self._wanted, user.workspaces[0])
        self._prepared = _Prepared(user, t.cast(VscodeServerContext, context), settings, task)

    def connect(self) -> None:
        """Connect to the user's daemon, if that is the way. Not for threads."""
        if not self._way.gopls:
            account = self._ready.user.account
            self._peer = Daemon(self._filled(self._way.socket), self._filled(self._way.unit), account)

    def hold(self) -> None:
        """Hold the session."""
        peer = self._peer or self._started()
        self._peer = peer
        with contextlib.closing(peer):
            deadline = time.monotonic() + self._way.timeout
            connection = Connection(peer.stream, peer.name)
            client = Client(connection, section=_SECTION, settings=self._ready.settings, deadline=deadline)
            self._talk(client, peer)

    def result(self) -> dict[str, t.Any]:
        answers = self._answers
        found = {
            "name": self._wanted.name,
            "workspace": self._prepared.task.workspace if self._prepared else self._wanted.workspace,
            "mode": self._mode,
            "problem": self._problem,
            "server": _server(answers.server),
            "symbol": _symbol(self._prepared.task.use) if self._prepared else None,
            "definition": answers.definition._asdict() if answers.definition else None,
            "references": len(answers.references),
            "seconds": {**answers.seconds, "total": round(sum(answers.seconds.values()), 4)},
            "memory": self._memory._asdict(),
            "errors": sum(one.severity == "error" for one in answers.diagnostics),
            "diagnostics": [_shown(one) for one in answers.diagnostics[:_MOST_DIAGNOSTICS]],
            "popups": [_shown(one) for one in dict.fromkeys(self._popups)],
            "unit": self._unit,
        }
        return t.cast("dict[str, t.Any]", printable(found))

    @property
    def _ready(self) -> _Prepared:
        if self._prepared is None:
            raise DevserverError("nothing is prepared")
        return self._prepared

    def _filled(self, template: str) -> str:
        return template.replace("{user}", self._ready.user.account.name)

    def _started(self) -> Peer:
        account, workspace = self._ready.user.account, self._ready.task.workspace
        env = self._ready.context.environment(account, self._way.timeout) or session_environment(account)
        unit = self._filled(self._way.unit)
        return Own(self._filled(self._way.gopls), unit, env=env, workspace=workspace, account=account)

    def _talk(self, client: Client, peer: Peer) -> None:
        self._popups = client.popups
        try:
            examine(client, self._ready.task, self._answers)
        except DevserverError as error:
            self._look_at(peer)
            logged = _first_line(client.complaint)
            told = [str(error), peer.fate(), f"It logged last: {logged}." if logged else ""]
            raise DevserverError(" ".join(filter(None, told))) from error
        self._look_at(peer)
        if peer.shared:
            # All is known by now, whatever becomes of this.
            with contextlib.suppress(DevserverError):
                client.leave()

    def _look_at(self, peer: Peer) -> None:
        self._mode = peer.mode
        self._memory = peer.memory()
        self._unit = peer.unit()


def _user(wanted: Wanted) -> UserEnvironment:
    """Return the user as the environment's declaration would with nothing said but the workspace."""
    params = {name: option["default"] for name, option in ARGUMENT_SPEC.items()}
    params["users"] = [{"name": wanted.name, "workspaces": [wanted.workspace]}]
    return declaration_from(params).users[0]


def _own_settings(user: UserEnvironment) -> t.Mapping[str, t.Any]:
    """Return what the user's editor sends to gopls: of several editors the first that has anything to say."""
    files = [read_editor_file(path, user.account) for path in user.vscode_settings]
    found = (file.value(_SECTION) for file in files)
    return next((value for value in found if isinstance(value, dict)), {})


def _task(wanted: Wanted, workspace: str) -> Task:
    if not os.path.isdir(workspace):
        raise DevserverError(
            f"user {wanted.name} has no folder {workspace}",
            expected="a workspace that this user may enter",
            remedy="correct workspace, or make the folder",
            workspace=workspace,
        )
    files = [os.path.join(workspace, file) for file in wanted.files]
    if wanted.symbol and not files:
        raise DevserverError(
            f"the symbol {wanted.symbol} is given without a file",
            expected="files",
            remedy="name the file first in files",
        )
    use = given_use(files[0], wanted.symbol, wanted.line) if wanted.symbol else find_use(workspace, files)
    return Task(workspace, use, {file: _text(file) for file in dict.fromkeys([use.place.file, *files])})


def _text(file: str) -> str:
    text = read_text(file, largest=_LARGEST_FILE)
    if text is None:
        raise DevserverError(f"there is no file {file}", expected="a file of the workspace", remedy="correct files")
    # What is no UTF-8 cannot be sent.
    return t.cast(str, printable(text))


def _first_line(text: str) -> str:
    return next((line.strip()[:_LONGEST_LINE] for line in text.splitlines() if line.strip()), "")


def _server(server: Server | None) -> dict[str, str]:
    """Return name, version and Go of a server; gopls packs both versions into one, as JSON."""
    if server is None:
        return {}
    try:
        known = json.loads(server.version)
        return {"name": server.name, "version": str(known["Version"]), "go": str(known["GoVersion"])}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {"name": server.name, "version": server.version, "go": ""}


def _symbol(use: Use) -> dict[str, t.Any]:
    return {**use.place._asdict(), "name": use.symbol, "across": use.across}


def _shown(one: Popup | Diagnostic) -> dict[str, t.Any]:
    """Return what a server says to people; it may repeat settings, with a proxy's password in them."""
    return {**one._asdict(), "message": redacted(one.message)}
