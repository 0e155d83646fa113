# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of collections: this one as a link to the checkout, the tests' own cut out of the `ansible` wheel."""

from __future__ import annotations

import zipfile
from pathlib import Path

from dev import python_env
from dev.checkout import CACHE, ROOT

COLLECTIONS = CACHE / "collections"
HERE = COLLECTIONS / "ansible_collections" / "gopherops" / "devserver"
# No Galaxy is asked: the package index is one source less, and its files are pinned by hash.
FOREIGN = ("community/crypto", "community/docker", "community/library_inventory_filtering_v1")


def ensure(log: Path) -> None:
    """Link the checkout under its full name and unpack what the tests need."""
    HERE.parent.mkdir(parents=True, exist_ok=True)
    if not HERE.is_symlink():
        HERE.symlink_to(ROOT, target_is_directory=True)
    wheel = python_env.wheel("ansible", log)
    complete = COLLECTIONS / ".complete"
    # With the names, so that a checkout of before another was wanted gets it too.
    wanted_from = "\n".join([wheel.name, *FOREIGN])
    if complete.exists() and complete.read_text() == wanted_from:
        return
    with zipfile.ZipFile(wheel) as archive:
        wanted = tuple(f"ansible_collections/{name}/" for name in FOREIGN)
        archive.extractall(COLLECTIONS, [name for name in archive.namelist() if name.startswith(wanted)])
    complete.write_text(wanted_from)
