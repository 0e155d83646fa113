# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is too small, or that cannot be written."""

from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.filelist import scan
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.install import (
    install_toolchains,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.request import ToolchainRequest

from tests.faults.toolchain.conftest import NEW, OLD, ToolchainHost
from tests.support.mounts import mounted
from tests.support.toolchains import HERE

Make = t.Callable[..., ToolchainRequest]


class Disk:
    """A filesystem in memory, mounted where the test's host is; its size and options can be changed."""

    def __init__(self, place: pathlib.Path) -> None:
        self.place = place

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", self.place], check=True)

    def used(self) -> int:
        status = os.statvfs(self.place)
        return (status.f_blocks - status.f_bfree) * status.f_frsize


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> t.Iterator[Disk]:
    place = tmp_path / "host"
    place.mkdir()
    with mounted(place, "-t", "tmpfs", "-o", "mode=0755", "devserver-test"):
        yield Disk(place)


@pytest.fixture
def toolchain_host(disk: Disk, make_request: Make, archives: pathlib.Path) -> ToolchainHost:
    """A host on that disk, with the old version."""
    request = make_request(OLD, NEW, archive=archives)
    install_toolchains(request, HERE, check=False)
    whole = {version: scan(f"{request.root}/{version}") for version in (OLD, NEW)}
    install_toolchains(make_request(OLD, exclusive=True), HERE, check=False)
    return ToolchainHost(disk.place, whole)


def test_a_full_disk(toolchain_host: ToolchainHost, disk: Disk, make_request: Make, archives: pathlib.Path) -> None:
    request = make_request(NEW, archive=archives)
    before = disk.used()
    room = 0
    while room < 2_000_000:
        disk.remount(f"size={before + room}")
        try:
            install_toolchains(request, HERE, check=False)
            break
        except DevserverError as error:
            assert "No space left on device" in str(error)
            assert "of free space for each version" in str(error)
        assert toolchain_host.version() == OLD
        assert toolchain_host.names() == toolchain_host.expected_names(OLD)
        assert disk.used() == before
        room += 20_480
    assert room > 400_000  # The archive and the tree, so that both have met the end of the disk.
    assert toolchain_host.version() == NEW
    assert toolchain_host.names() == toolchain_host.expected_names(OLD, NEW)


def test_a_read_only_disk(
    toolchain_host: ToolchainHost, disk: Disk, make_request: Make, archives: pathlib.Path
) -> None:
    request = make_request(NEW, archive=archives)
    disk.remount("ro")
    with pytest.raises(DevserverError, match=r"cannot use .*Read-only file system"):
        install_toolchains(request, HERE, check=False)
    assert not install_toolchains(make_request(OLD), HERE, check=False)["changed"]
    assert toolchain_host.version() == OLD
    disk.remount("rw")
    install_toolchains(request, HERE, check=False)
    assert toolchain_host.version() == NEW
