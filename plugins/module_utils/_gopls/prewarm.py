# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills gopls's cache: analyses every package of some workspaces as an editor would that opens a file of each.

This file is also put on the host as a program of its own, so it needs nothing but Python's standard library:

    gopls-prewarm GOPLS SETTINGS WORKSPACE...

GOPLS is the binary that the editor's requests reach, because the cache is one for each binary; SETTINGS is the JSON
file of the settings that the editor sends, because they decide what is analysed.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
import typing as t
from urllib.parse import quote, unquote

Message = t.Dict[str, t.Any]

# Files open at a time: what gopls holds in memory for them is given back between the batches.
_BATCH = 16
# Seconds that one batch may take; the unit bounds the whole.
_PATIENCE = 600
# Seconds in which gopls has to end by itself, once it was asked to.
_FAREWELL = 30
_SKIPPED = ("vendor", "testdata", "node_modules")
_ONE_OF_EACH = "{{if .GoFiles}}{{.Dir}}/{{index .GoFiles 0}}{{else if .CgoFiles}}{{.Dir}}/{{index .CgoFiles 0}}{{end}}"


class Server:
    """A gopls of our own, spoken to over its standard input and output."""

    def __init__(self, gopls: str, folder: str, settings: Message) -> None:
        self._settings = settings
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([gopls, "serve"], cwd=folder, stdin=pipe, stdout=pipe)
        self._messages: queue.Queue[Message | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self._number = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def initialize(self, folder: str) -> None:
        folders = [{"uri": uri(folder), "name": os.path.basename(folder)}]
        capabilities = {"workspace": {"configuration": True, "workspaceFolders": True}}
        self._request(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": uri(folder),
                "workspaceFolders": folders,
                "capabilities": capabilities,
                "initializationOptions": self._settings,
            },
        )
        self._send({"method": "initialized", "params": {}})

    def diagnose(self, files: t.Sequence[str]) -> set[str]:
        """Open ``files`` and return those for which diagnostics came."""
        wanted = set(files)
        for file in files:
            with open(file, encoding="utf-8", errors="replace") as source:
                document = {"uri": uri(file), "languageId": "go", "version": 1, "text": source.read()}
            self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        came: set[str] = set()
        deadline = time.monotonic() + _PATIENCE
        while wanted - came:
            message = self._next(deadline)
            if message is None:
                break
            if message.get("method") == "textDocument/publishDiagnostics":
                came.add(_path(message["params"]["uri"]))
        for file in files:
            self._send({"method": "textDocument/didClose", "params": {"textDocument": {"uri": uri(file)}}})
        return came & wanted

    def close(self) -> None:
        """Let gopls end by itself, so that all it found is written."""
        with contextlib.suppress(OSError):
            self._request("shutdown", None)
            self._send({"method": "exit"})
        try:
            self._process.wait(timeout=_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _request(self, method: str, params: t.Any) -> None:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        deadline = time.monotonic() + _PATIENCE
        while True:
            message = self._next(deadline)
            if message is None or (message.get("id") == self._number and "method" not in message):
                return

    def _next(self, deadline: float) -> Message | None:
        """Return the next message, None at the deadline or where gopls has ended; answer what it asks."""
        try:
            message = self._messages.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if message and "method" in message and "id" in message:
            self._send({"id": message["id"], "result": self._answer(message)})
        return message

    def _answer(self, message: Message) -> t.Any:
        if message["method"] == "workspace/configuration":
            return [self._settings for _item in message["params"]["items"]]
        return None

    def _send(self, message: Message) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = t.cast("t.IO[bytes]", self._process.stdin)
        stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        stream.flush()

    def _listen(self) -> None:
        stream = t.cast("t.IO[bytes]", self._process.stdout)
        while True:
            length = 0
            for line in iter(stream.readline, b"\r\n"):
                if not line:
                    self._messages.put(None)
                    return
                name, _colon, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            self._messages.put(json.loads(stream.read(length)))


def uri(path: str) -> str:
    """Return the URI of a file."""
    return "file://" + quote(path)


def _path(address: str) -> str:
    # Which characters are escaped is left to who writes it.
    return unquote(address[len("file://") :])


def modules(folder: str) -> list[str]:
    """Return the folders at and below ``folder`` that hold a go.mod, of which gopls makes a workspace."""
    found = []
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith((".", "_")))
        found += [path] if "go.mod" in files else []
    return found


def one_file_of_each_package(folder: str) -> list[str]:
    """Return a file of every package of the modules below ``folder`` that the build takes."""
    files = []
    for module in modules(folder):
        argv = ["go", "list", "-e", "-f", _ONE_OF_EACH, "./..."]
        done = subprocess.run(argv, cwd=module, stdout=subprocess.PIPE, text=True, check=False)
        files += [line for line in done.stdout.splitlines() if os.path.isfile(line)]
    return files


def prewarm(gopls: str, settings: Message, folder: str) -> tuple[int, int]:
    """Analyse every package of one workspace; return how many files were answered, and how many were asked for."""
    files = one_file_of_each_package(folder)
    server = Server(gopls, folder, settings)
    try:
        server.initialize(folder)
        answered = [server.diagnose(files[start : start + _BATCH]) for start in range(0, len(files), _BATCH)]
    finally:
        server.close()
    return sum(map(len, answered)), len(files)


def main(argv: t.Sequence[str]) -> int:
    """Return 1 where not all packages could be analysed; a workspace that is not there yet is left out."""
    gopls, settings_file, *folders = argv
    with open(settings_file, encoding="utf-8") as file:
        settings = json.load(file)
    failed = False
    for folder in folders:
        if not os.path.isdir(folder):
            _say(f"{folder}: not there, left out")
            continue
        start = time.monotonic()
        try:
            answered, asked = prewarm(gopls, settings, folder)
        except OSError as error:
            _say(f"{folder}: {error}")
            failed = True
            continue
        _say(f"{folder}: {answered} of {asked} packages in {time.monotonic() - start:.1f} s")
        failed |= answered < asked
    return int(failed)


def _say(text: str) -> None:
    """Write to the journal; this is a program, not part of a module."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
