# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real gopls, as a daemon and as a command; a fake server that can misbehave; the module as a process."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core import errors
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.framing import Connection, Message
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.lsp import uri_of

COLLECTIONS = pathlib.Path(errors.__file__).parents[6]
SERVICE = pathlib.Path(__file__).parents[3] / "fixtures/service"
ME = pwd.getpwuid(os.geteuid()).pw_name
GO = "go1.22.12"
RUN = """
import sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.argv[1].encode()
basic._ANSIBLE_PROFILE = "legacy"
from ansible_collections.gopherops.devserver.plugins.modules.gopls_probe import main
main()
"""


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory with the two modules of the sample service."""
    return shutil.copytree(SERVICE, tmp_path / "service")


@pytest.fixture(scope="session")
def caches(
    go_environment: dict[str, str], shared_directory: t.Callable[[str], pathlib.Path], go_cache: str
) -> dict[str, str]:
    """An environment with a cache and a home for gopls that all tests of a run share."""
    directory = shared_directory("gopls-caches")
    return dict(go_environment, GOPLSCACHE=str(directory / "gopls"), HOME=str(directory), GOCACHE=go_cache)


class Daemon(t.NamedTuple):
    """A gopls that listens at ``socket``."""

    socket: str
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="session")
def daemon(gopls: str, caches: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Daemon]:
    path = tmp_path_factory.mktemp("daemon") / "gopls.sock"
    process = subprocess.Popen([gopls, "serve", f"-listen=unix;{path}"], cwd=path.parent, env=caches)
    until = time.monotonic() + 30
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.01)
    try:
        yield Daemon(str(path), process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def wrapper(gopls: str, caches: dict[str, str], tmp_path: pathlib.Path) -> str:
    """A command that starts gopls with the shared caches; users may put such a script in the place of gopls."""
    names = ("GOPLSCACHE", "GOCACHE", "HOME", "PATH", "GOTOOLCHAIN")
    lines = [f"export {name}='{caches[name]}'" for name in names]
    path = tmp_path / "wrapper"
    path.write_text("\n".join(["#!/bin/sh", *lines, f'exec {gopls} "$@"', ""]))
    path.chmod(0o755)
    return str(path)


Ran = dict[str, t.Any]


@pytest.fixture
def probe(workspace: pathlib.Path) -> t.Callable[..., Ran]:
    """Run the module for one user, or ``users``, and return its result."""

    def run(users: t.Sequence[t.Mapping[str, t.Any]] = (), **options: t.Any) -> Ran:
        params = {"users": users or [{"name": ME, "workspace": str(workspace)}], "settings": {}, "timeout": 60}
        argv = [sys.executable, "-c", RUN, json.dumps({"ANSIBLE_MODULE_ARGS": {**params, **options}})]
        env = dict(os.environ, PYTHONPATH=str(COLLECTIONS))
        completed = subprocess.run(argv, env=env, check=False, capture_output=True, text=True)
        assert completed.stdout and not completed.stderr, completed.stderr
        return json.loads(completed.stdout)

    return run


Handler = t.Callable[[Message], t.Any]


class FakeServer:
    """Listens at ``path`` and responds by ``handlers``, by default as gopls does for the sample service.

    A handler returns a result, or raises ``Hang``, ``Die``, or ``Reject``. ``received`` are all methods in order.
    """

    def __init__(self, path: pathlib.Path, workspace: pathlib.Path) -> None:
        self.path = str(path)
        self.received: list[str] = []
        self.failures = {"hang": Hang(), "die": Die(), "reject": Reject("no more memory")}
        self.mistake = diagnostic(10000)
        self.handlers: dict[str, Handler] = {
            "initialize": lambda _message: {"serverInfo": {"name": "fake", "version": "1"}},
            "textDocument/hover": lambda _message: {"contents": {"kind": "markdown", "value": "func NewShelf"}},
            "textDocument/definition": lambda _message: [location(workspace / "stock/stock.go", 20)],
            "textDocument/references": lambda _message: [
                location(workspace / "stock/stock.go", 20),
                location(workspace / "cmd/api/main.go", 80),
            ],
            "textDocument/didOpen": lambda message: self.publish(message, []),
            "textDocument/didChange": lambda message: self.publish(message, [self.mistake]),
            "shutdown": lambda _message: None,
        }
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.stream: socket.socket | None = None
        self.connection: Connection | None = None

    def close(self) -> None:
        for open_socket in filter(None, [self._listener, self.stream]):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()
        self._thread.join()

    def finished(self) -> list[str]:
        """Return the received methods after the client has closed the connection."""
        self._thread.join(30)
        return self.received

    def notify(self, method: str, params: t.Any) -> None:
        assert self.connection
        self.connection.send({"method": method, "params": params})

    def publish(self, message: Message, diagnostics: list[Message]) -> None:
        document = message["params"]["textDocument"]
        shown = {"uri": document["uri"], "version": document["version"], "diagnostics": diagnostics}
        self.notify("textDocument/publishDiagnostics", shown)

    def _serve(self) -> None:
        with contextlib.suppress(OSError, DevserverError, Die):
            self.stream = self._listener.accept()[0]
            self.connection = Connection(self.stream, "the client")
            while True:
                message = self.connection.receive(60)
                if message is None:
                    return
                self._respond(message)
        if self.stream:
            self.stream.close()

    def _respond(self, message: Message) -> None:
        assert self.connection
        method = message.get("method", "")
        self.received.append(method)
        handler = self.handlers.get(method)
        if handler is None:
            return
        try:
            response = {"result": handler(message)}
        except Hang:
            return
        except Reject as error:
            response = {"error": {"code": -32603, "message": str(error)}}
        if "id" in message:
            self.connection.send({"id": message["id"], **response})


class Hang(Exception):
    """The server sends no response."""


class Die(Exception):
    """The server exits."""


class Reject(Exception):
    """The server responds with an error."""


def location(file: pathlib.Path, line: int) -> Message:
    return {"uri": uri_of(str(file)), "range": {"start": {"line": line, "character": 5}}}


def diagnostic(line: int) -> Message:
    return {"range": {"start": {"line": line, "character": 0}}, "severity": 1, "message": "wrong"}


@pytest.fixture
def fake(tmp_path: pathlib.Path, workspace: pathlib.Path) -> t.Iterator[FakeServer]:
    server = FakeServer(tmp_path / "fake.sock", workspace)
    yield server
    server.close()
