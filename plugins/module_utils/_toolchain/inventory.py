# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which toolchains are installed, where their links lead, and whether their trees are unchanged."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._core.errors import DevserverError
from .._host.path_names import is_below
from .releases import parse_version
from .store import InstallRecord, ToolchainStore, version_named


@dataclasses.dataclass(frozen=True)
class ToolchainPaths:
    """Where toolchains and their links are; as in install.ToolchainRequest."""

    root: str
    link: str
    bin_dir: str


def list_toolchains(paths: ToolchainPaths, *, verify: bool) -> list[dict[str, t.Any]]:
    """Return one entry for each toolchain below the root, oldest first; with ``verify`` every file is read."""
    store = ToolchainStore(paths.root)
    records = {record.version: record for record in store.records()}
    directories = {name for name in _names(paths.root) if _is_exact(name)}
    versions = sorted(records.keys() | directories, key=parse_version)
    return [_entry(version, records.get(version), store, paths, verify) for version in versions]


def read_default(paths: ToolchainPaths) -> dict[str, t.Any] | None:
    """Return where the default link leads, with the version of its VERSION file; None without a link."""
    if not os.path.lexists(paths.link):
        return None
    path = os.path.realpath(paths.link)
    return {"link": paths.link, "path": path, "version": version_named(path)}


def _entry(
    version: str, record: InstallRecord | None, store: ToolchainStore, paths: ToolchainPaths, verify: bool
) -> dict[str, t.Any]:
    path = store.path(version)
    differences = store.differences(record) if verify and record else None
    return {
        "version": version,
        "path": path,
        "default": os.path.realpath(paths.link) == os.path.realpath(path),
        "links": _links_into(path, paths),
        "size": _size(path),
        **{name: getattr(record, name, None) for name in ("source", "location", "digest", "bytes")},
        "intact": differences.total == 0 if differences else None,
        "altered": differences.result() if differences and differences.total else None,
    }


def _links_into(tree: str, paths: ToolchainPaths) -> list[str]:
    """Return the default link and the links in the directory of links that lead into ``tree``."""
    candidates = [paths.link, *(os.path.join(paths.bin_dir, name) for name in _names(paths.bin_dir))]
    real_tree = os.path.realpath(tree)
    targets = {path: os.path.realpath(path) for path in candidates if os.path.islink(path)}
    return [path for path, target in targets.items() if target == real_tree or is_below(target, real_tree)]


def _size(path: str) -> int:
    return sum(
        os.lstat(os.path.join(directory, name)).st_size for directory, _names, files in os.walk(path) for name in files
    )


def _names(directory: str) -> list[str]:
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []


def _is_exact(name: str) -> bool:
    try:
        return len(parse_version(name)) == 3
    except DevserverError:
        return False
