# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VS Code and its Go extension do with the files of a workspace: they fill in variables, run tasks, start dlv."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._host.process_tree import end_session, orphans_ended
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.document import parse
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.dap import DapClient
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.framing import Connection

# Attributes of VS Code that the adapter does not get.
_OF_THE_EDITOR = ("preLaunchTask", "debugAdapter")


def value_of(path: pathlib.Path) -> t.Any:
    """Return the value in a file of JSON with comments."""
    root = parse(path.read_text(), path=str(path)).root
    return root.value if root else None


class Editor:
    """An editor with one workspace and one open file; ``env`` is the environment of its server."""

    def __init__(self, directory: pathlib.Path, file: str, env: t.Mapping[str, str], dlv: str = "dlv") -> None:
        self.directory = directory
        self._file = str(directory / file)
        self._env = dict(env)
        self._dlv = dlv

    def filled(self, value: t.Any) -> t.Any:
        """Return a value of a file with its variables filled in; raise KeyError for one that is not known."""
        known = {
            "workspaceFolder": str(self.directory),
            "workspaceFolderBasename": self.directory.name,
            "file": self._file,
            "fileDirname": os.path.dirname(self._file),
        }
        text = re.sub(r"\$\{([^}]*)\}", lambda match: json.dumps(known[match[1]])[1:-1], json.dumps(value))
        return json.loads(text)

    def tasks(self) -> dict[str, dict[str, t.Any]]:
        return {task["label"]: task for task in value_of(self.directory / ".vscode/tasks.json")["tasks"]}

    def run_task(self, label: str) -> subprocess.CompletedProcess[str]:
        task = self.filled(self.tasks()[label])
        assert task["type"] == "process"
        options = task.get("options", {})
        return subprocess.run(
            [task["command"], *task["args"]],
            cwd=options.get("cwd", self.directory),
            env={**self._env, **options.get("env", {})},
            check=False,
            capture_output=True,
            text=True,
        )

    def configurations(self) -> dict[str, dict[str, t.Any]]:
        return {entry["name"]: entry for entry in value_of(self.directory / ".vscode/launch.json")["configurations"]}

    def debug(self, name: str, file: str, line: int, picked: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Start a configuration with a breakpoint, and return the uppermost frame of the first stop.

        ``picked`` are attributes that a person chooses, such as the process.
        """
        entry = {**self.configurations()[name], **(picked or {})}
        if "preLaunchTask" in entry:
            built = self.run_task(entry["preLaunchTask"])
            assert built.returncode == 0, built.stderr
        entry = self.filled({key: value for key, value in entry.items() if key not in _OF_THE_EDITOR})
        assert entry["type"] == "go"
        place = str(self.directory)
        if entry["request"] == "launch":
            # The extension starts dlv in the directory of the program, which it names relative to it.
            program = entry["program"]
            place = program if os.path.isdir(program) else os.path.dirname(program)
            entry["program"] = "." if os.path.isdir(program) else f"./{os.path.basename(program)}"
        with self._adapter(entry, place) as client:
            deadline = time.monotonic() + 60
            arguments = {"clientID": "vscode", "adapterID": "go", "linesStartAt1": True, "pathFormat": "path"}
            client.request("initialize", arguments, deadline=deadline)
            number = client.begin(entry["request"], entry, deadline=deadline)
            breakpoints = {"source": {"path": str(self.directory / file)}, "breakpoints": [{"line": line}]}
            client.request("setBreakpoints", breakpoints, deadline=deadline)
            client.request("configurationDone", deadline=deadline)
            client.read_response(number, entry["request"], deadline)
            stop = client.event("stopped", "terminated", deadline=deadline)
            assert stop["event"] == "stopped", client.output
            frames = client.request("stackTrace", {"threadId": stop["body"]["threadId"]}, deadline=deadline)
            client.request("disconnect", {"terminateDebuggee": True}, deadline=deadline)
            return t.cast("dict[str, t.Any]", frames["stackFrames"][0])

    @contextlib.contextmanager
    def _adapter(self, entry: t.Mapping[str, t.Any], directory: str) -> t.Iterator[DapClient]:
        """Yield a client of the dlv that serves a configuration: a remote one, or one that the extension starts."""
        if entry["mode"] == "remote":
            with contextlib.closing(connect(entry["host"], entry["port"])) as client:
                yield client
            return
        argv = [self._dlv, "dap", "--check-go-version=false", "--listen=127.0.0.1:0"]
        with started(argv, cwd=directory, env=self._env) as process:
            host, port = t.cast("t.IO[str]", process.stdout).readline().split()[-1].rsplit(":", 1)
            with contextlib.closing(connect(host, int(port))) as client:
                yield client
            # It exits after its client, and removes what it has built.
            process.wait(60)


@contextlib.contextmanager
def started(argv: t.Sequence[str], **options: t.Any) -> t.Iterator[subprocess.Popen[str]]:
    """Start a program, and end it with all that it has started: a killed dlv leaves the program that it debugs."""
    pipe = subprocess.PIPE
    with orphans_ended(), subprocess.Popen(argv, text=True, stdout=pipe, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            end_session(process.pid)


def connect(host: str, port: int) -> DapClient:
    return DapClient(Connection(socket.create_connection((host, port), 10), "dlv"))
