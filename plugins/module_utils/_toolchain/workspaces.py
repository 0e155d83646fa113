# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the Go versions that workspaces require with those of a host."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import Account, find_owner
from .._host.files import read_text
from .._host.user_access import call_in_time, each_as
from .modules_of_workspace import local_directories
from .requirements import Requirement, parse_mod_file, parse_version_file, version_key

# Files of modules that are read for one workspace: a go.work may name any number.
_MOST_MODULES = 200
# Bytes of each of these files, and of the path of a file (PATH_MAX).
_LARGEST, _LONGEST = 1024 * 1024, 4096
# Entries for one file: go accepts one line "go" and one line "toolchain".
_MOST_ENTRIES = 10
_REMEDY = "correct the go.work and go.mod of the workspace"
_NAMED = re.compile(r"go(\d[\w.]*)(?:\+(?:auto|path))?")


class AvailableGo(t.NamedTuple):
    """The Go of a host: the ``installed`` versions, and which of them is the ``default``, if any.

    ``gotoolchain`` is the declared GOTOOLCHAIN, empty for none, which is Go's own ``auto``.
    """

    installed: t.Sequence[str]
    default: str | None
    gotoolchain: str = ""

    @property
    def switches(self) -> bool:
        """Whether a line in go.mod or go.work selects another version than the default."""
        return self.gotoolchain.rpartition("+")[2] in ("", "auto", "path")

    @property
    def running(self) -> str | None:
        """The version that runs where no file selects another one."""
        named = _NAMED.fullmatch(self.gotoolchain)
        return named.group(1) if named else self.default


class Mismatch(t.NamedTuple):
    """A ``required`` version that the host does not have, or a file or directory that cannot be read.

    ``cause`` is the directive that requires the version, ``minimum``, or the error.
    """

    cause: str
    file: str | None
    line: int | None
    required: str | None
    installed: t.Sequence[str]
    default: str | None
    remedy: str


def mismatches(
    workspaces: t.Sequence[str], available: AvailableGo, minimum: str | None, gowork: str = ""
) -> list[Mismatch]:
    """Return one entry for each requirement that the host does not meet, and for each file that cannot be read.

    ``gowork`` is the declared GOWORK. Raises DevserverError if ``minimum`` is not a version.
    """
    entries, present = [], (available.installed, available.default)
    if minimum and _below(available.default, minimum):
        entries.append(Mismatch("minimum", None, None, minimum, *present, f"make Go {minimum} or later the default"))
    for workspace in workspaces:
        if not os.path.isdir(workspace):
            remedy = "correct the path of the workspace"
            entries.append(Mismatch("no such directory", workspace, None, None, *present, remedy))
    # Several workspaces may have one go.work.
    files = {os.path.realpath(path): path for workspace in workspaces for path in _files_of(workspace, gowork)}
    for path in files.values():
        entries += itertools.islice(_in_file(path, available, minimum), _MOST_ENTRIES)
    return entries


def mismatches_as(
    account: Account | None, workspaces: t.Sequence[str], available: AvailableGo, minimum: str | None, gowork: str = ""
) -> list[Mismatch]:
    """Return the result of ``mismatches`` with the rights of ``account``, in a process with a time limit.

    None is the owner of the first workspace, if any. What prevents it is an entry of its own: a user's files can be
    made to fail in any way.
    """

    def find(_path: None = None) -> list[Mismatch]:
        return mismatches(workspaces, available, minimum, gowork)

    if not workspaces:
        return find()
    first = workspaces[0]
    try:
        account = account or _find_owner(first)
        entries = each_as(account, find, {first: None})[first]() if account else call_in_time(find, first)
        return [Mismatch(*entry) for entry in entries]
    except DevserverError as error:
        present = (available.installed, available.running)
        return [Mismatch(f"unreadable: {error.problem}", first, None, None, *present, error.remedy or _REMEDY)]


def _find_owner(directory: str) -> Account | None:
    with contextlib.suppress(OSError):
        return find_owner(call_in_time(lambda: os.stat(directory).st_uid, directory))
    return None


