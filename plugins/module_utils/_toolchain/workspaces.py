# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the Go versions that workspaces require with those of a host."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.requirements import (
    Requirement,
    in_mod_file,
    in_version_file,
    order,
)

_FILES: tuple[tuple[str, t.Callable[[str], list[Requirement]]], ...] = (
    (".go-version", in_version_file),
    ("go.work", in_mod_file),
    ("go.mod", in_mod_file),
)


class Offered(t.NamedTuple):
    """The Go of a host: the ``installed`` versions, and which of them is the ``default``, if any."""

    installed: t.Sequence[str]
    default: str | None


def mismatches(workspaces: t.Iterable[str], offered: Offered, minimum: str | None) -> list[dict[str, t.Any]]:
    """Return one entry for each requirement that the host does not meet, and for each file that cannot be read.

    Raises DevserverError if ``minimum`` is not a version.
    """
    found = []
    if minimum and _below(offered.default, minimum):
        found.append(_entry("minimum", None, None, minimum, offered, f"make Go {minimum} or later the default"))
    for workspace in workspaces:
        if not os.path.isdir(workspace):
            found.append(
                _entry("no such directory", workspace, None, None, offered, "correct the path of the workspace")
            )
        for name, parse in _FILES:
            found += _in_file(os.path.join(workspace, name), parse, offered, minimum)
    return found


def _below(version: str | None, minimum: str) -> bool:
    try:
        least = order(minimum)
    except ValueError as error:
        raise DevserverError(
            f"minimum is {minimum!r}: {error}", expected="1.22 or 1.22.12", remedy="correct minimum"
        ) from None
    return version is None or order(version) < least


def _in_file(
    path: str, parse: t.Callable[[str], list[Requirement]], offered: Offered, minimum: str | None
) -> t.Iterator[dict[str, t.Any]]:
    try:
        text = read_text(path)
        requirements = parse(text) if text is not None else []
    except (DevserverError, ValueError) as error:
        reason = error.what if isinstance(error, DevserverError) else str(error)
        yield _entry(f"unreadable: {reason}", path, None, None, offered, "correct the file")
        return
    for requirement in requirements:
        version, line = requirement.version, requirement.line
        if not _met(requirement, offered):
            remedy = _remedy(requirement)
            yield _entry(requirement.directive, path, line, version, offered, remedy)
        elif requirement.directive == "version-file" and minimum and _below(version, minimum):
            yield _entry("minimum", path, line, minimum, offered, f"change it to Go {minimum} or later")


def _remedy(requirement: Requirement) -> str:
    version = requirement.version
    if requirement.directive == "version-file":
        return f"add Go {version} to devserver_go_versions, or change the file to an installed version"
    if version.count(".") == 1:  # There is no toolchain of this name that go could switch to.
        return f"make Go {version} or a later version devserver_go_default"
    return f"add Go {version} to devserver_go_versions, or make it or a later version devserver_go_default"


def _met(requirement: Requirement, offered: Offered) -> bool:
    """Return whether the host meets a requirement.

    A version file requires this version, or any of its minor version. Go's own lines are met by a default that is not
    older, or by exactly this version, to which go switches by GOTOOLCHAIN=path.
    """
    version = requirement.version
    if requirement.directive == "version-file":
        return any(f"{installed}.".startswith(f"{version}.") for installed in offered.installed)
    new_enough = offered.default is not None and order(offered.default) >= order(version)
    return new_enough or version in offered.installed


def _entry(
    cause: str, file: str | None, line: int | None, required: str | None, offered: Offered, remedy: str
) -> dict[str, t.Any]:
    return {
        "cause": cause,
        "file": file,
        "line": line,
        "required": required,
        "installed": list(offered.installed),
        "default": offered.default,
        "remedy": remedy,
    }
