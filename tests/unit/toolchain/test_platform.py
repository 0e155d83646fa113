# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and Go's names for them."""

from __future__ import annotations

import platform
import subprocess

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import platform_of, this_platform


@pytest.mark.parametrize(
    ("machine", "bits", "archive", "module", "reported"),
    [
        ("x86_64", 64, "linux-amd64", "linux-amd64", "linux/amd64"),
        ("x86_64", 32, "linux-386", "linux-386", "linux/386"),
        ("i686", 32, "linux-386", "linux-386", "linux/386"),
        ("i386", 32, "linux-386", "linux-386", "linux/386"),
        ("aarch64", 64, "linux-arm64", "linux-arm64", "linux/arm64"),
        ("aarch64", 32, "linux-armv6l", "linux-arm", "linux/arm"),
        ("armv8l", 32, "linux-armv6l", "linux-arm", "linux/arm"),
        ("armv7l", 32, "linux-armv6l", "linux-arm", "linux/arm"),
        ("armv6l", 32, "linux-armv6l", "linux-arm", "linux/arm"),
        ("ppc64le", 64, "linux-ppc64le", "linux-ppc64le", "linux/ppc64le"),
        ("s390x", 64, "linux-s390x", "linux-s390x", "linux/s390x"),
        ("riscv64", 64, "linux-riscv64", "linux-riscv64", "linux/riscv64"),
        ("loongarch64", 64, "linux-loong64", "linux-loong64", "linux/loong64"),
    ],
)
def test_names(machine: str, bits: int, archive: str, module: str, reported: str) -> None:
    found = platform_of(machine, bits)
    assert (found.archive, found.module, found.reported) == (archive, module, reported)


@pytest.mark.parametrize("machine", ["sparc64", "armv5tel", "ppc64", ""])
def test_a_machine_without_a_go_archive_is_rejected(machine: str) -> None:
    with pytest.raises(DevserverError, match="no Go archive"):
        platform_of(machine, 64)


def test_this_host_is_the_platform_of_its_kernel_and_libc() -> None:
    bits = int(subprocess.run(["getconf", "LONG_BIT"], check=True, capture_output=True, text=True).stdout)
    assert this_platform() == platform_of(platform.machine(), bits)
