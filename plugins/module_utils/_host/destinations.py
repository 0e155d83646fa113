# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of options that are replaced, filled or cleaned: they are validated before the first write."""

from __future__ import annotations

import mmap
import os
import pwd
import re
import typing as t

from .._core.errors import DevserverError
from .trusted_paths import find_user_writer

# Every directory that the collection fills has it from the first moment on.
LOCK = ".lock"
# A new file system has it at its top.
_NOBODYS = frozenset(("lost+found",))
_UNUSABLE = re.compile(r"[:\x00-\x1f\x7f]|^//")
_BUILD_INFO = b"\xff Go buildinf:"


class Replaceable(t.NamedTuple):
    """What may be moved aside for a link besides another link: ``accepts`` evaluates it, ``expected`` describes it."""

    accepts: t.Callable[[str], bool]
    expected: str


def is_go_tree(path: str) -> bool:
    """Return whether a directory, not a link to one, is a Go installation."""
    files = (os.path.join(path, name) for name in ("bin/go", "VERSION"))
    directories = (os.path.join(path, name) for name in ("pkg", "src"))
    return not os.path.islink(path) and all(map(os.path.isfile, files)) and any(map(os.path.isdir, directories))


def is_go_program(path: str) -> bool:
    """Return whether a regular file is a program that Go has built."""
    if os.path.islink(path) or not os.path.isfile(path) or not os.path.getsize(path):
        return False
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content[:4] == b"\x7fELF" and content.find(_BUILD_INFO) >= 0


GO_TREE = Replaceable(is_go_tree, "nothing, a link, or a Go tree (bin/go, VERSION, and pkg or src)")
GO_PROGRAM = Replaceable(is_go_program, "nothing, a link, or a program that Go has built")


def description(path: str) -> str:
    """Return in words what is at ``path``."""
    if os.path.islink(path):
        return f"a link to {os.readlink(path)}"
    if not os.path.lexists(path):
        return "nothing"
    if not os.path.isdir(path):
        return f"a file of {os.path.getsize(path)} bytes"
    owner = _user_at_home(path)
    if owner:
        return f"the home directory of {owner}"
    return "a Go tree" if is_go_tree(path) else f"a directory with {len(os.listdir(path))} entries"


def rejection(option: str, path: str, expected: str, at: str = "") -> DevserverError:
    """Return the error for an option's path where there is what must stay; ``at`` is the place of that, if another."""
    at = at or path
    existing = description(at)
    movable = not _user_at_home(at) and os.path.dirname(at) != "/"
    return DevserverError(
        f"{option} is {path}, but {at} is {existing}",
        expected=expected,
        remedy=f"choose another path for {option}" + (f", or move {at} away first" if movable else ""),
        option=option,
        path=path,
        found=existing,
    )


def check_path(option: str, path: str) -> None:
    """Reject a path that is not absolute, not written in its shortest form, or that no PATH or line can contain."""
    if not os.path.isabs(path) or os.path.normpath(path) != path or _UNUSABLE.search(path):
        raise DevserverError(
            f"{option} is {path!r}",
            expected="an absolute path without . and .. and a final slash, colons and control characters",
            remedy=f"correct {option}",
            option=option,
            path=path,
        )


def check_shared_directory(option: str, path: str) -> None:
    """Reject what is neither a directory nor can become one; the collection adds single entries to it.

    If this process is root's, also reject a directory in which another user can replace these, or the way to it.
    """
    check_path(option, path)
    nearest = path
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    if not os.path.isdir(nearest):
        raise rejection(option, path, "a directory, or nothing", nearest)
    writer = find_user_writer(nearest) if os.geteuid() == 0 else ""
    if writer:
        raise DevserverError(
            f"{option} is {path}, but {writer}: other users could replace what root writes and all users run",
            expected="a directory that only root can change, with all directories and links on the way",
            remedy=f"choose another path for {option}, outside of homes and /tmp; or give that directory to root and"
            " take the right to write from others (chown root, chmod go-w, setfacl -b)",
            option=option,
            path=path,
            found=writer,
        )


def check_own_directory(option: str, path: str) -> None:
    """Reject a directory that the collection would fill and clean though it has not made or filled it."""
    check_shared_directory(option, path)
    if not os.path.isdir(path):
        return
    entries = set(os.listdir(path)) - _NOBODYS
    if _user_at_home(path) or (entries and LOCK not in entries):
        raise DevserverError(
            f"{option} is {path}, which is {description(path)}",
            expected="nothing, an empty directory, or one that this collection fills",
            remedy=f"choose another path for {option}; or, where only this collection has filled {path}, create the"
            f" empty file {os.path.join(path, LOCK)}",
            option=option,
            path=path,
            found=description(path),
        )


def is_filled(path: str) -> bool:
    """Return whether ``path`` is a directory that the collection fills; never a home directory."""
    return os.path.lexists(os.path.join(path, LOCK)) and not os.path.islink(path) and not _user_at_home(path)


def _user_at_home(path: str) -> str:
    """Return the user whose home directory ``path`` is; empty where it is nobody's."""
    real = os.path.realpath(path)
    return next((user.pw_name for user in pwd.getpwall() if os.path.realpath(user.pw_dir or "/") == real), "")
