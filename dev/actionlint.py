# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""actionlint, which checks the workflows: built by Go, whose checksum database verifies its source."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dev import skips
from dev.checkout import CACHE, ROOT
from dev.command import query, run
from dev.skips import Skip

PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"
VERSION = "v1.7.12"
GOPATH = CACHE / "go"
BINARY = GOPATH / "bin" / "actionlint"


def check(log: Path) -> None:
    """Check every workflow; on a machine without Go that is reported as a skip."""
    if not shutil.which("go"):
        skips.write(skips.report_of(log), [Skip("workflows", "go is not installed")])
        return
    _ensure(log)
    # Others' linters for scripts inside workflows are on some machines only, and would make the result differ.
    run([BINARY, "-shellcheck=", "-pyflakes=", *sorted((ROOT / ".github" / "workflows").glob("*.yml"))], log=log)


def _ensure(log: Path) -> None:
    """Build the pinned version where another one or none is there."""
    version = query([BINARY, "-version"])
    if version.ok and version.output.split("\n")[0] == VERSION:
        return
    # -modcacherw: `make clean` can remove the modules without changing modes first.
    env = os.environ | {"GOPATH": str(GOPATH), "GOBIN": str(BINARY.parent), "GOFLAGS": "-modcacherw"}
    env.pop("GOMODCACHE", None)
    run(["go", "install", f"{PACKAGE}@{VERSION}"], log=log, env=env)
