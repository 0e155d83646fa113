# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills gopls's cache: analyses every package of some workspaces, by opening one file of each as an editor does.

This file is also installed on the host as a program, so it imports only Python's standard library:

    gopls-prewarm GOPLS SETTINGS WORKSPACE...

GOPLS must be the binary that serves the editor, because each binary has its own cache. SETTINGS is the JSON file of the
settings that the editor sends, because they determine the analyses.

Each run writes REPORT into the cache: the number of packages, with all dependencies, and how many of them were analysed
before. The number of new results of the kind "analysis" in the cache is the rest.
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

# Files open at a time; gopls frees their memory between the batches.
_BATCH = 16
# Seconds for one batch; the unit limits the whole run.
_TIMEOUT = 600
# Seconds for gopls to exit after the exit notification.
_EXIT_TIMEOUT = 30
REPORT = "prewarm.json"
_SKIPPED = ("vendor", "testdata", "node_modules")
_LIST_FORMAT = (
    "{{.ImportPath}} {{if .DepOnly}}{{else if .GoFiles}}{{.Dir}}/{{index .GoFiles 0}}"
    "{{else if .CgoFiles}}{{.Dir}}/{{index .CgoFiles 0}}{{end}}"
)


class Counts(t.NamedTuple):
    """``analysed`` of the ``packages`` of a workspace; ``from_cache`` of them ``with_dependencies``."""

    analysed: int
    packages: int
    from_cache: int
    with_dependencies: int


class Server:
    """A gopls process, connected by its standard input and output."""

    def __init__(self, gopls: str, directory: str, settings: Message) -> None:
        self._settings = settings
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([gopls, "serve"], cwd=directory, stdin=pipe, stdout=pipe)
        self._messages: queue.Queue[Message | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self._number = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def initialize(self, directory: str) -> None:
        workspace_folders = [{"uri": to_uri(directory), "name": os.path.basename(directory)}]
        capabilities = {"workspace": {"configuration": True, "workspaceFolders": True}}
        self._request(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": to_uri(directory),
                "workspaceFolders": workspace_folders,
                "capabilities": capabilities,
                "initializationOptions": self._settings,
            },
        )
        self._send({"method": "initialized", "params": {}})

    def diagnose(self, files: t.Sequence[str]) -> set[str]:
        """Open ``files`` and return those that got diagnostics."""
        opened = set(files)
        for file in files:
            with open(file, encoding="utf-8", errors="replace") as source:
                document = {"uri": to_uri(file), "languageId": "go", "version": 1, "text": source.read()}
            self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        diagnosed: set[str] = set()
        deadline = time.monotonic() + _TIMEOUT
        while opened - diagnosed:
            message = self._next(deadline)
            if message is None:
                break
            if message.get("method") == "textDocument/publishDiagnostics":
                diagnosed.add(_to_path(message["params"]["uri"]))
        for file in files:
            self._send({"method": "textDocument/didClose", "params": {"textDocument": {"uri": to_uri(file)}}})
        return diagnosed & opened

    def close(self) -> None:
        """Let gopls exit by itself, so that it writes its whole cache."""
        with contextlib.suppress(OSError):
            self._request("shutdown", None)
            self._send({"method": "exit"})
        try:
            self._process.wait(timeout=_EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _request(self, method: str, params: t.Any) -> None:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        deadline = time.monotonic() + _TIMEOUT
        while True:
            message = self._next(deadline)
            if message is None or (message.get("id") == self._number and "method" not in message):
                return

    def _next(self, deadline: float) -> Message | None:
        """Return the next message, None at the deadline or after the exit of gopls; respond to its requests."""
        try:
            message = self._messages.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if message and "method" in message and "id" in message:
            self._send({"id": message["id"], "result": self._respond(message)})
        return message

    def _respond(self, message: Message) -> t.Any:
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
            body = stream.read(length)
            if len(body) < length:  # gopls was ended within a message.
                self._messages.put(None)
                return
            self._messages.put(json.loads(body))


def to_uri(path: str) -> str:
    """Return the URI of a file."""
    return "file://" + quote(path)


def _to_path(address: str) -> str:
    # gopls may escape other characters than to_uri does.
    return unquote(address[len("file://") :])


def find_modules(directory: str) -> list[str]:
    """Return ``directory`` and the directories below it that contain a go.mod, as gopls does for a workspace."""
    modules = []
    for path, below, files in os.walk(directory):
        below[:] = sorted(name for name in below if name not in _SKIPPED and not name.startswith((".", "_")))
        modules += [path] if "go.mod" in files else []
    return modules


def list_packages(directory: str) -> dict[str, str]:
    """Return one file of each package that can be built here, in the modules below ``directory``, by import path.

    Dependencies in other modules have none.
    """
    packages: dict[str, str] = {}
    for module in find_modules(directory):
        argv = ["go", "list", "-e", "-deps", "-f", _LIST_FORMAT, "./..."]
        completed = subprocess.run(argv, cwd=module, stdout=subprocess.PIPE, text=True, check=False)
        for line in completed.stdout.splitlines():
            name, _space, file = line.partition(" ")
            packages[name] = file if os.path.isfile(file) else packages.get(name, "")
    return packages


def _list_analyses(cache: str) -> set[str]:
    """Return the results of analyses in gopls's cache, one for each package."""
    return {name for _path, _below, files in os.walk(cache) for name in files if name.endswith("-analysis")}


def prewarm(gopls: str, settings: Message, workspace: str, cache: str) -> Counts:
    """Analyse every package of one workspace."""
    packages = list_packages(workspace)
    files = sorted(filter(None, packages.values()))
    before = _list_analyses(cache)
    server = Server(gopls, workspace, settings)
    try:
        server.initialize(workspace)
        diagnosed = [server.diagnose(files[start : start + _BATCH]) for start in range(0, len(files), _BATCH)]
    finally:
        server.close()
    added = len(_list_analyses(cache) - before)
    return Counts(sum(map(len, diagnosed)), len(files), max(0, len(packages) - added), len(packages))


def main(argv: t.Sequence[str]) -> int:
    """Return 1 if not all packages could be analysed; a workspace that does not exist yet is skipped."""
    gopls, settings_file, *workspaces = argv
    cache = os.environ["GOPLSCACHE"]
    counted = []
    with open(settings_file, encoding="utf-8") as file:
        settings = json.load(file)
    failed = False
    for workspace in workspaces:
        if not os.path.isdir(workspace):
            _log(f"{workspace}: does not exist, skipped")
            continue
        start = time.monotonic()
        try:
            counts = prewarm(gopls, settings, workspace, cache)
        except OSError as error:
            _log(f"{workspace}: cannot be analysed: {error}")
            failed = True
            continue
        seconds = f"{time.monotonic() - start:.1f} s"
        _log(
            f"{workspace}: {counts.analysed} of {counts.packages} packages in {seconds};"
            f" with dependencies, {counts.from_cache} of {counts.with_dependencies} came from the cache"
        )
        counted.append(counts)
        failed |= counts.analysed < counts.packages
    _write_report(cache, counted)
    return int(failed)


def _write_report(cache: str, counted: t.Sequence[Counts]) -> None:
    """Write the sums over all workspaces."""
    sums = {name: sum(getattr(counts, name) for counts in counted) for name in Counts._fields}
    path = os.path.join(cache, REPORT)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(sums, file)
    os.replace(f"{path}.new", path)


def _log(text: str) -> None:
    """Write to the journal. This is a program, so its output is no part of a module's result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
