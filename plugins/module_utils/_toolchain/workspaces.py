# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the Go versions that workspaces require with those of a host."""

from __future__ import annotations

import os
import typing as t

from .._core.errors import DevserverError
from .._host.files import read_text
from .requirements import Requirement, parse_mod_file, parse_version_file, version_key

_FILES: tuple[tuple[str, t.Callable[[str], list[Requirement]]], ...] = (
    (".go-version", parse_version_file),
    ("go.work", parse_mod_file),
    ("go.mod", parse_mod_file),
)


class AvailableGo(t.NamedTuple):
    """The Go of a host: the ``installed`` versions, and which of them is the ``default``, if any.

    ``switches`` is False if go always is the default, because GOTOOLCHAIN is ``local``.
    """

    installed: t.Sequence[str]
    default: str | None
    switches: bool = True


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


def mismatches(workspaces: t.Iterable[str], available: AvailableGo, minimum: str | None) -> list[Mismatch]:
    """Return one entry for each requirement that the host does not meet, and for each file that cannot be read.

    Raises DevserverError if ``minimum`` is not a version.
    """
    entries, present = [], (available.installed, available.default)
    if minimum and _below(available.default, minimum):
        entries.append(Mismatch("minimum", None, None, minimum, *present, f"make Go {minimum} or later the default"))
    for workspace in workspaces:
        if not os.path.isdir(workspace):
            remedy = "correct the path of the workspace"
            entries.append(Mismatch("no such directory", workspace, None, None, *present, remedy))
        for name, parse in _FILES:
            entries += _in_file(os.path.join(workspace, name), parse, available, minimum)
    return entries


def _below(version: str | None, minimum: str) -> bool:
    try:
        least = version_key(minimum)
    except ValueError as error:
        raise DevserverError(
            f"minimum is {minimum!r}: {error}", expected="1.22 or 1.22.12", remedy="correct minimum"
        ) from None
    return version is None or version_key(version) < least


def _in_file(
    path: str, parse: t.Callable[[str], list[Requirement]], available: AvailableGo, minimum: str | None
) -> t.Iterator[Mismatch]:
    present = (available.installed, available.default)
    try:
        text = read_text(path)
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
    if version in available.installed:
        return f"make Go {version} or a later version devserver_go_default, or declare GOTOOLCHAIN: path"
    if requirement.directive == "version-file":
        return f"add Go {version} to devserver_go_versions, or change the file to an installed version"
    if version.count(".") == 1:  # There is no toolchain of this name that go could switch to.
        return f"make Go {version} or a later version devserver_go_default"
    return f"add Go {version} to devserver_go_versions, or make it or a later version devserver_go_default"


def _met(requirement: Requirement, available: AvailableGo) -> bool:
    """Return whether the host meets a requirement.

    A version file requires this version, or any of its minor version. Go's own lines are met by a default that is not
    older, or by exactly this version if go may switch to it. A go that does not switch ignores the line ``toolchain``.
    """
    version = requirement.version
    if requirement.directive == "version-file":
        return any(f"{installed}.".startswith(f"{version}.") for installed in available.installed)
    new_enough = available.default is not None and version_key(available.default) >= version_key(version)
    return new_enough or (version in available.installed and (available.switches or requirement.directive != "go"))
