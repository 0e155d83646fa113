# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module killed while it builds, alone and with its group: no process survives, and the next run repairs."""

from __future__ import annotations

import glob
import os
import pathlib
import signal
import subprocess
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.lock import locked_directory

from tests.support.killing import kill_group

HELLO = {"package": "example.com/hello", "version": "v1.0.0"}
NEWER = (dict(HELLO, version="v1.1.0"), {"package": "example.com/tool/v2", "version": "v2.3.4"})
POINTS = 6
STARTED = ""
# The phases of a run with NEWER, and the path below the tools' directory that shows that each has begun.
PHASES = {
    "starts": STARTED,
    "makes the build directory": ".build-*",
    "fetches": ".build-*/*/mod/*",
    "compiles": ".build-*/*/cache/??/*",
    "has built one": ".build-*/output/hello-*",
    "has built all": ".build-*/output/tool-*",
    "has placed one": "hello/v1.1.0-*/hello",
    "has placed all": "tool/*/tool",
}
Host = t.Any  # conftest's; tests do not import from it


def processes_of(tool_host: Host) -> list[int]:
    """Return the processes that run in an environment, or with a command line, that names the host's directory."""
    found = []
    for directory in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            known = (directory / "environ").read_bytes() + (directory / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(tool_host.root) in known:
            found.append(int(directory.name))
    return found


def wait_until_gone(tool_host: Host) -> None:
    deadline = time.monotonic() + 20
    while processes_of(tool_host):
        assert time.monotonic() < deadline, processes_of(tool_host)
        time.sleep(0.02)


def prints_hello(tool_host: Host, name: str = "hello") -> bool:
    completed = subprocess.run([tool_host.bin / name], check=True, capture_output=True, text=True)
    return completed.stderr == "hello\n"


def set_back(tool_host: Host) -> None:
    """Leave the host with hello@v1.0.0, and without the programs and links of the newer tools."""
    old = next(tool_host.root.glob("hello/v1.0.0-*/hello"))
    for path in (
        *tool_host.root.glob("hello/v1.1.0-*/hello"),
        *tool_host.root.glob("tool/*/tool"),
        *tool_host.bin.iterdir(),
    ):
        path.unlink()
    (tool_host.bin / "hello").symlink_to(old)


def linked_version(tool_host: Host, name: str, package: str) -> str:
    """Return the version to which a link leads, after checking that the program has this version and runs."""
    program = pathlib.Path(os.readlink(tool_host.bin / name))
    version = program.parent.name.partition("-")[0]
    assert f"{package}\t{version}\t".encode() in program.read_bytes()
    assert prints_hello(tool_host, name)
    return version


def assert_old_or_new(tool_host: Host) -> None:
    """Check that a killed run leaves no process, and each tool complete or absent."""
    wait_until_gone(tool_host)
    assert linked_version(tool_host, "hello", "example.com/hello") in ("v1.0.0", "v1.1.0")
    if os.path.lexists(tool_host.bin / "tool"):
        assert linked_version(tool_host, "tool", "example.com/tool/v2") == "v2.3.4"


def kill_at(tool_host: Host, process: subprocess.Popen[str], sign: str, group: bool) -> bool:
    """Kill the module once a path like ``sign`` is below the tools' directory; return whether it was still running."""
    while not glob.glob(f"{tool_host.root}/{sign}"):
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    if process.poll() is None and group:
        kill_group(process)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
def test_a_kill_in_any_phase_leaves_the_old_tools_or_the_new_ones(provisioned: Host, goroot: str, group: bool) -> None:
    undisturbed = provisioned.run(*NEWER)
    expected = provisioned.files()
    killed = set()
    for phase, sign in PHASES.items():
        set_back(provisioned)
        # A Go that caches what it compiles has nothing to do in that phase.
        options = {"goroot": goroot} if phase == "compiles" else {}
        if kill_at(provisioned, provisioned.start(*NEWER, new_session=True, **options), sign, group):
            killed.add(phase)
        assert_old_or_new(provisioned)
    # The later phases may be shorter than the time it takes to notice them.
    assert killed >= {"starts", "makes the build directory", "fetches", "compiles"}
    repaired = provisioned.run(*NEWER)
    assert [tool["path"] for tool in repaired["tools"]] == [tool["path"] for tool in undisturbed["tools"]]
    assert provisioned.files() == expected
    assert provisioned.leftovers() == []
    assert linked_version(provisioned, "hello", "example.com/hello") == "v1.1.0"
    assert not provisioned.run(*NEWER)["changed"]


def test_kills_at_any_time_leave_the_old_tools_or_the_new_ones(provisioned: Host) -> None:
    start = time.monotonic()
    provisioned.run(*NEWER)
    whole = time.monotonic() - start
    expected = provisioned.files()
    for point in range(POINTS):
        set_back(provisioned)
        process = provisioned.start(*NEWER, new_session=True)
        time.sleep(whole * (point + 0.5) / POINTS)
        kill_at(provisioned, process, STARTED, group=bool(point % 2))
        assert_old_or_new(provisioned)
    provisioned.run(*NEWER)
    assert provisioned.files() == expected
    assert provisioned.leftovers() == []


def close_connection(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("end", [subprocess.Popen.kill, close_connection], ids=["killed", "connection closed"])
def test_processes_of_go_end_with_the_module(
    tool_host: Host, goroot: str, end: t.Callable[[subprocess.Popen[str]], None]
) -> None:
    tree, pids = tool_host.root.parent / "go", tool_host.root.parent / "pids"
    (tree / "bin").mkdir(parents=True)
    pids.touch()
    pids.chmod(0o666)
    wrapper = tree / "bin/go"
    # A go with a child and a grandchild that would outlive the test.
    wrapper.write_text(
        f'#!/bin/sh\n[ "$1" = install ] || exec {goroot}/bin/go "$@"\n'
        f"echo $$ >>{pids}\nsh -c 'echo $$ >>{pids}; sleep 600 & echo $! >>{pids}; wait' &\nwait\n"
    )
    wrapper.chmod(0o755)
    process = tool_host.start(HELLO, goroot=str(tree))
    while len(pids.read_text().splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    end(process)
    process.wait(timeout=20)
    wait_until_gone(tool_host)
    with locked_directory(str(tool_host.root), timeout=0):
        pass


def test_an_unfinished_link_of_a_killed_run_is_removed(provisioned: Host) -> None:
    rest = provisioned.bin / ".hello.unfinished-4711"
    rest.symlink_to(provisioned.root / "hello/v0.9.0-go1.2.3/hello")
    (provisioned.bin / ".hello.4712").symlink_to("/bin/true")
    (provisioned.bin / "hello").unlink()
    assert provisioned.run(HELLO)["changed"]
    assert sorted(path.name for path in provisioned.bin.iterdir()) == [".hello.4712", "hello"]
