# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The toolchains and servers of the unit tests, on a host whose state can be compared as a whole."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
import tempfile
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.filelist import Files, scan
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.install import (
    install_toolchains,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.request import ToolchainRequest

from tests.support.toolchains import HERE, Toolchain, make_toolchain
from tests.unit.toolchain.conftest import archives, authority, impatient, make_request, server

__all__ = ["archives", "authority", "impatient", "make_request", "new", "old", "server", "tmp_path", "toolchain_host"]

OLD, NEW = "1.99.1", "1.99.12"
# So that the archive is fetched and written in several pieces, and a disk can be too small for a part of it.
BULK = {"pkg/bulk": os.urandom(200_000), "src/last.go": b"package last\n"}


@pytest.fixture(scope="session")
def old() -> Toolchain:
    return make_toolchain(OLD, BULK)


@pytest.fixture(scope="session")
def new() -> Toolchain:
    return make_toolchain(NEW, BULK)


@pytest.fixture
def tmp_path(tmp_path: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """A directory in memory where that is possible: each sync of a busy disk takes long, and there are hundreds."""
    memory = "/dev/shm"
    if not os.access(memory, os.W_OK) or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield pathlib.Path(directory)


@dataclasses.dataclass
class ToolchainHost:
    """The directory that the fixture ``make_request`` installs to; ``whole`` are the expected files of each version."""

    directory: pathlib.Path
    whole: dict[str, Files]

    @property
    def link(self) -> pathlib.Path:
        return self.directory / "go"

    def version(self) -> str:
        """Return the default version, after a look at every file of its tree."""
        done = subprocess.run([self.link / "bin/go", "version"], check=True, capture_output=True, text=True)
        version = done.stdout.split()[2][2:]
        assert scan(os.path.realpath(self.link)) == self.whole[version]
        return version

    def names(self) -> set[str]:
        """Return the names of everything but the content of the trees."""
        directories = [self.directory, self.directory / "lib/go", self.directory / "bin"]
        found = {path for directory in directories if directory.is_dir() for path in directory.iterdir()}
        return {str(path.relative_to(self.directory)) for path in found}

    def expected_names(self, *versions: str) -> set[str]:
        installed = {f"lib/go/{version}{suffix}" for version in versions for suffix in ("", ".json", ".files")}
        links = {f"bin/{name}" for name in ("go", "gofmt", *(f"go{version}" for version in versions))}
        return installed | links | {"bin", "go", "lib", "lib/go/.lock"}

    def reset(self, image: pathlib.Path) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.copytree(image, self.directory, symlinks=True)


@pytest.fixture
def toolchain_host(
    tmp_path: pathlib.Path, make_request: t.Callable[..., ToolchainRequest], archives: pathlib.Path
) -> ToolchainHost:
    """A host on which the old version is installed."""
    other = make_request(OLD, NEW, archive=archives, root=str(tmp_path / "other/lib"), link=str(tmp_path / "other/go"))
    install_toolchains(other, HERE, check=False)
    whole = {version: scan(f"{other.root}/{version}") for version in (OLD, NEW)}
    shutil.rmtree(tmp_path / "other")
    shutil.rmtree(tmp_path / "host")
    install_toolchains(make_request(OLD, archive=archives), HERE, check=False)
    return ToolchainHost(tmp_path / "host", whole)
