# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real dlv with its Go, a workspace to debug, and the module in a separate process."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core import errors

COLLECTIONS = pathlib.Path(errors.__file__).parents[6]
FIXTURES = pathlib.Path(__file__).parents[3] / "fixtures"
GO = "go1.22.12"
DEBUGGABLE = "-gcflags=all=-N -l"
RUN = """
import sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.argv[1].encode()
basic._ANSIBLE_PROFILE = "legacy"
from ansible_collections.gopherops.devserver.plugins.modules.dlv_probe import main
main()
"""

# Takes the place of the service's main program where nothing requests a page: its build, and each debugger of it, take
# a fraction of the time, as it does not contain net/http.
SMALL = pathlib.Path(__file__).parent / "small"


def go_environment() -> dict[str, str]:
    # The Go variables of the caller's shell would change the builds.
    kept = {name: value for name, value in os.environ.items() if name not in ("GOFLAGS", "GOWORK", "CGO_ENABLED")}
    return dict(kept, GOTOOLCHAIN=GO)


@pytest.fixture(scope="session")
def goroot() -> str:
    completed = subprocess.run(
        ["go", "env", "GOROOT"], cwd="/", env=go_environment(), check=True, capture_output=True, text=True
    )
    return completed.stdout.strip()


@pytest.fixture(scope="session")
def dlv(tool_of) -> str:
    return tool_of("dlv", "1.22", go_environment())


@pytest.fixture
def short_directory():
    """A temporary directory whose name is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="dlv-") as directory:
        yield pathlib.Path(directory)


class Workspace:
    """The sample service in a directory; its builds are in the parent directory."""

    def __init__(self, parent: pathlib.Path, goroot: str, dlv: str) -> None:
        self.directory = parent / "service"
        self.scratch = parent / "scratch"
        self.goroot, self.dlv = goroot, dlv
        shutil.copytree(FIXTURES / "service", self.directory)
        self.scratch.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.goroot}/bin:/usr/bin:/bin", "GOTOOLCHAIN": "local"}

    def build(self, *flags: str, package: str = "./cmd/api", directory: pathlib.Path | None = None, **env: str) -> str:
        """Build a program, debuggable by default, and return its path."""
        path = str(self.directory.parent / f"program{len(os.listdir(self.directory.parent))}")
        argv = [f"{self.goroot}/bin/go", "build", *(flags or [DEBUGGABLE]), "-o", path, package]
        subprocess.run(argv, cwd=directory or self.directory, env=dict(go_environment(), **env), check=True)
        return path

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def probe(self, **options):
        """Run the module and return its result; the default program is the service, which exits by itself."""
        arguments = {
            "dlv": self.dlv,
            "goroot": self.goroot,
            "workspace": str(self.directory),
            "package": "./cmd/api",
            "args": [] if options.get("mode") == "test" else ["-check", "-listen=127.0.0.1:0"],
            "environment": {**self.environment, **options.pop("environment", {})},
            "temporary_directory": str(self.scratch),
            "runs": 1,
            "timeout": 60,
            **options,
        }
        argv = [sys.executable, "-c", RUN, json.dumps({"ANSIBLE_MODULE_ARGS": arguments})]
        env = dict(os.environ, PYTHONPATH=str(COLLECTIONS))
        completed = subprocess.run(argv, env=env, check=False, capture_output=True, text=True)
        assert completed.stdout, completed.stderr
        result = json.loads(completed.stdout)
        assert "Traceback" not in completed.stdout + completed.stderr
        return result


@pytest.fixture
def service_workspace(short_directory, goroot, dlv) -> Workspace:
    """A workspace with the whole service."""
    return Workspace(short_directory, goroot, dlv)


@pytest.fixture
def workspace(service_workspace) -> Workspace:
    """A workspace whose program serves no pages."""
    for name in ("main.go", "main_test.go"):
        service_workspace.write(f"cmd/api/{name}", (SMALL / name).read_text())
    return service_workspace


def openssl(directory: pathlib.Path, *argv: str) -> None:
    arguments = [word for option in argv for word in (option.split("=", 1) if option.startswith("-") else [option])]
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture
def certificates(tmp_path) -> pathlib.Path:
    """Two authorities, and a server and a client certificate of each."""
    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for ca in ("a", "b"):
        openssl(tmp_path, *new, "-x509", "-days=2", f"-subj=/CN={ca}", f"-keyout={ca}.key", f"-out={ca}.crt")
        for name in (f"server-{ca}", f"client-{ca}"):
            named = ["-addext=subjectAltName=DNS:dlv.example", f"-keyout={name}.key", "-out=request"]
            openssl(tmp_path, *new, f"-subj=/CN={name}", *named)
            signed = ["-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-days=2", "-copy_extensions=copy", f"-out={name}.crt"]
            openssl(tmp_path, "x509", "-req", "-in=request", *signed)
    return tmp_path
