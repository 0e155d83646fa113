# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers what goes into a bundle: toolchains, tools for every platform, the modules of workspaces, extension files."""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.goal import Goal
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.manifest import FOLDERS, Entry
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.modules import (
    Module,
    download,
    downloaded,
    version_lists,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import open_at_once, sha256_of_file
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import Platform, this_platform
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.sources import (
    Offer,
    Release,
    checked_bases,
    obtain,
    offers,
    unpack,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.store import fault
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build import (
    Builder,
    build_key,
    installed_go,
    wanted_info,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import read_build_info
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.pins import Tool
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.workshop import Workshop


class Means(t.NamedTuple):
    """Where things come from: sources of toolchains in order, their locations, the GOPROXY; times in seconds.

    A server may stay silent for ``timeout``; go may take ``build_timeout`` for a tool, or the modules of a workspace.
    """

    order: t.Sequence[str]
    bases: t.Mapping[str, str]
    goproxy: str
    timeout: float
    build_timeout: float


def check_sources(goal: Goal, means: Means) -> None:
    """Raise DevserverError where no source can deliver a toolchain, which shows without asking one."""
    bases = checked_bases(means.bases)
    for release in [*goal.releases, *goal.builders.values()]:
        offers(release, means.order, bases)


class Contents:
    """The ``entries`` of a bundle that is being made, and by their paths the ``files`` that hold what they say."""

    def __init__(self, workshop: Workshop, means: Means) -> None:
        self.entries: list[Entry] = []
        self.files: dict[str, str] = {}
        self._workshop = workshop
        self._means = means
        self._trees: dict[str, str] = {}
        self._count = 0
        self._builder = Builder(workshop, means.goproxy, means.build_timeout, "devserver_tools_timeout (build_timeout)")

    def new_file(self) -> str:
        """Return a path that nothing is at yet."""
        self._count += 1
        return os.path.join(self._workshop.done, str(self._count))

    def add(self, entry: Entry, path: str) -> None:
        """Take the file at ``path`` as what ``entry`` says."""
        self.entries.append(entry)
        self.files[entry.path] = path

    def collect(self, goal: Goal) -> None:
        """Gather all of a goal; raise DevserverError where something cannot be had, or is not what it should be."""
        fetched = {release: self._toolchain(release) for release in goal.releases}
        used = {go for _tool, go in goal.tools} | ({goal.default} if goal.workspaces else set())
        for version in sorted(used):
            release = goal.builders[version]
            self._trees[version] = self._unpacked(release, *(fetched.get(release) or self._fetched(release)))
        for platform in goal.platforms:
            for tool, go in goal.tools:
                self._tool(tool, go, platform)
        if goal.workspaces:
            self._modules(goal)
        for name, path in goal.extensions.items():
            self._take("extension", name, path, f"VS Code extension {name}")

    def _take(self, kind: str, name: str, path: str, what: str, platform: str = "") -> None:
        place, digest = f"{FOLDERS[kind]}/{name}", sha256_of_file(path)
        self.add(Entry(place, os.path.getsize(path), digest, kind, what, platform), path)

    def _fetched(self, release: Release) -> tuple[str, Offer]:
        """Return the path of a toolchain's file, and what that was offered as."""
        path = self.new_file()
        candidates = offers(release, self._means.order, checked_bases(self._means.bases))
        return path, obtain(release, candidates, path, timeout=self._means.timeout).offer

    def _toolchain(self, release: Release) -> tuple[str, Offer]:
        path, offer = self._fetched(release)
        what = f"Go {release.version} for {release.platform.archive}"
        name = release.module_name if offer.is_module else release.archive_name
        self._take("toolchain", name, path, what, release.platform.archive)
        return path, offer

    def _unpacked(self, release: Release, path: str, offer: Offer) -> str:
        """Return the tree of a toolchain that runs here."""
        # The account runs it, and cannot change it there.
        tree = os.path.join(self._workshop.top, f"go{release.version}")
        os.mkdir(tree, 0o755)
        unpack(release, offer, path, tree)
        reason = fault(tree, release.version, release.platform)
        if reason:
            raise DevserverError(
                f"the Go {release.version} that was fetched does not run here: {reason}",
                remedy="correct the checksum, or name a bundle_work_dir (work_dir) that is not mounted noexec",
            )
        return tree

    def _tool(self, tool: Tool, version: str, platform: Platform) -> None:
        go = installed_go(self._trees[version], {} if platform == this_platform() else _target(platform))
        wanted = wanted_info(tool, go)
        key = build_key(wanted)
        if any(path.startswith(f"{FOLDERS['tool']}/{key}/") for path in self.files):
            return  # Declared twice, for other users.
        binary = self.new_file()
        self._builder.build(tool, go, binary)
        difference = wanted.difference(read_build_info(binary))
        if difference:
            raise DevserverError(f"what was built as {tool} for {platform.archive} is not that: {difference}")
        what = f"{tool} for {platform.archive}, built by {go.version}"
        self._take("tool", f"{key}/{sha256_of_file(binary)}", binary, what, platform.archive)

    def _modules(self, goal: Goal) -> None:
        go = installed_go(self._trees[goal.default])
        for number, workspace in enumerate(goal.workspaces):
            download(workspace, str(number), self._builder, go)
        found = downloaded(self._builder)
        for module in found:
            self._module(module)
        for name, text in version_lists(found).items():
            path = self.new_file()
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
            self._take("module", name, path, "versions of a module in this bundle")

    def _module(self, module: Module) -> None:
        path = self.new_file()
        with acting_as(self._workshop.account):
            descriptor = open_at_once(module.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as source, open(path, "xb") as file:
            shutil.copyfileobj(source, file)
        self._take("module", module.name, path, module.what)


def _target(platform: Platform) -> dict[str, str]:
    """Return the variables by which go builds for a platform as the Go of that platform itself does."""
    # The archive for ARM is made for version 6; a Go of another platform would build for 7.
    return {"GOARCH": platform.goarch, **({"GOARM": "6"} if platform.goarch == "arm" else {})}
