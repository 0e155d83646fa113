# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where paths lead, who can read files with passwords, and when the files that findings name were changed last."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import stat
import typing as t

from ..._core.redaction import secrets_in
from ..finding import Finding
from ..snapshot import Snapshot


def real_paths_of(snapshot: Snapshot) -> dict[str, str]:
    """Return the targets of those programs and tools whose path is or contains a link."""
    goroot = snapshot.declaration.goroot
    paths = {goroot, os.path.join(goroot, "bin/go"), *(tool.path for tool in snapshot.tools)}
    for observation in snapshot.observations:
        paths |= {path for programs in observation.programs.values() for path in programs}
    for file in snapshot.editor_files:
        for setting in (setting for setting in file.settings if setting.name == "go.alternateTools"):
            go = setting.value.get("go") if isinstance(setting.value, dict) else None
            paths |= {*((file.filled(str(go)) or "").split(":") if go else ())}
    targets = {path: os.path.realpath(path) for path in paths if os.path.isabs(path) and "\0" not in path}
    return {path: target for path, target in targets.items() if target != path}


def world_readable_files(snapshot: Snapshot) -> frozenset[str]:
    """Return the files that set a GOPROXY with a password and that every user can read."""
    sources = {
        source.file
        for row in snapshot.rows
        for source in [row.source("GOPROXY")]
        if source and source.file and secrets_in(row.in_force("GOPROXY"))
    }
    return frozenset(path for path in sources if is_world_readable(path))


def is_world_readable(path: str, top: str = "/") -> bool:
    """Return whether all users may read a file and pass the directories above it, up to ``top``; links are followed."""
    highest = pathlib.PurePath(top)
    try:
        place = pathlib.PurePath(os.path.realpath(path))
        above = [directory for directory in place.parents if highest in (directory, *directory.parents)]
        open_ways = all(os.stat(directory).st_mode & stat.S_IXOTH for directory in above)
        return open_ways and bool(os.stat(place).st_mode & stat.S_IROTH)
    except (OSError, ValueError):
        return False


def with_dates(findings: t.Iterable[Finding]) -> list[Finding]:
    """Return the findings, each without a date with that of the file that its source names."""
    return [
        dataclasses.replace(finding, since=_last_change(finding.source.file))
        if finding.since is None and finding.source and finding.source.file
        else finding
        for finding in findings
    ]


def _last_change(path: str) -> float | None:
    """Return the last change of a file's text, or of the owner and rights of anything else; None if it is missing."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # Text of a user may be the name of no file.
        return None
    return status.st_mtime if stat.S_ISREG(status.st_mode) else status.st_ctime
