# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small toolchains whose ``go`` is a shell script, and loopback servers that serve them well or badly."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import io
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tarfile
import threading
import typing as t
import zipfile

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain import fetch
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.dirhash import h1
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import this_platform
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.request import ToolchainRequest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.sources import KINDS

HERE = this_platform()
Responder = t.Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclasses.dataclass(frozen=True)
class Toolchain:
    """One Go version as both of its distributions."""

    version: str
    tar: bytes
    zip: bytes
    h1: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.tar).hexdigest()

    @property
    def tar_name(self) -> str:
        return f"go{self.version}.{HERE.archive}.tar.gz"

    @property
    def zip_name(self) -> str:
        return f"v0.0.1-go{self.version}.{HERE.module}.zip"

    @property
    def zip_path(self) -> str:
        return f"/golang.org/toolchain/@v/{self.zip_name}"


def go_script(version: str) -> bytes:
    return f'#!/bin/sh\n[ "$*" = version ] && echo "go version go{version} {HERE.reported}"\n'.encode()


def make_toolchain(version: str, extra: t.Mapping[str, bytes] | None = None) -> Toolchain:
    files = {
        "VERSION": f"go{version}\ntime 2026-01-01T00:00:00Z\n".encode(),
        "bin/go": go_script(version),
        "bin/gofmt": b"#!/bin/sh\n",
        "pkg/tool/x/compile": b"#!/bin/sh\n",
        "src/go.mod": b"module std\n",
        "src/fmt/print.go": b"package fmt\n",
        **(extra or {}),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo("go/" + name)
            info.size = len(content)
            info.mode = 0o755 if name.startswith(("bin/", "pkg/tool/")) else 0o644
            archive.addfile(info, io.BytesIO(content))
    prefix = f"golang.org/toolchain@v0.0.1-go{version}.{HERE.module}/"
    entries = {prefix + name.replace("go.mod", "_go.mod"): content for name, content in files.items()}
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in entries.items()}
    return Toolchain(version, packed.getvalue(), zipped.getvalue(), h1(digests))


@pytest.fixture(scope="session")
def old() -> Toolchain:
    return make_toolchain("1.99.1")


@pytest.fixture(scope="session")
def new() -> Toolchain:
    return make_toolchain("1.99.12")


class Server:
    """Serves ``routes``: a path's bytes, or a function that responds; records each request's path and headers."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.routes: dict[str, bytes | Responder] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, dict(self.headers)))
                response = server.routes.get(self.path)
                if callable(response):
                    response(self)
                elif response is None:
                    self.send_error(404)
                else:
                    send(self, response)

            def log_message(self, format: str, *args: t.Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def paths(self) -> list[str]:
        return [path for path, _headers in self.requests]


def send(handler: http.server.BaseHTTPRequestHandler, body: bytes, length: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


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
        completed = subprocess.run(
            [sys.executable, "-m", f"ansible_collections.gopherops.devserver.plugins.modules.{name}"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": {**places, "_ansible_diff": True, **arguments}}),
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
