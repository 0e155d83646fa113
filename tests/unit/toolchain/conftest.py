# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two small toolchains, servers for them, and requests to install them."""

from __future__ import annotations

import json
import os
import pathlib
import ssl
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain import fetch
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.request import ToolchainRequest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.sources import KINDS

from tests.support.http_server import Server
from tests.support.toolchains import HERE, Toolchain, make_toolchain


@pytest.fixture(scope="session")
def old() -> Toolchain:
    return make_toolchain("1.99.1")


@pytest.fixture(scope="session")
def new() -> Toolchain:
    return make_toolchain("1.99.12")


@pytest.fixture
def server() -> t.Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A directory with a throw-away authority (ca.pem) and a certificate for 127.0.0.1 (server.pem)."""
    directory = tmp_path_factory.mktemp("authority")
    (directory / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem"
        " -addext keyUsage=critical,keyCertSign",
        "req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.crt",
    ):
        subprocess.run(["openssl", *command.split()], cwd=directory, check=True, capture_output=True)
    (directory / "server.pem").write_text(
        (directory / "server.key").read_text() + (directory / "server.crt").read_text()
    )
    return directory


@pytest.fixture
def tls_server(authority: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Server]:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem")
    running = Server(context)
    yield running
    running.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the number of attempts, but not the pauses between them, and let no proxy come between."""
    monkeypatch.setattr(fetch, "PAUSES", (0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


Module = t.Callable[..., tuple[int, dict[str, t.Any]]]


@pytest.fixture
def module(tmp_path: pathlib.Path) -> Module:
    """Run a module as ansible does, a process of its own with its arguments as JSON; return its code and result."""

    def run(name: str, **arguments: t.Any) -> tuple[int, dict[str, t.Any]]:
        places = {"root": f"{tmp_path}/lib/go", "link": f"{tmp_path}/go", "bin_dir": f"{tmp_path}/bin"}
        unrecorded = {"record": False} if name == "go_toolchain" else {}
        completed = subprocess.run(
            [sys.executable, "-m", f"ansible_collections.gopherops.devserver.plugins.modules.{name}"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": {**places, **unrecorded, "_ansible_diff": True, **arguments}}),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in completed.stderr
        return completed.returncode, json.loads(completed.stdout)

    return run


@pytest.fixture
def make_request(tmp_path: pathlib.Path, old: Toolchain, new: Toolchain) -> t.Callable[..., ToolchainRequest]:
    """Build a request for ``versions`` below ``tmp_path / "host"``; sources are given by their names."""
    host = tmp_path / "host"

    def make(*versions: str, **given: t.Any) -> ToolchainRequest:
        bases = {kind: str(given.pop(kind, "")) for kind in KINDS}
        values: dict[str, t.Any] = {
            "versions": versions,
            "default": None,
            "root": str(host / "lib/go"),
            "link": str(host / "go"),
            "bin_dir": str(host / "bin"),
            "order": KINDS,
            "bases": bases,
            "checksums": {item.version: {HERE.archive: item.sha256} for item in (old, new)},
            "timeout": 5,
            **given,
        }
        return ToolchainRequest(**values)

    return make


@pytest.fixture
def archives(tmp_path: pathlib.Path, old: Toolchain, new: Toolchain) -> pathlib.Path:
    """A directory with the archives of both toolchains."""
    directory = tmp_path / "archives"
    directory.mkdir()
    for item in (old, new):
        (directory / item.tar_name).write_bytes(item.tar)
    return directory
