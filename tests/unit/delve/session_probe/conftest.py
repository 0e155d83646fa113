# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real dlv with the Go it is for, a workspace to debug, and the module as a process of its own."""

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
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe import adapter
from ansible_collections.gopherops.devserver.plugins.modules.dlv_probe import main
adapter._PATIENCE = float(sys.argv[2])
main()
"""


def go_environment() -> dict[str, str]:
    # What the caller's shell has for Go would change what is built.
    kept = {name: value for name, value in os.environ.items() if name not in ("GOFLAGS", "GOWORK", "CGO_ENABLED")}
    return dict(kept, GOTOOLCHAIN=GO)


@pytest.fixture(scope="session")
def goroot() -> str:
    done = subprocess.run(
        ["go", "env", "GOROOT"], cwd="/", env=go_environment(), check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="session")
def dlv(tool_of) -> str:
    return tool_of("dlv", "1.22", go_environment())


@pytest.fixture
def short_folder():
    """A temporary folder whose name is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="dlv-") as folder:
        yield pathlib.Path(folder)


class Workspace:
    """The sample service in a folder; what it builds lies beside that."""

    def __init__(self, folder: pathlib.Path, goroot: str, dlv: str) -> None:
        self.folder = folder / "service"
        self.scratch = folder / "scratch"
        self.goroot, self.dlv = goroot, dlv
        shutil.copytree(FIXTURES / "service", self.folder)
        self.scratch.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.goroot}/bin:/usr/bin:/bin", "GOTOOLCHAIN": "local"}

    def build(self, *flags: str, package: str = "./cmd/api", folder: pathlib.Path | None = None, **env: str) -> str:
        """Build a program, debuggable if nothing else is said, and return its path."""
        path = str(self.folder.parent / f"program{len(os.listdir(self.folder.parent))}")
        argv = [f"{self.goroot}/bin/go", "build", *(flags or [DEBUGGABLE]), "-o", path, package]
        subprocess.run(argv, cwd=folder or self.folder, env=dict(go_environment(), **env), check=True)
        return path

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def probe(self, *, patience: float = 10, **options):
        """Run the module and return its result; the program is the service that ends by itself if nothing is said.

        ``patience`` is how many seconds dlv may take to end after its client has gone.
        """
        given = {
            "dlv": self.dlv,
            "goroot": self.goroot,
            "workspace": str(self.folder),
            "package": "./cmd/api",
            "args": [] if options.get("mode") == "test" else ["-check", "-listen=127.0.0.1:0"],
            "environment": {**self.environment, **options.pop("environment", {})},
            "temporary_folder": str(self.scratch),
            "runs": 1,
            "timeout": 60,
            **options,
        }
        argv = [sys.executable, "-c", RUN, json.dumps({"ANSIBLE_MODULE_ARGS": given}), str(patience)]
        env = dict(os.environ, PYTHONPATH=str(COLLECTIONS))
        done = subprocess.run(argv, env=env, check=False, capture_output=True, text=True)
        assert done.stdout, done.stderr
        result = json.loads(done.stdout)
        assert "Traceback" not in done.stdout + done.stderr
        return result


@pytest.fixture
def workspace(short_folder, goroot, dlv) -> Workspace:
    return Workspace(short_folder, goroot, dlv)
