# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rendered task runs, and each rendered launch configuration stops at a breakpoint, as the editor starts them."""

from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.workspace_entry import parse_entry
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_owner
from ansible_collections.gopherops.devserver.plugins.module_utils._workspace.files import managed_files

from tests.support.editor import Editor, started

GO = "go1.22.12"
PROGRAM = """package main

var number int

func main() {
\tfor {
\t\twork()
\t}
}

func work() {
\tnumber++ // the breakpoint
}
"""
TEST = """package main

import "testing"

func TestWork(t *testing.T) { work() }
"""
LINE = PROGRAM.splitlines().index("\tnumber++ // the breakpoint") + 1


@pytest.fixture(scope="module")
def environment(go_cache: str) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    argv = ["go", "env", "GOROOT"]
    done = subprocess.run(argv, cwd="/", env={**env, "GOTOOLCHAIN": GO}, check=True, capture_output=True, text=True)
    return {
        **env,
        "GOTOOLCHAIN": "local",
        "GOCACHE": go_cache,
        "PATH": f"{done.stdout.strip()}/bin:{os.environ['PATH']}",
    }


@pytest.fixture(scope="module")
def dlv(environment: dict[str, str], tool_of: t.Callable[..., str]) -> str:
    return tool_of("dlv", "1.22", environment)


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> pathlib.Path:
    """A program, opened by a path with a link, and all files that the role renders."""
    real = tmp_path / "real"
    real.mkdir()
    for name, text in {"go.mod": "module example.com/x\n\ngo 1.21\n", "main.go": PROGRAM, "x_test.go": TEST}.items():
        (real / name).write_text(text)
    link = tmp_path / "shop"
    link.symlink_to(real)
    account = find_owner(os.geteuid())
    assert account
    entry = parse_entry({"path": str(link), "manage": ["launch", "tasks"]}, account.name)
    (real / ".vscode").mkdir()
    for file in managed_files(entry, account, str(real), {"staticcheck": "/bin/true"}):
        pathlib.Path(file.path).write_text(file.content(None) or "")
    return link


def test_every_task_runs(directory: pathlib.Path, environment: dict[str, str]) -> None:
    editor = Editor(directory, "main.go", environment)
    before = sorted(path.name for path in directory.iterdir())
    labels = list(editor.tasks())
    assert labels[0] == "go build" and "staticcheck" in labels and len(labels) >= 7
    for label in labels:
        completed = editor.run_task(label)
        assert completed.returncode == 0, (label, completed.stderr)
    assert sorted(path.name for path in directory.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "file"),
    [("Launch package", "main.go"), ("Launch file", "main.go"), ("Test package with coverage", "x_test.go")],
)
def test_what_is_launched_stops(
    directory: pathlib.Path, environment: dict[str, str], dlv: str, name: str, file: str
) -> None:
    frame = Editor(directory, file, environment, dlv).debug(name, "main.go", LINE)
    assert frame["name"].endswith(".work") and frame["line"] == LINE
    assert frame["source"]["path"] == str(directory / "main.go")
    assert not [path for path in directory.iterdir() if "debug_bin" in path.name]


def build(directory: pathlib.Path, environment: t.Mapping[str, str]) -> str:
    program = str(directory.parent / "program")
    argv = ["go", "build", "-gcflags=all=-N -l", "-o", program, "."]
    subprocess.run(argv, cwd=directory, env=environment, check=True)
    return program


def test_a_running_process_stops(directory: pathlib.Path, environment: dict[str, str], dlv: str) -> None:
    with started([build(directory, environment)]) as process:
        editor = Editor(directory, "main.go", environment, dlv)
        frame = editor.debug("Attach to process", "main.go", LINE, {"processId": process.pid})
    assert (frame["name"], frame["line"]) == ("main.work", LINE)


def test_a_remote_dlv_stops(directory: pathlib.Path, environment: dict[str, str], dlv: str) -> None:
    program = build(directory, environment)
    headless = ["--headless", "--accept-multiclient", "--check-go-version=false", "--listen=127.0.0.1:0"]
    with started([dlv, "exec", program, *headless], env=environment) as process:
        port = int(t.cast("t.IO[str]", process.stdout).readline().rpartition(":")[2])
        frame = Editor(directory, "main.go", environment).debug("Attach to remote dlv", "main.go", LINE, {"port": port})
    assert (frame["name"], frame["line"]) == ("main.work", LINE)


def test_a_failed_session_leaves_no_process(directory: pathlib.Path, environment: dict[str, str]) -> None:
    adapter = directory / "adapter"
    adapter.write_text("#!/bin/sh\nsetsid sleep 987 &\necho $! >pid\necho listening at 127.0.0.1:1\nwait\n")
    adapter.chmod(0o755)
    editor = Editor(directory, "main.go", {**environment, "GOFLAGS": "-n"}, str(adapter))
    with pytest.raises(ConnectionRefusedError):
        editor.debug("Launch package", "main.go", LINE)
    assert not os.path.exists(f"/proc/{(directory / 'pid').read_text().strip()}")
