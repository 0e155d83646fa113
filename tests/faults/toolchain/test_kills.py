# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are killed at any point: the old state or the new one is complete, and the next run finishes."""

from __future__ import annotations

import json
import os
import pathlib
import random
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.install import (
    install_toolchains,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.request import ToolchainRequest

from tests.faults.toolchain import killer
from tests.faults.toolchain.conftest import NEW, OLD, ToolchainHost
from tests.support.http_server import Server
from tests.support.killing import kill_group
from tests.support.toolchains import HERE, Toolchain

POINTS = 60
MODULE = "ansible_collections.gopherops.devserver.plugins.modules.go_toolchain"
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join(sys.path)}


class Killer:
    """Runs a request and kills it at the given point; 0 is never."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, killer.__file__],
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, request: ToolchainRequest, point: int = 0, *, group: bool = False) -> dict[str, t.Any]:
        assert self.process.stdin and self.process.stdout
        print(
            json.dumps({"request": request.__dict__, "point": point, "group": group}),
            file=self.process.stdin,
            flush=True,
        )
        result: dict[str, t.Any] = json.loads(self.process.stdout.readline())
        return result

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture
def kill() -> t.Iterator[Killer]:
    running = Killer()
    yield running
    running.close()


@pytest.fixture
def image(toolchain_host: ToolchainHost, tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a copy of a host with an old version that has to go, and half a tree in the new one's place."""
    (toolchain_host.directory / f"lib/go/{NEW}/bin").mkdir(parents=True)
    (toolchain_host.directory / f"lib/go/{NEW}.json").write_text("{}")
    return toolchain_host.directory.rename(tmp_path / "image")


def assert_whole_and_repaired(toolchain_host: ToolchainHost, request: ToolchainRequest) -> None:
    assert toolchain_host.version() in (OLD, NEW)
    install_toolchains(request, HERE, check=False)
    assert toolchain_host.version() == NEW
    assert toolchain_host.names() == toolchain_host.expected_names(NEW)
    assert not install_toolchains(request, HERE, check=False)["changed"]


@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
def test_a_kill_at_any_point(
    toolchain_host: ToolchainHost,
    image: pathlib.Path,
    make_request: t.Callable[..., ToolchainRequest],
    server: Server,
    new: Toolchain,
    kill: Killer,
    group: bool,
) -> None:
    server.routes[f"/{new.tar_name}"] = new.tar
    request = make_request(NEW, mirror=server.url, exclusive=True)
    toolchain_host.reset(image)
    count = kill.run(request)["done"]
    assert toolchain_host.names() == toolchain_host.expected_names(NEW)
    assert count > POINTS
    for point in sorted({1 + number * count // POINTS for number in range(POINTS)}):
        toolchain_host.reset(image)
        result = kill.run(request, point, group=group)
        assert (result["killed"], result["done"]) == (True, point)
        assert_whole_and_repaired(toolchain_host, request)


def trickle(body: bytes, seconds: float) -> t.Callable[[t.Any], None]:
    """Return what serves ``body`` in ten pieces over so many seconds."""

    def respond(handler: t.Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        size = len(body) // 10 + 1
        for start in range(0, len(body), size):
            handler.wfile.write(body[start : start + size])
            time.sleep(seconds / 10)

    return respond


def test_the_module_killed_from_outside(
    toolchain_host: ToolchainHost,
    image: pathlib.Path,
    make_request: t.Callable[..., ToolchainRequest],
    server: Server,
    new: Toolchain,
    tmp_path: pathlib.Path,
) -> None:
    request = make_request(NEW, mirror=server.url, exclusive=True)
    arguments = {
        "mirror": server.url,
        "official": "",
        "record": False,
        **{name: getattr(request, name) for name in ("versions", "root", "link", "bin_dir", "checksums", "exclusive")},
    }
    chance = random.Random(4)
    for _attempt in range(10):
        toolchain_host.reset(image)
        request_count = len(server.requests)
        server.routes[f"/{new.tar_name}"] = trickle(new.tar, 0.2)
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdin
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        process.stdin.close()
        while len(server.requests) == request_count:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.4))
        kill_group(process)
        server.routes[f"/{new.tar_name}"] = new.tar
        assert_whole_and_repaired(toolchain_host, request)
