# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the Language Server Protocol that reads files and changes none.

Sources: the specification 3.17; the notes on gopls in ``LspClient.leave``.
"""

from __future__ import annotations

import os
import time
import typing as t
import urllib.parse

from .._core.errors import DevserverError
from .framing import Connection, Message, as_dict, as_dicts, as_number

SEVERITIES = {1: "error", 2: "warning", 3: "information", 4: "hint"}
# Of window/showMessage; editors need not show messages below a warning, such as progress.
_KINDS = {1: "error", 2: "warning"}
_UNKNOWN_METHOD = -32601
# Seconds for the end of the session; the measurements do not depend on it.
_FAREWELL = 5
_CAPABILITIES = {
    "workspace": {"configuration": True, "workspaceFolders": True},
    "window": {"workDoneProgress": True},
    "textDocument": {
        "publishDiagnostics": {"versionSupport": True},
        "hover": {"contentFormat": ["markdown", "plaintext"]},
        "definition": {"linkSupport": False},
    },
}


class Popup(t.NamedTuple):
    """A message that the server shows to the user; ``kind`` is error or warning."""

    kind: str
    message: str


class Diagnostic(t.NamedTuple):
    """A problem in a file (absolute path) at a line, counted from 1."""

    file: str
    line: int
    severity: str
    message: str


class Place(t.NamedTuple):
    """A place in a file (absolute path): ``line`` counts from 1, ``column`` from 0 in UTF-16 units, as LSP does."""

    file: str
    line: int
    column: int


class ServerInfo(t.NamedTuple):
    """The name and version that the server reports."""

    name: str
    version: str


class LspClient:
    """One session with a server; every wait ends at ``deadline``, of the monotonic clock.

    ``settings`` are the server's section of the configuration. All methods raise DevserverError if the server does not
    respond in time, responds with an error, closes the connection, or sends invalid messages.
    """

    def __init__(
        self, connection: Connection, *, section: str, settings: t.Mapping[str, t.Any], deadline: float
    ) -> None:
        self.popups: list[Popup] = []
        # The last error in the server's log.
        self.complaint = ""
        self._connection = connection
        self._section = section
        self._settings = dict(settings)
        self._deadline = deadline
        self._start = time.monotonic()
        self._directory = ""
        self._last = 0
        self._versions: dict[str, int] = {}
        # The last diagnostics by open file, with the version of the file (None: not reported).
        self._published: dict[str, tuple[int | None, list[Diagnostic]]] = {}

    def initialize(self, directory: str) -> ServerInfo:
        """Begin the session, with ``directory`` as the only workspace folder."""
        self._directory = directory
        params = {
            "processId": None,
            "clientInfo": {"name": "gopherops.devserver"},
            "rootUri": uri_of(directory),
            "workspaceFolders": self._workspace_folders(),
            "capabilities": _CAPABILITIES,
            "initializationOptions": self._settings,
        }
        info = as_dict(as_dict(self._request("initialize", params)).get("serverInfo"))
        self._notify("initialized", {})
        return ServerInfo(str(info.get("name", "")), str(info.get("version", "")))

    def open(self, file: str, text: str) -> None:
        """Notify the server that an editor has opened ``file`` with ``text``."""
        self._versions[file] = 1
        document = {"uri": uri_of(file), "languageId": "go", "version": 1, "text": text}
        self._notify("textDocument/didOpen", {"textDocument": document})

    def change(self, file: str, text: str) -> None:
        """Notify the server that the editor has another, unsaved ``text``."""
        self._versions[file] += 1
        document = {"uri": uri_of(file), "version": self._versions[file]}
        self._notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def diagnostics(
        self, file: str, until: t.Callable[[t.Sequence[Diagnostic]], bool] = lambda _diagnostics: True
    ) -> list[Diagnostic]:
        """Wait for diagnostics of the current text of an open file for which ``until`` is true."""
        while True:
            version, diagnostics = self._published.get(os.path.realpath(file), (0, []))
            if (version is None or version >= self._versions[file]) and until(diagnostics):
                return diagnostics
            self._receive(f"publish diagnostics of {file}")

    def hover(self, place: Place) -> str:
        """Return the hover text at ``place``; empty for none."""
        return _contents(as_dict(self._request("textDocument/hover", _position(place))).get("contents"))

    def definition(self, place: Place) -> list[Place]:
        """Return the definitions of the identifier at ``place``."""
        return _places(self._request("textDocument/definition", _position(place)))

    def references(self, place: Place) -> list[Place]:
        """Return the uses and the definition of the identifier at ``place``."""
        context = {"context": {"includeDeclaration": True}}
        return _places(self._request("textDocument/references", {**_position(place), **context}))

    def leave(self) -> None:
        """End the session in the order of the specification.

        A gopls that gets ``exit`` without a ``shutdown`` before ends its whole process, and with it the sessions of all
        other editors. So ``exit`` is sent only after the response to ``shutdown``.
        """
        self._deadline = min(self._deadline, time.monotonic() + _FAREWELL)
        self._request("shutdown", None)
        self._notify("exit", None)

    def _workspace_folders(self) -> list[dict[str, str]]:
        return [{"uri": uri_of(self._directory), "name": os.path.basename(self._directory)}]

    def _request(self, method: str, params: t.Any) -> t.Any:
        self._last += 1
        number = self._last
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._receive(f"respond to {method}")
            if message.get("id") == number and "method" not in message:
                break
        if message.get("error") is not None:
            raise self._response_error(method, as_dict(message["error"]))
        return message.get("result")

    def _notify(self, method: str, params: t.Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: Message) -> None:
        # The specification requires that empty params are left out.
        members = {name: value for name, value in message.items() if name != "params" or value is not None}
        self._connection.send({"jsonrpc": "2.0", **members}, max(0.1, self._left()))

    def _receive(self, action: str) -> Message:
        """Wait for one message, respond to it if it is a request of the server, and return it."""
        left = self._left()
        message = self._connection.receive(left) if left > 0 else None
        if message is None:
            raise DevserverError(
                f"{self._connection.peer} did not {action} within {self._deadline - self._start:.0f} seconds",
                expected="a response within the time limit",
                remedy="look at its log and load; for a large workspace raise timeout",
            )
        if isinstance(message.get("method"), str):
            self._serve(message, message["method"], as_dict(message.get("params")))
        return message

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _serve(self, message: Message, method: str, params: dict[str, t.Any]) -> None:
        if method == "textDocument/publishDiagnostics":
            self._publish(params)
        elif method in ("window/showMessage", "window/showMessageRequest"):
            self._record_popup(params)
        elif method == "window/logMessage" and _KINDS.get(as_number(params.get("type"))) == "error":
            self.complaint = _text(params)
        if "id" in message:
            self._send({"id": message["id"], **self._respond(method, params)})

    def _respond(self, method: str, params: dict[str, t.Any]) -> Message:
        """Return the result or error for a request of the server."""
        if method == "workspace/configuration":
            return {"result": [self._configuration(item) for item in as_dicts(params.get("items"))]}
        if method == "workspace/workspaceFolders":
            return {"result": self._workspace_folders()}
        if method == "workspace/applyEdit":
            return {"result": {"applied": False, "failureReason": "this client changes nothing"}}
        if method == "window/showDocument":
            return {"result": {"success": False}}
        known = ("client/", "window/", "workspace/")
        if method.startswith(known):
            return {"result": None}
        return {"error": {"code": _UNKNOWN_METHOD, "message": f"{method} is unknown here"}}

    def _configuration(self, item: dict[str, t.Any]) -> t.Any:
        return self._settings if item.get("section") == self._section else None

    def _publish(self, params: dict[str, t.Any]) -> None:
        file, version = file_of(params.get("uri")), params.get("version")
        if os.path.realpath(file) not in map(os.path.realpath, self._versions):
            # A server reports any number of other files.
            return
        diagnostics = [
            Diagnostic(file, _line(item), SEVERITIES.get(as_number(item.get("severity")), "error"), _text(item))
            for item in as_dicts(params.get("diagnostics"))
        ]
        self._published[os.path.realpath(file)] = (version if isinstance(version, int) else None, diagnostics)

    def _record_popup(self, params: dict[str, t.Any]) -> None:
        kind = _KINDS.get(as_number(params.get("type")))
        if kind:
            self._connection.count_kept()
            self.popups.append(Popup(kind, _text(params)))

    def _response_error(self, method: str, error: dict[str, t.Any]) -> DevserverError:
        return DevserverError(
            f"{self._connection.peer} returned an error for {method}: {_text(error)}",
            expected="a result",
            remedy="look at the log of the server",
        )


def uri_of(path: str) -> str:
    """Return the URI of an absolute path."""
    return "file://" + urllib.parse.quote(os.fsencode(path))


def file_of(uri: t.Any) -> str:
    """Return the path in the URI of a file; empty for any other URI."""
    if not isinstance(uri, str) or not uri.startswith("file://"):
        return ""
    path = os.fsdecode(urllib.parse.unquote_to_bytes(uri[len("file://") :]))
    return path if path.startswith("/") and "\0" not in path else ""


def _position(place: Place) -> dict[str, t.Any]:
    position = {"line": place.line - 1, "character": place.column}
    return {"textDocument": {"uri": uri_of(place.file)}, "position": position}


def _places(result: t.Any) -> list[Place]:
    """Return the places of a Location, a list of them, or nothing."""
    places = []
    for location in map(as_dict, result if isinstance(result, list) else [result]):
        file = file_of(location.get("uri"))
        if file:
            start = as_dict(as_dict(location.get("range")).get("start"))
            places.append(Place(file, _line(location), as_number(start.get("character"))))
    return places


def _line(located: dict[str, t.Any]) -> int:
    return as_number(as_dict(as_dict(located.get("range")).get("start")).get("line")) + 1


def _contents(contents: t.Any) -> str:
    """Return the text of a hover: marked up, or a list of texts as older servers send."""
    if isinstance(contents, list):
        return "\n".join(map(_contents, contents))
    return contents if isinstance(contents, str) else str(as_dict(contents).get("value", ""))


def _text(item: dict[str, t.Any]) -> str:
    return str(item.get("message", ""))
