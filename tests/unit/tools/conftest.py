# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module proxy in a directory, hosts to install into, and the module as a separate process."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core import errors
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.known_good import PACKAGES, SETS

from tests.support.directories import public_directory
from tests.support.module_proxy import publish_module

COLLECTIONS = pathlib.Path(errors.__file__).parents[6]
RUN = """
import sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.argv[1].encode()
basic._ANSIBLE_PROFILE = "legacy"
from ansible_collections.gopherops.devserver.plugins.modules.go_tool import main
main()
"""
HELLO = 'package main\n\nfunc main() { println("hello") }\n'
MODULES = {
    "example.com/hello@v1.0.0": {"main.go": HELLO},
    "example.com/hello@v1.1.0": {"main.go": HELLO},
    "example.com/tool/v2@v2.3.4": {"main.go": HELLO},
    "example.com/suite@v0.1.0-rc.1": {"cmd/x/main.go": HELLO, "lib/lib.go": "package lib\n"},
    "example.com/broken@v1.0.0": {"main.go": "package main\n\nfunc main() { undefined() }\n"},
    "example.com/future@v1.0.0": {"main.go": HELLO},
    # Small replacements for tools that are known by name.
    **{f"{PACKAGES['gofumpt']}@{versions['gofumpt']}": {"main.go": HELLO} for versions in SETS.values()},
    "honnef.co/go/tools@v0.4.7": {"cmd/staticcheck/main.go": HELLO},
}


@pytest.fixture(scope="session")
def older_goroot() -> str:
    """The tree of another Go, from the module cache; only root can read it if root owns the cache."""
    env = dict(os.environ, GOTOOLCHAIN="go1.22.12")
    completed = subprocess.run(["go", "env", "GOROOT"], cwd="/", env=env, check=False, capture_output=True, text=True)
    if completed.returncode:
        pytest.skip("cannot get another Go: " + completed.stderr)
    return completed.stdout.strip()


@pytest.fixture(scope="session")
def proxy() -> t.Iterator[str]:
    """The URL of a module proxy that serves MODULES."""
    with public_directory() as directory:
        for name, files in MODULES.items():
            module, version = name.split("@")
            go_mod = f"module {module}\n\ngo {'1.999' if 'future' in module else '1.21'}\n"
            publish_module(directory, module, version, go_mod=go_mod, files=files)
        yield directory.as_uri()


class Host:
    """Directories to install into, and the module run on them; the output of its process is in ``output``."""

    def __init__(self, directory: pathlib.Path, goroot: str, proxy: str) -> None:
        self.root = directory / "tools"
        self.bin = directory / "bin"
        paths = {"root": str(self.root), "bin_dir": str(self.bin), "goroot": goroot}
        self.options: dict[str, t.Any] = {**paths, "goproxy": proxy, "record": False}
        self.output = ""

    def start(
        self, *tools: t.Mapping[str, t.Any], check: bool = False, new_session: bool = False, **options: t.Any
    ) -> subprocess.Popen[str]:
        modes = {"_ansible_check_mode": check, "_ansible_diff": True}
        arguments: dict[str, t.Any] = {**self.options, **modes, "tools": tools, **options}
        # The checksum database does not contain these modules.
        env = dict(os.environ, PYTHONPATH=str(COLLECTIONS), GONOSUMDB="example.com,mvdan.cc,honnef.co")
        argv = [sys.executable, "-c", RUN, json.dumps({"ANSIBLE_MODULE_ARGS": arguments})]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, env=env, stdout=pipe, stderr=pipe, text=True, start_new_session=new_session)

    def finish(self, process: subprocess.Popen[str]) -> dict[str, t.Any]:
        stdout, stderr = process.communicate()
        self.output = stdout + stderr
        assert stdout, stderr
        result: dict[str, t.Any] = json.loads(stdout)
        return result

    def run(self, *tools: t.Mapping[str, t.Any], check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        return self.finish(self.start(*tools, check=check, **options))

    def leftovers(self) -> list[pathlib.Path]:
        return list(self.root.glob(".build-*"))

    def files(self) -> list[str]:
        """Return every path below the two directories, without the lock."""
        found = [path for directory in (self.root, self.bin) for path in directory.rglob("*")]
        return sorted(str(path.relative_to(self.root.parent)) for path in found if path.name != ".lock")


@pytest.fixture
def tool_host(quick_goroot: str, proxy: str) -> t.Iterator[Host]:
    """A host without any tool, and with a Go that caches what it compiles."""
    with public_directory() as directory:
        yield Host(directory, quick_goroot, proxy)


@pytest.fixture
def tool_host_with_plain_go(tool_host: Host, goroot: str) -> Host:
    """A host without any tool, and with a Go that no wrapper precedes."""
    tool_host.options["goroot"] = goroot
    return tool_host


@pytest.fixture(scope="session")
def _built(quick_goroot: str, proxy: str) -> t.Iterator[Host]:
    with public_directory() as directory:
        tool_host = Host(directory, quick_goroot, proxy)
        result = tool_host.run({"package": "example.com/hello", "version": "v1.0.0"})
        assert result.get("changed"), result
        yield tool_host


@pytest.fixture
def provisioned(tool_host: Host, _built: Host) -> Host:
    """A host with example.com/hello@v1.0.0."""
    shutil.copytree(_built.root, tool_host.root)
    tool_host.bin.mkdir()
    binary = next(tool_host.root.glob("hello/*/hello"))
    (tool_host.bin / "hello").symlink_to(binary)
    return tool_host
