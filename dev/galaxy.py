# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of collections: this one as a link to the checkout, the tests' own cut out of the `ansible` wheel."""

from __future__ import annotations

import zipfile
from pathlib import Path

from dev import python_env
from dev.checkout import CACHE, ROOT

COLLECTIONS = CACHE / "collections"
HERE = COLLECTIONS / "ansible_collections" / "gopherops" / "devserver"
# Galaxy is not used: one source less, and the files of the package index are pinned by hash.
FOREIGN = ("community/crypto", "community/docker", "community/library_inventory_filtering_v1")


def ensure(log: Path) -> None:
    """Link the checkout under its full name and unpack what the tests need."""
    HERE.parent.mkdir(parents=True, exist_ok=True)
    if not HERE.is_symlink():
        HERE.symlink_to(ROOT, target_is_directory=True)
    wheel = python_env.wheel("ansible", log)
    complete = COLLECTIONS / ".complete"
    # With the names, so that an older checkout gets collections that were added later.
    expected_content = "\n".join([wheel.name, *FOREIGN])
    if complete.exists() and complete.read_text() == expected_content:
        return
    with zipfile.ZipFile(wheel) as archive:
        prefixes = tuple(f"ansible_collections/{name}/" for name in FOREIGN)
        archive.extractall(COLLECTIONS, [name for name in archive.namelist() if name.startswith(prefixes)])
    complete.write_text(expected_content)
