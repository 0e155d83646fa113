# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users who run go all the time, while versions are switched and trees replaced."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.install import (
    install_toolchains,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.request import ToolchainRequest

from tests.support.toolchains import HERE, Toolchain, make_toolchain

Make = t.Callable[..., ToolchainRequest]
VERSIONS = ("1.99.1", "1.99.12")
SWITCHES, REMOVALS, REPLACEMENTS = 200, 40, 50

# Its own version must be the one in the tree that it was started from: else two trees were mixed.
GO = """
package main

import (
    "os"
    "path/filepath"
    "strings"
    "time"
)

var version string

func main() {
    self, _ := os.Executable()
    if os.Args[1] == "self" {
        os.Stdout.WriteString(version + "\\n")
        return
    }
    if os.Args[1] == "run" {
        time.Sleep(50 * time.Millisecond)
    }
    named, _ := os.ReadFile(filepath.Join(filepath.Dir(self), "..", "VERSION"))
    if !strings.HasPrefix(string(named), "go"+version+"\\n") {
        println("a go", version, "in", self, "beside", string(named))
        os.Exit(1)
    }
    os.Stdout.WriteString("go version go" + version + " PLATFORM\\n")
}
"""
# Runs a command, again and again.
CLIENT = """
import subprocess, sys
while True:
    try:
        done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = f"{done.returncode} {done.stdout.decode().strip()}"
    except OSError as error:
        output = str(error)
    print(f"{output}\\n", end="", flush=True)
"""
# Looks whether a path is there, so often that it would see a moment between two renames.
WATCHER = """
import os, sys
print("there", flush=True)
while True:
    if not os.path.lexists(sys.argv[1]):
        print("gone", flush=True)
"""


@pytest.fixture(scope="module")
def toolchains(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Toolchain]:
    """Toolchains whose go is a real program: a shell would read its script by a path, at a later moment."""
    if not shutil.which("go"):
        pytest.skip("no go to build a program with")
    directory = tmp_path_factory.mktemp("go")
    (directory / "main.go").write_text(GO.replace("PLATFORM", HERE.reported))
    env = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off", "CGO_ENABLED": "0"}
    made = {}
    for version in VERSIONS:
        flags = ["-ldflags", f"-s -w -X main.version={version}"]
        subprocess.run(["go", "build", *flags, "-o", version, "main.go"], cwd=directory, env=env, check=True)
        made[version] = make_toolchain(version, {"bin/go": (directory / version).read_bytes()})
    return made


@pytest.fixture
def make(make_request: Make, tmp_path: pathlib.Path, toolchains: dict[str, Toolchain]) -> Make:
    directory = tmp_path / "clients"
    directory.mkdir()
    for item in toolchains.values():
        (directory / item.tar_name).write_bytes(item.tar)
    checksums = {version: {HERE.archive: item.sha256} for version, item in toolchains.items()}
    return lambda *versions, **more: make_request(*versions, archive=directory, checksums=checksums, **more)


class Client:
    """A process that runs ``program`` with these arguments; ``stop`` terminates it and returns its lines."""

    def __init__(self, program: str, *arguments: str) -> None:
        argv = [sys.executable, "-c", program, *arguments]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self._first = self._process.stdout.readline()

    def stop(self) -> list[str]:
        self._process.terminate()
        return (self._first + self._process.communicate()[0]).splitlines()


def expected_line(version: str) -> str:
    return f"0 go version go{version} {HERE.reported}"


def test_switches_are_not_noticed(make: Make) -> None:
    request = [make(*VERSIONS, default=version) for version in VERSIONS]
    install_toolchains(request[0], HERE, check=False)
    client = Client(CLIENT, f"{request[0].bin_dir}/go", "version")
    for number in range(1, SWITCHES + 1):
        assert install_toolchains(request[number % 2], HERE, check=False)["changed"]
    lines = client.stop()
    assert set(lines) == {expected_line(version) for version in VERSIONS}
    assert len(lines) > SWITCHES / 4


def test_removals_are_not_noticed(make: Make) -> None:
    request = [make(version, exclusive=True) for version in VERSIONS]
    install_toolchains(request[0], HERE, check=False)
    clients = [Client(CLIENT, f"{request[0].bin_dir}/go", command) for command in ("version", "run")]
    for number in range(1, REMOVALS + 1):
        result = install_toolchains(request[number % 2], HERE, check=False)
        assert (result["removed"], result["in_use"]) == ([VERSIONS[(number + 1) % 2]], [])
    for client in clients:
        lines = client.stop()
        assert set(lines) == {expected_line(version) for version in VERSIONS}
        assert len(lines) > REMOVALS


def test_a_tree_that_is_replaced_is_there_at_every_moment(make: Make) -> None:
    request = make(VERSIONS[0])
    install_toolchains(request, HERE, check=False)
    client, watcher = Client(CLIENT, f"{request.bin_dir}/go", "self"), Client(WATCHER, f"{request.root}/{VERSIONS[0]}")
    for _replacement in range(REPLACEMENTS):
        os.unlink(f"{request.root}/{VERSIONS[0]}.json")
        assert install_toolchains(request, HERE, check=False)["toolchains"][0]["status"] == "installed"
    assert set(client.stop()) == {f"0 {VERSIONS[0]}"}
    assert watcher.stop() == ["there"]
