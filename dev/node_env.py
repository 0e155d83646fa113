# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node packages that tests compare with: installed by a lock file's hashes, where the machine has npm."""

from __future__ import annotations

import shutil
from pathlib import Path

from dev.checkout import CACHE, REQUIREMENTS
from dev.command import run

DIRECTORY = CACHE / "node"
MODULES = DIRECTORY / "node_modules"
OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--cache", str(CACHE / "npm"))


def ensure(log: Path) -> bool:
    """Install what requirements/node locks; return False where there is no npm, which only tests would miss."""
    npm = shutil.which("npm")
    if npm is None:
        return False
    source = REQUIREMENTS / "node"
    lock = DIRECTORY / "package-lock.json"
    if MODULES.is_dir() and lock.is_file() and lock.read_bytes() == (source / lock.name).read_bytes():
        return True
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    shutil.copytree(source, DIRECTORY)
    # The lock names no registry: npm uses the one that this machine is configured for, and verifies by hash.
    run([npm, "ci", *OPTIONS], log=log, cwd=DIRECTORY)
    return True
