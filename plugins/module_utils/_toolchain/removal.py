# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes all toolchains and links of earlier runs; a Go that was moved aside for a link comes back."""

from __future__ import annotations

import os
import typing as t

from .._host import symlinks
from .._host.destinations import is_filled
from .._host.files import Changes, remove
from .._host.records import Record
from .._host.removal import remove_empty_directories
from .in_use import await_exit, find_processes
from .request import PROGRAMS, is_version
from .staging import note_leftovers
from .store import ToolchainStore, own_places


def remove_toolchains(places: Record, changes: Changes, *, check: bool) -> dict[str, list[int]]:
    """Remove what the collection has made at the recorded ``places``; return the trees in which processes run programs.

    The kinds of places are those of the module's options: ``root``, ``link`` and ``bin_dir``.
    """
    roots, links = places["root"], places["link"]
    own_paths = own_places(roots, links)

    def places_of(name: str) -> list[str]:
        # The links of programs lead through the link of the default version.
        if name in PROGRAMS:
            return own_paths
        version = name[len("go") :]
        return [os.path.join(root, version) for root in roots] if name == f"go{version}" and is_version(version) else []

    symlinks.remove_links(places["bin_dir"], places_of, changes, check=check)
    for link in links:
        symlinks.remove_link(link, roots, changes, check=check)
    in_use: dict[str, list[int]] = {}
    for root in filter(is_filled, roots):
        in_use.update(_remove_trees(ToolchainStore(root), changes, check=check))
    return in_use


def _remove_trees(store: ToolchainStore, changes: Changes, *, check: bool) -> dict[str, list[int]]:
    if check:
        in_use = find_processes(store.trees())
        _note_removals(store, in_use, changes)
        return in_use
    with store.locked():
        in_use = await_exit(store.trees())
        _note_removals(store, in_use, changes)
        for leftover in store.leftovers():
            remove(leftover)
        for tree in store.trees():
            if tree not in in_use:
                store.discard(os.path.basename(tree))
        if not in_use:
            store.remove_lock()
    remove_empty_directories([store.root])
    return in_use


def _note_removals(store: ToolchainStore, in_use: t.Container[str], changes: Changes) -> None:
    note_leftovers(store.leftovers(), changes)
    for tree in store.trees():
        if tree not in in_use:
            changes.add(tree, "a Go toolchain\n", "")
    if not in_use:
        changes.add(store.root, "directory\n", "")