def _files_of(workspace: str, gowork: str) -> list[str]:
    """Return the files that decide about the Go of a workspace, as go finds them.

    These are a .go-version, the nearest go.work and go.mod in the workspace or above it, and the go.mod of each
    directory that these files use, or replace a module by: go rejects a newer line ``go`` in any of them.
    """
    works = [gowork] if os.path.isabs(gowork) else [] if gowork == "off" else _nearest(workspace, "go.work")
    used = (path for work in works for path in _named_in(work))
    modules = [*_nearest(workspace, "go.mod"), *itertools.islice(used, _MOST_MODULES)]
    replaced = itertools.islice((path for module in modules for path in _named_in(module)), _MOST_MODULES)
    return [os.path.join(workspace, ".go-version"), *works, *modules, *replaced]


def _nearest(directory: str, name: str) -> list[str]:
    """Return the file of this name in a directory or in the next one above that has it, if any.

    There are two above a link: go goes up the path in PWD, such as in a shell, and the real path without a PWD.
    """
    files: dict[str, str] = {}
    for path in (directory, os.path.realpath(directory)):
        above = path.split("/")
        places = (os.path.join("/".join(above[:count]) or "/", name) for count in range(len(above), 0, -1))
        present = (place for place in places if os.path.exists(place) and not os.path.isdir(place))
        files.update((os.path.realpath(place), place) for place in itertools.islice(present, 1))
    return list(files.values())


def _named_in(path: str) -> t.Iterator[str]:
    """Yield the go.mod of each directory that a go.work or go.mod names."""
    try:
        text = (read_text(path, largest=_LARGEST) if path else "") or ""
    except DevserverError:
        return  # It is an entry of its own.
    directory = os.path.dirname(path)
    names = dict.fromkeys(name for name in local_directories(text) if len(name) < _LONGEST)
    yield from (os.path.normpath(os.path.join(directory, name, "go.mod")) for name in names)


def _below(version: str | None, minimum: str) -> bool:
    try:
        least = version_key(minimum)
    except ValueError as error:
        raise DevserverError(
            f"minimum is {minimum!r}: {error}", expected="1.22 or 1.22.12", remedy="correct minimum"
        ) from None
    return version is None or version_key(version) < least


def _in_file(path: str, available: AvailableGo, minimum: str | None) -> t.Iterator[Mismatch]:
    present = (available.installed, available.running)
    parse = parse_version_file if path.endswith("/.go-version") else parse_mod_file
    try:
        text = read_text(path, largest=_LARGEST)
        requirements = parse(text) if text is not None else []
    except (DevserverError, ValueError) as error:
        reason = error.problem if isinstance(error, DevserverError) else str(error)
        yield Mismatch(f"unreadable: {reason}", path, None, None, *present, "correct the file")
        return
    for requirement in requirements:
        version, line = requirement.version, requirement.line
        if not _met(requirement, available):
            remedy = _remedy(requirement, available)
            yield Mismatch(requirement.directive, path, line, version, *present, remedy)
        elif requirement.directive == "version-file" and minimum and _below(version, minimum):
            yield Mismatch("minimum", path, line, minimum, *present, f"change it to Go {minimum} or later")


def _remedy(requirement: Requirement, available: AvailableGo) -> str:
    version = requirement.version
    if requirement.directive == "version-file":
        return f"add Go {version} to devserver_go_versions, or change the file to an installed version"
    if available.running != available.default:
        return f"declare GOTOOLCHAIN: go{version}, or the name of a later version"
    if version in available.installed:
        return f"make Go {version} or a later version devserver_go_default, or declare GOTOOLCHAIN: path"
    if not available.switches:
        return f"add Go {version} or a later version to devserver_go_versions, and make it devserver_go_default"
    if version.count(".") == 1:  # There is no toolchain of this name that go could switch to.
        return f"make Go {version} or a later version devserver_go_default"
    return f"add Go {version} to devserver_go_versions, or make it or a later version devserver_go_default"


def _met(requirement: Requirement, available: AvailableGo) -> bool:
    """Return whether the host meets a requirement.

    A version file requires this version, or any of its minor version. Go's own lines are met by a running version that
    is not older, or by exactly this version if go may switch to it. A go that does not switch ignores the line
    ``toolchain``.
    """
    version = requirement.version
    if requirement.directive == "version-file":
        return any(f"{installed}.".startswith(f"{version}.") for installed in available.installed)
    if not available.switches and requirement.directive == "toolchain":
        return True
    new_enough = available.running is not None and version_key(available.running) >= version_key(version)
    return new_enough or (available.switches and version in available.installed)
