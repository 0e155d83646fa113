# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VS Code gets in a workspace: launch configurations, tasks, recommended extensions, and directories to open.

Attributes are those of the Go extension 0.42.1 and 0.57.2, and of VS Code. Programs run in the environment of the
editor's server, which go_env sets up.
"""

from __future__ import annotations

import platform
import shutil
import typing as t

from .._host.command import SYSTEM_PATH

EXTENSION = "golang.go"
_BUILD = "go build"
# The port of the documentation of dlv and of the extension.
_REMOTE_PORT = 2345
_LINTERS = {"golangci-lint": ["run"], "staticcheck": []}
_COMPILERS = ("gcc", "clang", "cc")
# Of those that the race detector supports on Linux.
_RACE_MACHINES = ("x86_64", "aarch64", "ppc64le", "s390x")

Entry = t.Dict[str, t.Any]


def launch_entries(mapping: t.Sequence[t.Mapping[str, str]], *, builds_first: bool) -> list[Entry]:
    """Return the launch configurations; ``mapping`` is substitutePath, empty for none.

    With ``builds_first`` the task of ``task_entries`` builds what is launched before.
    """
    paths = {"substitutePath": list(mapping)} if mapping else {}
    task = {"preLaunchTask": _BUILD} if builds_first else {}
    # No dlvLoadConfig: this adapter has no such limits, and the extension shows a warning in each session.
    adapter = {"debugAdapter": "dlv-dap", **paths}

    def launch(name: str, mode: str, program: str, **more: t.Any) -> Entry:
        place = {"mode": mode, "program": program}
        return {"name": name, "type": "go", "request": "launch", **place, **adapter, **more}

    def attach(name: str, mode: str, **more: t.Any) -> Entry:
        return {"name": name, "type": "go", "request": "attach", "mode": mode, **adapter, **more}

    return [
        launch("Launch package", "debug", "${fileDirname}", **task),
        launch("Launch file", "debug", "${file}"),
        launch("Test package with coverage", "test", "${fileDirname}", buildFlags="-cover", args=["-test.v"]),
        attach("Attach to process", "local", processId="${command:pickGoProcess}"),
        attach("Attach to remote dlv", "remote", host="127.0.0.1", port=_REMOTE_PORT),
    ]


def task_entries(modules: t.Sequence[str], tools: t.Mapping[str, str]) -> list[Entry]:
    """Return the tasks for the ``modules`` of a workspace, or for its own directory, with the pinned ``tools``."""
    modules = modules or ["."]
    packages = [f"./{module}/..." if module != "." else "./..." for module in modules]
    # One that the host does not have.
    other = "amd64" if platform.machine() == "aarch64" else "arm64"
    can_race = platform.machine() in _RACE_MACHINES and any(shutil.which(name, path=SYSTEM_PATH) for name in _COMPILERS)
    linter = next((name for name in _LINTERS if name in tools), "")

    def task(label: str, *words: str, command: str = "go", **more: t.Any) -> Entry:
        return {
            "label": label,
            "type": "process",
            "command": command,
            "args": [*words],
            **more,
            "problemMatcher": "$go",
        }

    tidy = [
        task(
            "go mod tidy" if module == "." else f"go mod tidy {module}",
            *("mod", "tidy"),
            options={"cwd": f"${{workspaceFolder}}/{module}" if module != "." else "${workspaceFolder}"},
        )
        for module in modules
    ]
    cross = {"GOOS": "linux", "GOARCH": other, "CGO_ENABLED": "0"}
    return [
        task(_BUILD, "build", "-o", "/dev/null", *packages, group="build"),
        *tidy,
        task("go vet", "vet", *packages),
        task("go test", "test", *packages, group="test"),
        *([task("go test -race", "test", "-race", *packages, group="test")] if can_race else []),
        task("go test -cover", "test", "-cover", *packages, group="test"),
        task(f"go build linux/{other}", "build", "-o", "/dev/null", *packages, options={"env": cross}),
        *([task(linter, *_LINTERS[linter], *packages, command=tools[linter])] if linter else []),
    ]


def workspace_folders(modules: t.Sequence[str]) -> list[Entry]:
    """Return the directories of a multi-root workspace: the modules, or the whole directory."""
    return [{"path": module} for module in modules or ["."]]
