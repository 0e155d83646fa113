# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requested content of a bundle, validated and resolved without network access."""

from __future__ import annotations

import os
import typing as t

from .._core.errors import DevserverError
from .._host.files import sha256_of_file
from .._toolchain.modules_of_workspace import Workspace, read_workspace
from .._toolchain.platform import Platform, platform_named, this_platform
from .._toolchain.releases import load_pins, resolve, resolve_versions
from .._toolchain.sources import Release
from .._tools.pins import Tool
from .._tools.support import incompatibility, known_good
from .manifest import DIRECTORIES, is_inside


class BundleRequest(t.NamedTuple):
    """What the user declares, with the options of the roles that provision from the bundle.

    ``root`` and ``link`` are the paths of toolchains on the hosts, which map a tool's goroot to a version. Without
    ``platforms`` the bundle is for the platform of this host.
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


class ExpectedBundle(t.NamedTuple):
    """A valid request, with every version resolved.

    ``releases`` go into the bundle. ``tools`` have exact versions, each with the version of the Go that builds it.
    ``builders`` are the releases for this host by version. ``default`` is the version that downloads modules.
    """

    platforms: list[Platform]
    releases: list[Release]
    builders: dict[str, Release]
    default: str
    tools: list[tuple[Tool, str]]
    workspaces: list[Workspace]
    extensions: dict[str, str]

    def inputs(self) -> dict[str, t.Any]:
        """Return everything that the bundle's content depends on, as the manifest contains it."""
        return {
            "platforms": [platform.archive for platform in self.platforms],
            "toolchains": [
                {"version": release.version, "platform": release.platform.archive, **release.pin._asdict()}
                for release in self.releases
            ],
            "tools": [_describe_tool(tool, go) for tool, go in self.tools],
            "workspaces": [workspace.inputs() for workspace in self.workspaces],
            "extensions": {name: sha256_of_file(path) for name, path in self.extensions.items()},
        }


def _describe_tool(tool: Tool, go: str) -> dict[str, t.Any]:
    named = {"name": tool.name, "package": tool.package, "version": tool.version, "go": go}
    return {**named, "tags": list(tool.tags), "flags": list(tool.flags)}


def resolve_request(request: BundleRequest) -> ExpectedBundle:
    """Return the expected bundle; raise DevserverError for an invalid request."""
    own_platform = this_platform()
    platforms = sorted(
        {platform_named(name, "bundle_platforms (platforms)") for name in request.platforms} or {own_platform}
    )
    known = load_pins(own_platform.archive, request.checksums)
    versions, default = resolve_versions(request.versions, request.default, known, own_platform.archive)
    builders = {version: Release(version, own_platform, known[version]) for version in versions}
    return ExpectedBundle(
        platforms,
        [release for platform in platforms for release in _releases(request, platform)],
        builders,
        default,
        [_resolve_tool(tool, request, builders, default) for tool in request.tools],
        [read_workspace(directory) for directory in request.workspaces],
        _extensions(request.extensions),
    )


def _releases(request: BundleRequest, platform: Platform) -> list[Release]:
    known = load_pins(platform.archive, request.checksums)
    versions = dict.fromkeys(resolve(text, known, platform.archive) for text in request.versions)
    return [Release(version, platform, known[version]) for version in versions]


def _resolve_tool(tool: Tool, request: BundleRequest, builders: t.Container[str], default: str) -> tuple[Tool, str]:
    version = default if tool.goroot == request.link else os.path.relpath(tool.goroot, request.root)
    if version not in builders:
        raise DevserverError(
            f"the goroot of {tool.package} is {tool.goroot}, which is not a Go of the bundle",
            expected=f"{request.link}, or {request.root}/ and one of the versions",
            remedy="add its version to devserver_go_versions (versions), or correct its goroot",
        )
    if tool.cgo:
        raise DevserverError(
            f"{tool.package} has cgo: true, which links it to the C libraries of the host that builds it",
            expected="tools without cgo",
            remedy="declare it without cgo, or build it on the hosts instead of adding it to the bundle",
        )
    exact = tool if tool.version else tool._replace(version=known_good(tool.package, f"go{version}"))
    problem = "" if tool.force else incompatibility(exact.package, exact.version, f"go{version}")
    if problem:
        raise DevserverError(
            problem,
            expected=f"a version that supports go{version}",
            remedy="declare another version, no version for the known-good one, or force",
        )
    return exact, version


def _extensions(paths: t.Sequence[str]) -> dict[str, str]:
    """Return the extension files by name."""
    files = {os.path.basename(path): path for path in paths}
    for name, path in files.items():
        if (
            not os.path.isfile(path)
            or not name.endswith(".vsix")
            or not is_inside(f"{DIRECTORIES['extension']}/{name}")
        ):
            raise DevserverError(
                f"bundle_extensions (extensions) has {path}, which is not an extension",
                expected="a file with a name that ends in .vsix",
                remedy="correct bundle_extensions (extensions)",
                path=path,
            )
    if len(files) < len(paths):
        raise DevserverError(
            "bundle_extensions (extensions) has two files with the same name",
            expected="each file name once",
            remedy="rename one of the files",
        )
    return files
