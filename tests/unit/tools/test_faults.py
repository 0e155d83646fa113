# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module killed while it builds, alone and with its group: nothing goes on alone, and the next run repairs."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time
import typing as t

HELLO = {"package": "example.com/hello", "version": "v1.0.0"}
POINTS = 12
Host = t.Any  # conftest's; tests do not import from it


def processes_of(host: Host) -> list[int]:
    """Return the processes that run in an environment, or with a command line, that names the host's folder."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            known = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(host.root) in known:
            found.append(int(folder.name))
    return found


def wait_until_gone(host: Host) -> None:
    deadline = time.monotonic() + 20
    while processes_of(host):
        assert time.monotonic() < deadline, processes_of(host)
        time.sleep(0.02)


def saying_hello(host: Host, name: str = "hello") -> bool:
    done = subprocess.run([host.bin / name], check=True, capture_output=True, text=True)
    return done.stderr == "hello\n"


def set_back(host: Host) -> None:
    """Leave the host with hello@v1.0.0, and without the programs and links of the newer tools."""
    old = next(host.root.glob("hello/v1.0.0-*/hello"))
    for path in (*host.root.glob("hello/v1.1.0-*/hello"), *host.root.glob("tool/*/tool"), *host.bin.iterdir()):
        path.unlink()
    (host.bin / "hello").symlink_to(old)


def linked_version(host: Host, name: str, package: str) -> str:
    """Return the version to which a link leads, after a look at the program: it is this version's, and it runs."""
    program = pathlib.Path(os.readlink(host.bin / name))
    version = program.parent.name.partition("-")[0]
    assert f"{package}\t{version}\t".encode() in program.read_bytes()
    assert saying_hello(host, name)
    return version


def test_kills_leave_the_old_tool_or_the_new_one_and_no_process(provisioned: Host) -> None:
    tools = [dict(HELLO, version="v1.1.0"), {"package": "example.com/tool/v2", "version": "v2.3.4"}]
    start = time.monotonic()
    undisturbed = provisioned.run(*tools)
    whole = time.monotonic() - start
    expected = provisioned.files()
    for point in range(POINTS):
        set_back(provisioned)
        process = provisioned.start(*tools, new_session=True)
        time.sleep(whole * (point + 0.5) / POINTS)
        if point % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.communicate()
        wait_until_gone(provisioned)
        assert linked_version(provisioned, "hello", "example.com/hello") in ("v1.0.0", "v1.1.0")
        if os.path.lexists(provisioned.bin / "tool"):
            assert linked_version(provisioned, "tool", "example.com/tool/v2") == "v2.3.4"
    repaired = provisioned.run(*tools)
    assert [tool["path"] for tool in repaired["tools"]] == [tool["path"] for tool in undisturbed["tools"]]
    assert provisioned.files() == expected
    assert provisioned.leftovers() == []
    assert linked_version(provisioned, "hello", "example.com/hello") == "v1.1.0"
    assert not provisioned.run(*tools)["changed"]


def test_what_go_has_started_ends_with_the_module(host: Host, goroot: str) -> None:
    tree, pids = host.root.parent / "go", host.root.parent / "pids"
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
    process = host.start(HELLO, goroot=str(tree))
    while len(pids.read_text().splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    wait_until_gone(host)


def test_a_link_that_a_killed_run_was_about_to_set_is_cleaned_up(provisioned: Host) -> None:
    rest = provisioned.bin / ".hello.unfinished-4711"
    rest.symlink_to(provisioned.root / "hello/v0.9.0-go1.2.3/hello")
    (provisioned.bin / ".hello.4712").symlink_to("/bin/true")
    (provisioned.bin / "hello").unlink()
    assert provisioned.run(HELLO)["changed"]
    assert sorted(path.name for path in provisioned.bin.iterdir()) == [".hello.4712", "hello"]
