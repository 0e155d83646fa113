# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle shall hold: a declaration, judged and resolved without asking anybody outside."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.manifest import FOLDERS, is_inside
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import sha256_of_file
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.modules_of_workspace import (
    Workspace,
    read_workspace,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import (
    Platform,
    platform_named,
    this_platform,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.releases import releases, resolve
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.sources import Release
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.pins import Tool
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.support import known_good, reservation


class Declared(t.NamedTuple):
    """What the user wants in the bundle, in the terms of the roles that will provision from it.

    ``root`` and ``link`` are where the hosts have their toolchains: by them a tool's goroot means a version. No
    ``platforms`` mean this one's alone.
    """

    versions: t.Sequence[str]
    default: str | None
    root: str
    link: str
    checksums: t.Mapping[str, t.Any]
    platforms: t.Sequence[str]
    tools: t.Sequence[Tool]
    workspaces: t.Sequence[str]
    extensions: t.Sequence[str]


class Goal(t.NamedTuple):
    """A declaration that was found sound.

    ``releases`` go into the bundle. ``tools`` are exact, each with the version of the Go that builds it. ``builders``
    are the releases by version that run here. ``default`` is the version that fetches modules.
    """

    platforms: list[Platform]
    releases: list[Release]
    builders: dict[str, Release]
    default: str
    tools: list[tuple[Tool, str]]
    workspaces: list[Workspace]
    extensions: dict[str, str]

    def inputs(self) -> dict[str, t.Any]:
        """Return all that the bundle's content depends on, as the manifest holds it."""
        return {
            "platforms": [platform.archive for platform in self.platforms],
            "toolchains": [
                {"version": one.version, "platform": one.platform.archive, **one.pin._asdict()} for one in self.releases
            ],
            "tools": [_tool_input(tool, go) for tool, go in self.tools],
            "workspaces": [workspace.inputs() for workspace in self.workspaces],
            "extensions": {name: sha256_of_file(path) for name, path in self.extensions.items()},
        }


def _tool_input(tool: Tool, go: str) -> dict[str, t.Any]:
    named = {"name": tool.name, "package": tool.package, "version": tool.version, "go": go}
    return {**named, "tags": list(tool.tags), "flags": list(tool.flags)}


def resolved(declared: Declared) -> Goal:
    """Return what is to be made; raise DevserverError for what no bundle can hold."""
    if not declared.versions:
        raise DevserverError("no version of Go is asked for", expected="at least one, such as 1.22.12")
    own = this_platform()
    platforms = sorted({platform_named(name) for name in declared.platforms} or {own})
    builders = {release.version: release for release in _releases(declared, own)}
    default = resolve(declared.default or declared.versions[0], releases(own.archive, declared.checksums), own.archive)
    return Goal(
        platforms,
        [release for platform in platforms for release in _releases(declared, platform)],
        builders,
        default,
        [_resolved_tool(tool, declared, builders, default) for tool in declared.tools],
        [read_workspace(folder) for folder in declared.workspaces],
        _extensions(declared.extensions),
    )


def _releases(declared: Declared, platform: Platform) -> list[Release]:
    known = releases(platform.archive, declared.checksums)
    versions = dict.fromkeys(resolve(text, known, platform.archive) for text in declared.versions)
    return [Release(version, platform, known[version]) for version in versions]


def _resolved_tool(tool: Tool, declared: Declared, builders: t.Container[str], default: str) -> tuple[Tool, str]:
    version = default if tool.goroot == declared.link else os.path.relpath(tool.goroot, declared.root)
    if version not in builders:
        raise DevserverError(
            f"{tool.package} is to be built by the Go at {tool.goroot}, which is none of the bundle",
            expected=f"{declared.link}, or {declared.root}/ and one of the versions",
            remedy="add its version to devserver_go_versions (versions), or correct its goroot",
        )
    if tool.cgo:
        raise DevserverError(
            f"{tool.package} is declared with cgo, which ties it to the C libraries of the host that builds it",
            remedy="declare it without cgo, or leave it out of the bundle and have it built on the hosts",
        )
    exact = tool if tool.version else tool._replace(version=known_good(tool.package, f"go{version}"))
    refusal = "" if tool.force else reservation(exact.package, exact.version, f"go{version}")
    if refusal:
        raise DevserverError(refusal, remedy="declare another version, none for the known-good one, or force")
    return exact, version


def _extensions(paths: t.Sequence[str]) -> dict[str, str]:
    """Return the extension files by their names."""
    found = {os.path.basename(path): path for path in paths}
    for name, path in found.items():
        if not os.path.isfile(path) or not name.endswith(".vsix") or not is_inside(f"{FOLDERS['extension']}/{name}"):
            raise DevserverError(
                f"{path} is no file of an extension",
                expected="a file whose name ends in .vsix",
                remedy="correct bundle_extensions (extensions)",
                path=path,
            )
    if len(found) < len(paths):
        raise DevserverError("two extensions have files of the same name", expected="each name once")
    return found
