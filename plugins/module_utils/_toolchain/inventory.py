# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed below a root, where its links lead, and whether its trees are as they were installed."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.releases import parse_version
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.store import Receipt, Store, version_named


@dataclasses.dataclass(frozen=True)
class Places:
    """Where toolchains and their links lie; as in install.Wish."""

    root: str
    link: str
    bin_dir: str


def toolchains(places: Places, *, verify: bool) -> list[dict[str, t.Any]]:
    """Return one entry for each toolchain below the root, oldest first; with ``verify`` every file is read."""
    store = Store(places.root)
    receipts = {receipt.version: receipt for receipt in store.installed()}
    folders = {name for name in _names(places.root) if _is_exact(name)}
    versions = sorted(receipts.keys() | folders, key=parse_version)
    return [_entry(version, receipts.get(version), store, places, verify) for version in versions]


def default(places: Places) -> dict[str, t.Any] | None:
    """Return what the default link leads to, with the version that its VERSION file names; None for no link."""
    if not os.path.lexists(places.link):
        return None
    path = os.path.realpath(places.link)
    return {"link": places.link, "path": path, "version": version_named(path)}


def _entry(version: str, receipt: Receipt | None, store: Store, places: Places, verify: bool) -> dict[str, t.Any]:
    path = store.path(version)
    differences = store.differences(receipt) if verify and receipt else None
    return {
        "version": version,
        "path": path,
        "default": os.path.realpath(places.link) == os.path.realpath(path),
        "links": _links_into(path, places),
        "size": _size(path),
        **{name: getattr(receipt, name, None) for name in ("source", "location", "digest", "bytes")},
        "intact": differences.total == 0 if differences else None,
        "altered": differences.result() if differences and differences.total else None,
    }


def _links_into(tree: str, places: Places) -> list[str]:
    """Return the default link and the links in the folder of links that end inside ``tree``."""
    candidates = [places.link, *(os.path.join(places.bin_dir, name) for name in _names(places.bin_dir))]
    inside = os.path.realpath(tree) + "/"
    return [path for path in candidates if os.path.islink(path) and f"{os.path.realpath(path)}/".startswith(inside)]


def _size(path: str) -> int:
    return sum(
        os.lstat(os.path.join(folder, name)).st_size for folder, _folders, names in os.walk(path) for name in names
    )


def _names(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _is_exact(name: str) -> bool:
    try:
        return len(parse_version(name)) == 3
    except DevserverError:
        return False
