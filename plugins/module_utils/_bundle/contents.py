# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects the content of a bundle: toolchains, tools for every platform, the modules of workspaces, extensions."""

from __future__ import annotations

import os
import typing as t

from .._core.errors import DevserverError
from .._host.files import open_nonblocking, sha256_of_file
from .._host.user_access import acting_as
from .._toolchain.platform import Platform, this_platform
from .._toolchain.sources import Offer, Release, list_offers, obtain, unpack, validate_bases
from .._toolchain.store import find_fault
from .._tools.build import Builder, build_key, copy_output, expect_build, find_go
from .._tools.build_directory import BuildDirectory
from .._tools.pins import Tool
from .manifest import DIRECTORIES, Entry
from .modules import ModuleFile, download_modules, list_modules, version_lists
from .request import ExpectedBundle


class BundleSources(t.NamedTuple):
    """The sources of toolchains in order, their base locations, and the GOPROXY; times in seconds.

    A server may stay silent for ``timeout``; go may take ``build_timeout`` for a tool, or a workspace's modules.
    """

    order: t.Sequence[str]
    bases: t.Mapping[str, str]
    goproxy: str
    timeout: float
    build_timeout: float

    def list_offers(self, release: Release) -> list[Offer]:
        """Return the files to try for ``release``; raise DevserverError if no source is configured for it."""
        return list_offers(release, self.order, validate_bases(self.bases))


class BundleContents:
    """The ``entries`` of a bundle that is being made, and the paths of their ``files`` by the entries' paths."""

    def __init__(self, directory: BuildDirectory, sources: BundleSources) -> None:
        self.entries: list[Entry] = []
        self.files: dict[str, str] = {}
        self._directory = directory
        self._sources = sources
        self._trees: dict[str, str] = {}
        self._count = 0
        self._builder = Builder(
            directory, sources.goproxy, sources.build_timeout, "devserver_tools_timeout (build_timeout)"
        )

    def _new_file(self) -> str:
        """Return an unused path."""
        self._count += 1
        return os.path.join(self._directory.output, str(self._count))

    def collect(self, expected: ExpectedBundle) -> None:
        """Fetch, build and download everything; raise DevserverError if something is unavailable or differs."""
        fetched = {release: self._add_toolchain(release) for release in expected.releases}
        used = {go for _tool, go in expected.tools} | ({expected.default} if expected.workspaces else set())
        for version in sorted(used):
            release = expected.builders[version]
            self._trees[version] = self._unpack(release, *(fetched.get(release) or self._fetch(release)))
        for platform in expected.platforms:
            for tool, go in expected.tools:
                self._add_tool(tool, go, platform)
        if expected.workspaces:
            self._add_modules(expected)
        for name, path in expected.extensions.items():
            self._add_file("extension", name, path, f"VS Code extension {name}")

    def _add_file(self, kind: str, name: str, path: str, description: str, platform: str = "") -> None:
        entry = Entry(
            f"{DIRECTORIES[kind]}/{name}", os.path.getsize(path), sha256_of_file(path), kind, description, platform
        )
        self.entries.append(entry)
        self.files[entry.path] = path

    def _fetch(self, release: Release) -> tuple[str, Offer]:
        """Return the path of a toolchain's file, and the offer that it came from."""
        path = self._new_file()
        offers = self._sources.list_offers(release)
        offer, _size = obtain(release, offers, path, timeout=self._sources.timeout)
        return path, offer

    def _add_toolchain(self, release: Release) -> tuple[str, Offer]:
        path, offer = self._fetch(release)
        description = f"Go {release.version} for {release.platform.archive}"
        name = release.module_name if offer.is_module else release.archive_name
        self._add_file("toolchain", name, path, description, release.platform.archive)
        return path, offer

    def _unpack(self, release: Release, path: str, offer: Offer) -> str:
        """Return the tree of a toolchain for this host."""
        # The account can run it here, and cannot change it.
        tree = os.path.join(self._directory.top, f"go{release.version}")
        os.mkdir(tree, 0o755)
        unpack(release, offer, path, tree)
        reason = find_fault(tree, release.version, release.platform)
        if reason:
            raise DevserverError(
                f"the fetched Go {release.version} does not run on this host: {reason}",
                expected=f"go version reports go{release.version}",
                remedy="correct the checksum, or choose a bundle_work_dir (work_dir) that is not mounted noexec",
            )
        return tree

    def _add_tool(self, tool: Tool, version: str, platform: Platform) -> None:
        go = find_go(self._trees[version], {} if platform == this_platform() else _target_variables(platform))
        build = expect_build(tool, go)
        key = build_key(build)
        if any(path.startswith(f"{DIRECTORIES['tool']}/{key}/") for path in self.files):
            return  # It is declared again for other users.
        binary = self._new_file()
        self._builder.build(tool, go, binary)
        build.verify(binary, "built")
        description = f"{tool} for {platform.archive}, built by {go.version}"
        self._add_file("tool", f"{key}/{sha256_of_file(binary)}", binary, description, platform.archive)

    def _add_modules(self, expected: ExpectedBundle) -> None:
        go = find_go(self._trees[expected.default])
        for number, workspace in enumerate(expected.workspaces):
            download_modules(workspace, str(number), self._builder, go)
        modules = list_modules(self._builder)
        for module in modules:
            self._add_module(module)
        for name, text in version_lists(modules).items():
            path = self._new_file()
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
            self._add_file("module", name, path, "versions of a module in this bundle")

    def _add_module(self, module: ModuleFile) -> None:
        path = self._new_file()
        with acting_as(self._directory.account):
            descriptor = open_nonblocking(module.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as source, open(path, "xb") as file:
            copy_output(source, file)
        self._add_file("module", module.name, path, module.description)


def _target_variables(platform: Platform) -> dict[str, str]:
    """Return the variables with which go builds for a platform as that platform's own Go does."""
    # Go's archive for ARM builds for version 6; a Go of another platform would build for 7.
    return {"GOARCH": platform.goarch, **({"GOARM": "6"} if platform.goarch == "arm" else {})}
