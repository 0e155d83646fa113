# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes all tools and links of earlier runs; a program that was moved aside for a link comes back."""

from __future__ import annotations

import functools
import os
import typing as t

from .._host import symlinks
from .._host.accounts import find_known_account
from .._host.destinations import is_filled
from .._host.files import Changes
from .._host.lock import locked_directory
from .._host.records import Record
from .._host.removal import remove_paths
from .._host.skipped_files import SkippedFile, skip_errors
from .._host.user_access import call_as


def remove_tools(places: Record, changes: Changes, *, timeout: float, check: bool) -> list[SkippedFile]:
    """Remove what is at the recorded ``places``; return the links of users that could not be removed.

    The kinds of places are those of the module's options: ``root``, ``bin_dir`` and ``user_bin_dir``, and ``users``.
    """
    roots = places["root"]
    symlinks.remove_links(places["bin_dir"], roots, changes, check=check)
    skipped: list[SkippedFile] = []
    for account in filter(None, map(find_known_account, places["users"])):
        for directory in places["user_bin_dir"]:
            path = os.path.join(account.home, directory)
            with skip_errors(skipped, account.name, path):
                for change in call_as(account, functools.partial(_remove_links_in, path, roots, check)):
                    changes.add(*change)
    for root in filter(is_filled, roots):
        if check:
            remove_paths([root], changes, check=True)
        else:
            with locked_directory(root, timeout=timeout):
                remove_paths([root], changes, check=False)
    return skipped


def _remove_links_in(path: str, roots: t.Collection[str], check: bool) -> list[tuple[str, str, str]]:
    """Remove the links in a directory of a user, with that user's rights; return the arguments of Changes.add."""
    changes = Changes()
    symlinks.remove_links([path], roots, changes, check=check)
    return [(part["before_header"], part["before"], part["after"]) for part in changes.result()["diff"]]
