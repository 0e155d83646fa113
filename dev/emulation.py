# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets this machine run programs for arm64: the kernel hands them to qemu, in containers too."""

from __future__ import annotations

import platform
from pathlib import Path

from dev import apt
from dev.command import run

BINFMT = Path("/proc/sys/fs/binfmt_misc")
HANDLER = "qemu-aarch64"


def ensure(log: Path) -> None:
    """Install qemu and register it with the kernel until the next boot; nothing on a machine that is arm64 itself."""
    if platform.machine() == "aarch64" or (BINFMT / HANDLER).exists():
        return
    # mmdebstrap tests by arch-test whether the programs run.
    commands = {f"{HANDLER}-static": "qemu-user-static", "update-binfmts": "binfmt-support", "arch-test": "arch-test"}
    apt.require(commands, log)
    if not BINFMT.is_mount():
        run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT], log=log)
    run(["update-binfmts", "--enable", HANDLER], log=log)
