# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requested toolchains and paths, validated and resolved without network access."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._core.errors import DevserverError
from .._host.destinations import check_own_directory, check_path, check_shared_directory
from .._host.path_names import is_below
from .checksum_database import check_database
from .fetch import check_timeout
from .platform import Platform
from .releases import add_database, load_pins, resolve_versions
from .requirements import version_key
from .sources import Release, validate_bases

# What has a link in bin_dir besides the versions.
PROGRAMS = ("go", "gofmt")
# The variables of the options, as messages name them.
VARIABLES = {
    "root": "devserver_toolchain_root (root)",
    "bin_dir": "devserver_bin_dir (bin_dir)",
    "link": "devserver_goroot (link)",
}


@dataclasses.dataclass(frozen=True)
class ToolchainRequest:
    """What the user declares: versions as requested, where they go, and where they may come from.

    ``default`` is None for the first of the versions. ``bases`` gives each source its location, empty for none.
    ``timeout`` is the seconds a server may stay silent. ``checksum_database`` verifies what has no pin. ``exclusive``
    removes what was installed here, is not among the versions and is not in use, ``absent`` only these versions of it;
    ``verify`` compares every file of installed trees and replaces one that was edited. ``earlier_roots`` and
    ``earlier_links`` are those of earlier runs.
    """

    versions: t.Sequence[str]
    default: str | None
    root: str
    link: str
    bin_dir: str
    order: t.Sequence[str]
    bases: t.Mapping[str, str]
    checksums: t.Mapping[str, t.Any]
    timeout: float
    checksum_database: str = ""
    exclusive: bool = False
    absent: t.Collection[str] = ()
    verify: bool = False
    earlier_roots: t.Collection[str] = ()
    earlier_links: t.Collection[str] = ()

    def version_link(self, version: str) -> tuple[str, str]:
        """Return the link by which a version is found, and its target."""
        return os.path.join(self.bin_dir, f"go{version}"), os.path.join(self.root, version, "bin", "go")


@dataclasses.dataclass(frozen=True)
class ExpectedToolchains:
    """A valid request, with every version resolved."""

    requested: dict[str, str]
    releases: list[Release]
    bases: dict[str, str]
    default: str
    links: dict[str, str]


def resolve_request(request: ToolchainRequest, platform: Platform) -> ExpectedToolchains:
    """Return the expected toolchains and links; raise DevserverError for an invalid request."""
    check_timeout("devserver_toolchain_timeout (timeout)", request.timeout)
    _check_paths(request)
    if not request.order:
        raise DevserverError(
            "toolchain_sources (sources) is empty",
            expected="at least one source, such as official",
            remedy="add a source, or remove toolchain_sources to have its default",
        )
    bases = validate_bases(request.bases)
    check_database(request.checksum_database, bases["goproxy"])
    known = load_pins(platform.archive, request.checksums)
    if request.checksum_database:
        known = add_database(known, request.versions)
    requested, default = resolve_versions(request.versions, request.default, known, platform.archive)
    expected = [Release(version, platform, known[version]) for version in requested]
    links = dict(request.version_link(version) for version in requested)
    links[request.link] = os.path.join(request.root, default)
    for program in PROGRAMS:
        links[os.path.join(request.bin_dir, program)] = os.path.join(request.link, "bin", program)
    if len(links) < len(requested) + 3:
        raise DevserverError(
            f"devserver_goroot (link) is {request.link}, the path of a program's link in devserver_bin_dir (bin_dir)",
            expected="a path outside devserver_bin_dir, such as /usr/local/go",
            remedy="correct devserver_goroot (link) or devserver_bin_dir (bin_dir)",
        )
    return ExpectedToolchains(requested, expected, bases, default, links)


def _check_paths(request: ToolchainRequest) -> None:
    paths = {"root": request.root, "bin_dir": request.bin_dir}
    for name, path in {**paths, "link": request.link}.items():
        check_path(VARIABLES[name], path)
    for name, path in paths.items():
        if path == request.link or is_below(path, request.link):
            raise DevserverError(
                f"{VARIABLES[name]} is {path}, inside devserver_goroot (link) {request.link}",
                expected="a path outside the link, whose place a real directory may have to leave",
                remedy=f"correct {VARIABLES[name]} or devserver_goroot (link)",
            )
    for name in ("bin_dir", "link"):
        _check_outside_trees(name, getattr(request, name), request.root)
    try:
        check_own_directory(VARIABLES["root"], request.root)
        check_shared_directory(VARIABLES["bin_dir"], request.bin_dir)
        check_shared_directory(VARIABLES["link"], os.path.dirname(request.link))
    except OSError as error:
        raise unusable(error, request) from error


def _check_outside_trees(name: str, path: str, root: str) -> None:
    """Reject a path that is the tree of a version or in one: it would be replaced together with the tree."""
    directory, last = os.path.split(path)
    # The link itself leads into a tree; its directory must not.
    real = os.path.realpath(path) if name == "bin_dir" else os.path.join(os.path.realpath(directory), last)
    inside = os.path.relpath(real, os.path.realpath(root)).split(os.sep)[0]
    if is_version(inside):
        raise DevserverError(
            f"{VARIABLES[name]} is {path}, inside {os.path.join(root, inside)}, the tree of Go {inside}",
            expected="a path outside the trees of the versions",
            remedy=f"correct {VARIABLES[name]} or devserver_toolchain_root (root)",
        )


def is_version(name: str) -> bool:
    """Return whether ``name`` is a version of Go."""
    try:
        return bool(version_key(name))
    except ValueError:
        return False


def unusable(error: OSError, request: ToolchainRequest) -> DevserverError:
    """Return the error for a path of ``request`` that the filesystem does not let this user read or write."""
    path = error.filename or request.root
    return DevserverError(
        f"cannot use {path}: {error.strerror}",
        expected="a path that this user can write to, with about 400 MB of free space for each version",
        remedy="set become: true, or choose another devserver_toolchain_root (root), devserver_goroot (link) or"
        " devserver_bin_dir (bin_dir)",
        path=path,
    )
