# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether others can change what git and go read in a workspace, and so what they run as its user.

Everything is read with the rights of that user.
"""

from __future__ import annotations

import os
import typing as t

from .._core.errors import DevserverError, TimedOut
from .._host.accounts import Account
from .._host.files import read_text_or_empty
from .._host.trusted_paths import find_other_writer, find_other_writer_below
from .modules_of_workspace import TooLargeError, read_workspace

# Seconds for the entries of a workspace, some 100,000 each second.
_LIMIT = 10.0


def find_workspace_writer(workspace: str, account: Account, package_dir: str = "") -> str:
    """Return what lets others than ``account`` and root change a workspace or its repository; empty for nothing.

    ``package_dir`` is the directory that go runs in. For a missing workspace its nearest directory counts.
    """
    nearest = workspace
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    if nearest != workspace:
        return find_other_writer(nearest, account)
    directory = package_dir or workspace
    # Programs find files above the real path, or above the path of their PWD.
    directories = {directory: None, os.path.realpath(directory): None}
    repository = [place for path in directories for place in _repository_of(path)]
    files = [file for path in directories for file in _module_files(path)]
    writers = (find_other_writer(place, account) for place in (workspace, directory, *repository, *files))
    modules = [os.path.dirname(file) for file in files if os.path.basename(file) == "go.mod"]
    try:
        return next(filter(None, writers), "") or find_other_writer_below(
            [workspace, *repository, *modules], account, _LIMIT
        )
    except TimedOut as error:
        raise DevserverError(
            error.problem,
            expected=f"a workspace that only {account.name} and root can change, with all that is in it",
            remedy="choose a smaller workspace, or move what does not belong to it away; or set"
            f" {describe_permission(account.name)}",
        ) from error


def reject_embedded_repository(workspace: str) -> None:
    """Raise DevserverError if git would read the configuration of a repository that is a part of another one.

    Git before 2.38 has no safe.bareRepository. No repository can contain a .git, which precedes the rest. Git searches
    the directories of the real path.
    """
    directory = os.path.realpath(workspace)
    while not os.path.lexists(os.path.join(directory, ".git")) and directory != "/":
        if os.path.lexists(os.path.join(directory, "HEAD")):
            raise DevserverError(
                f"git would take {directory} for a repository, and run programs that its configuration names",
                expected="a workspace in a clone with a .git",
                remedy=f"find out who made {directory}/HEAD, and remove or rename it",
                path=directory,
            )
        directory = os.path.dirname(directory)


def describe_permission(user: str) -> str:
    """Return the option that lets others change a workspace of a user, and when it may be set."""
    return f"allow_shared_workspace: true if those who can change it may do everything that {user} may"


def describe_sharing_repair(user: str) -> str:
    """Return a remedy for a workspace of a user that others can change."""
    return (
        f"give it to {user} and take the right to write from others (chown, chmod go-w, setfacl -b); or set"
        f" {describe_permission(user)}"
    )


def _repository_of(directory: str) -> t.Iterator[str]:
    """Yield the .git that git finds for a directory, and the directories that it names."""
    while not os.path.lexists(os.path.join(directory, ".git")) and directory != "/":
        directory = os.path.dirname(directory)
    place = os.path.join(directory, ".git")
    yield place
    if os.path.isfile(place):
        place = os.path.join(directory, read_text_or_empty(place).partition("gitdir:")[2].strip())
        yield place
    yield os.path.join(place, read_text_or_empty(os.path.join(place, "commondir")).strip())


def _module_files(directory: str) -> t.Iterator[str]:
    """Yield the module files that go reads for a package: those of the directories above it, and what they name.

    The nearest go.mod hides those above, unless there is a go.work beside them.
    """
    has_module = False
    while directory != os.path.dirname(directory):
        try:
            top, files = read_workspace(directory)
            if not has_module or os.path.join(top, "go.work") in files:
                yield from files
            has_module = has_module or os.path.join(top, "go.mod") in files
        except TooLargeError:
            raise  # Nobody has checked who can change the files.
        except DevserverError:
            pass  # There is none here, or a module file cannot be read, which fails the build.
        directory = os.path.dirname(directory)
