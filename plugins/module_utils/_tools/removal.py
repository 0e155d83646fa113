# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes all tools and links of earlier runs; a program that was moved aside for a link comes back."""

from __future__ import annotations

import functools
import glob
import os
import typing as t

from .._host import symlinks
from .._host.accounts import find_known_account
from .._host.destinations import LOCK, is_filled
from .._host.files import Changes, remove
from .._host.lock import locked_directory
from .._host.records import Record
from .._host.removal import remove_empty_directories, remove_paths
from .._host.skipped_files import SkippedFile, skip_errors
from .._host.user_access import call_as
from .._toolchain.staging import find_leftovers
from .install import STAGE
from .pins import Tool
from .plan import digest_file

# The arguments of Changes.add, as a user's process returns them.
_Differences = t.List[t.Tuple[str, str, str]]


class Removals(t.NamedTuple):
    """Which tools of earlier runs are removed beside the ``present`` ones.

    ``absent`` are those that the declaration lists as such; with ``exclusive`` all others are removed too.
    """

    present: t.Sequence[Tool]
    absent: t.Sequence[Tool]
    exclusive: bool

    def has_link(self, name: str, user: str) -> bool:
        """Return whether the link of a user to a tool is removed; an empty ``user`` is for that of everybody."""
        if any(tool.name == name and user in (tool.users or ("",)) for tool in self.present):
            return False
        return self.exclusive or any(tool.name == name and user in (tool.users or ("", user)) for tool in self.absent)

    def has_builds(self, name: str) -> bool:
        """Return whether the builds of a tool are removed."""
        if name in [tool.name for tool in self.present]:
            return False
        return self.exclusive or any(tool.name == name and not tool.users for tool in self.absent)


def remove_some_tools(removals: Removals, places: Record, changes: Changes, *, check: bool) -> list[SkippedFile]:
    """Remove tools and links from the recorded ``places``; return the links of users that could not be removed."""
    skipped: list[SkippedFile] = []
    if not (removals.absent or removals.exclusive):
        return skipped
    for root in filter(is_filled, places["root"]):
        for name, builds in _find_builds(root).items():
            targets = [os.path.join(root, name)]
            for directory in places["bin_dir"] if removals.has_link(name, "") else ():
                symlinks.remove_link(os.path.join(directory, name), targets, changes, check=check)
            users = [user for user in places["users"] if removals.has_link(name, user)]
            remove = functools.partial(_remove_link, name=name, targets=targets, check=check)
            skipped += _for_directories(users, places["user_bin_dir"], remove, changes)
            if removals.has_builds(name):
                remove_paths(builds, changes, check=check)
                remove_empty_directories(targets)
    return skipped


def remove_tools(places: Record, changes: Changes, *, timeout: float, check: bool) -> list[SkippedFile]:
    """Remove what is at the recorded ``places``; return the links of users that could not be removed.

    The kinds of places are those of the module's options: ``root``, ``bin_dir`` and ``user_bin_dir``, and ``users``.
    """
    roots = places["root"]
    symlinks.remove_links(places["bin_dir"], functools.partial(_places_of, roots), changes, check=check)
    remove = functools.partial(_remove_links, roots=roots, check=check)
    skipped = _for_directories(places["users"], places["user_bin_dir"], remove, changes)
    for root in filter(is_filled, roots):
        if check:
            _remove_root(root, changes, check=True)
        else:
            with locked_directory(root, timeout=timeout):
                _remove_root(root, changes, check=False)
    return skipped


def _places_of(roots: t.Iterable[str], name: str) -> list[str]:
    return [os.path.join(root, name) for root in roots]


def _find_builds(root: str) -> dict[str, list[str]]:
    """Return the directories of the builds below ``root`` by tool; what has no recorded digest is another's."""
    builds: dict[str, list[str]] = {}
    for build in sorted(glob.glob(os.path.join(glob.escape(root), "*", "*"))):
        name = os.path.basename(os.path.dirname(build))
        if os.path.exists(digest_file(os.path.join(build, name))):
            builds.setdefault(name, []).append(build)
    return builds


def _remove_root(root: str, changes: Changes, *, check: bool) -> None:
    """Remove the builds below ``root``, and ``root`` itself if nothing else is in it."""
    builds = _find_builds(root)
    for directories in builds.values():
        remove_paths(directories, changes, check=check)
    remove_paths(find_leftovers(root, STAGE), changes, check=check)
    if not check:
        remove_empty_directories(os.path.join(root, name) for name in builds)
        if os.listdir(root) == [LOCK]:
            remove(root)


def _for_directories(
    users: t.Iterable[str], directories: t.Collection[str], remove: t.Callable[[str], _Differences], changes: Changes
) -> list[SkippedFile]:
    """Call ``remove`` with the directories of links of each user, with that user's rights."""
    skipped: list[SkippedFile] = []
    for account in filter(None, map(find_known_account, users)):
        for directory in directories:
            path = os.path.join(account.home, directory)
            with skip_errors(skipped, account.name, path):
                for difference in call_as(account, functools.partial(remove, path)):
                    changes.add(*difference)
    return skipped


def _remove_link(directory: str, *, name: str, targets: t.Sequence[str], check: bool) -> _Differences:
    changes = Changes()
    symlinks.remove_link(os.path.join(directory, name), targets, changes, check=check)
    return _differences(changes)


def _remove_links(directory: str, *, roots: t.Collection[str], check: bool) -> _Differences:
    changes = Changes()
    symlinks.remove_links([directory], functools.partial(_places_of, roots), changes, check=check)
    return _differences(changes)


def _differences(changes: Changes) -> _Differences:
    return [(part["before_header"], part["before"], part["after"]) for part in changes.result()["diff"]]
