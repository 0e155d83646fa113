# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The symbolic links to Go and its programs; other links and Go in the place of a link are moved aside."""

from __future__ import annotations

import glob
import os
import re
import time
import typing as t

from .._core.errors import DevserverError
from .accounts import Account
from .destinations import Replaceable, rejection
from .files import Changes, sync_directory, unfinished_prefix
from .path_names import is_below
from .user_access import call_as

T = t.TypeVar("T")

# Between the name of a link and the time at which something else was moved aside for it.
_ASIDE = ".replaced-"
# The name of a link that a killed run left.
_UNFINISHED = re.compile(re.escape(unfinished_prefix("NAME")).replace("NAME", "(.+)") + r"\d+\Z")


class Link(t.NamedTuple):
    """The expected link from ``path`` to ``target``, and the current entry, inspected with the rights of ``account``.

    ``before`` describes what is in its place, empty for nothing; ``aside`` is where that goes, empty for nothing and
    for a link of the collection; ``leftovers`` are the unfinished links that killed runs left beside it. What is in its
    place must stay where it is no link and ``replaceable`` does not accept it.
    """

    path: str
    target: str
    account: Account | None
    before: str
    aside: str
    leftovers: t.Sequence[str]
    replaceable: Replaceable

    def check(self, option: str) -> None:
        """Raise DevserverError if the entry in the link's place must stay; ``option`` is the option with the path."""

        def check() -> None:
            if self.aside and not os.path.islink(self.path) and not self.replaceable.accepts(self.path):
                raise rejection(option, self.path, self.replaceable.expected)

        _call(self.account, check)

    @property
    def pending(self) -> bool:
        """Whether the link has to be created or leftovers removed."""
        return self.before != _leading_to(self.target) or bool(self.aside or self.leftovers)

    def note(self, changes: Changes) -> None:
        """Record what ``make`` changes."""
        for leftover in self.leftovers:
            changes.add(leftover, "left by an interrupted run\n", "")
        if self.aside:
            changes.add(self.aside, "", self.before)
        changes.add(self.path, self.before, _leading_to(self.target))

    def make(self) -> None:
        """Create the link by one rename; a file in its place exists until then, a directory does not."""
        try:
            _call(self.account, self._turn)
        except OSError as error:
            raise DevserverError(
                f"cannot point {self.path} to {self.target}: {error.strerror}",
                remedy="make its directory writable",
                path=self.path,
            ) from error

    def _turn(self) -> None:
        for leftover in self.leftovers:
            os.unlink(leftover)
        if self.before != _leading_to(self.target) or self.aside:
            os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
            _move_aside(self.path, self.aside)
            _point(self.path, self.target)


def inspect_link(
    path: str, target: str, replaceable: Replaceable, own_paths: t.Collection[str], account: Account | None = None
) -> Link:
    """Return the link from ``path`` to ``target`` with what is there now.

    A link that leads below one of the places ``own_paths`` is the collection's; any other program comes back at a
    removal.
    """

    def inspect() -> tuple[str, bool, list[str]]:
        # A link that leads to nothing gives nobody a program.
        foreign = os.path.lexists(path) and not leads_below(path, own_paths) and not _is_dangling(path)
        return _describe(path), foreign, find_leftovers(path)

    before, foreign, leftovers = _call(account, inspect)
    aside = path + time.strftime(f"{_ASIDE}%Y%m%dT%H%M%SZ", time.gmtime()) if foreign else ""
    return Link(path, target, account, before, aside, leftovers, replaceable)


def _call(account: Account | None, function: t.Callable[[], T]) -> T:
    """Return the result of ``function``; for the link of a user with that user's rights."""
    return call_as(account, function) if account else function()


def is_link_to(path: str, target: str) -> bool:
    """Return whether ``path`` is a link to ``target``."""
    return os.path.islink(path) and os.readlink(path) == target


def _is_dangling(path: str) -> bool:
    return os.path.islink(path) and not os.path.exists(path)


def leads_below(path: str, places: t.Iterable[str]) -> bool:
    """Return whether ``path`` is a link that leads to one of ``places`` or below it."""
    return os.path.islink(path) and any(is_below(os.readlink(path), place) for place in places)


def remove_links(
    directories: t.Iterable[str], places_of: t.Callable[[str], t.Collection[str]], changes: Changes, *, check: bool
) -> None:
    """Remove the links in ``directories`` that lead below one of the places for their name, like ``remove_link``.

    A link of another name is somebody else's, even if it leads to the same place.
    """
    for directory in filter(os.path.isdir, directories):
        for entry in sorted(os.listdir(directory)):
            unfinished = _UNFINISHED.match(entry)
            name = unfinished.group(1) if unfinished else entry
            remove_link(os.path.join(directory, entry), places_of(name), changes, check=check)


def remove_link(path: str, places: t.Collection[str], changes: Changes, *, check: bool) -> None:
    """Remove a link that leads below one of ``places``; the oldest of what was moved aside for it comes back."""
    if not leads_below(path, places):
        return
    aside = next(iter(sorted(glob.glob(f"{glob.escape(path)}{_ASIDE}[0-9]*Z"))), "")
    changes.add(path, _leading_to(os.readlink(path)), _describe(aside) if aside else "")
    if not check:
        os.unlink(path)
        if aside:
            os.rename(aside, path)
        sync_directory(os.path.dirname(path))


def find_leftovers(path: str) -> list[str]:
    """Return the unfinished links beside ``path`` of runs that were killed, or of one that is under way."""
    # The name ends with the number of the process.
    return sorted(filter(os.path.islink, glob.glob(glob.escape(_unfinished(path)) + "[0-9]*")))


def _unfinished(path: str) -> str:
    return os.path.join(os.path.dirname(path), unfinished_prefix(path))


def _leading_to(target: str) -> str:
    return f"link to {target}\n"


def _describe(path: str) -> str:
    """Return a description of the entry at ``path``; empty for none."""
    try:
        if os.path.islink(path):
            return _leading_to(os.readlink(path))
        size = os.lstat(path).st_size
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise DevserverError(
            f"cannot inspect {path}: {error.strerror}",
            remedy="move away the file that is in place of a directory",
            path=path,
        ) from error
    return "a directory\n" if os.path.isdir(path) else f"a file of {size} bytes\n"


def _move_aside(path: str, aside: str) -> None:
    if not aside:
        return
    try:
        # A second name, so that there is a program at every moment.
        os.link(path, aside, follow_symlinks=False)
    except PermissionError:  # A directory, or a file of another user.
        os.rename(path, aside)
    sync_directory(os.path.dirname(path))


def _point(path: str, target: str) -> None:
    temporary = f"{_unfinished(path)}{os.getpid()}"
    try:
        os.symlink(target, temporary)
        os.replace(temporary, path)
    except OSError:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
    sync_directory(os.path.dirname(path))
