# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where paths lead, who can read files with passwords, and when the files that findings name were changed last."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import stat
import typing as t

from ..._core.redaction import secrets_in
from ..._environment.declaration import UserEnvironment
from ..._host.accounts import Account
from ..._host.reading_limit import reading
from ..finding import Finding
from ..snapshot import Snapshot


def real_paths_of(snapshot: Snapshot) -> dict[str, str]:
    """Return the targets of those programs and tools whose path is or contains a link."""
    goroot = snapshot.declaration.goroot
    targets = _targets(None, [goroot, os.path.join(goroot, "bin/go"), *(tool.path for tool in snapshot.tools)])
    for observation in snapshot.observations:
        for programs in observation.programs.values():
            targets.update(_targets(observation.user.account, programs))
    for file in snapshot.editor_files:
        for setting in (setting for setting in file.settings if setting.name == "go.alternateTools"):
            go = setting.value.get("go") if isinstance(setting.value, dict) else None
            targets.update(_targets(file.user.account, (file.filled(str(go)) or "").split(":") if go else ()))
    return {path: target for path, target in targets.items() if target != path}


def _targets(account: Account | None, paths: t.Iterable[str]) -> dict[str, str]:
    with reading(account):
        return {path: os.path.realpath(path) for path in paths if os.path.isabs(path) and "\0" not in path}


def world_readable_files(snapshot: Snapshot) -> frozenset[str]:
    """Return the files that set a GOPROXY with a password and that every user can read."""
    sources = {
        (source.file, row.user.account)
        for row in snapshot.rows
        for source in [row.source("GOPROXY")]
        if source and source.file and secrets_in(row.in_force("GOPROXY"))
    }
    return frozenset(path for path, account in sources if is_world_readable(path, account=account))


def is_world_readable(path: str, top: str = "/", account: Account | None = None) -> bool:
    """Return whether all users may read a file and pass the directories above it, up to ``top``; links are followed."""
    highest = pathlib.PurePath(top)
    with reading(account), contextlib.suppress(OSError, ValueError):
        place = pathlib.PurePath(os.path.realpath(path))
        above = [directory for directory in place.parents if highest in (directory, *directory.parents)]
        open_ways = all(os.stat(directory).st_mode & stat.S_IXOTH for directory in above)
        return open_ways and bool(os.stat(place).st_mode & stat.S_IROTH)
    return False


def with_dates(findings: t.Iterable[Finding], users: t.Iterable[UserEnvironment] = ()) -> list[Finding]:
    """Return the findings of ``users``, each without a date with that of the file that its source names."""
    accounts = {user.account.name: user.account for user in users}
    return [
        dataclasses.replace(finding, since=_last_change(finding.source.file, accounts.get(finding.user)))
        if finding.since is None and finding.source and finding.source.file
        else finding
        for finding in findings
    ]


def _last_change(path: str, account: Account | None) -> float | None:
    """Return the last change of a file's text, or of the owner and rights of anything else; None if it is missing."""
    try:
        with reading(account):
            status = os.stat(path)
    except (OSError, ValueError):  # Text of a user may be the name of no file.
        return None
    return status.st_mtime if stat.S_ISREG(status.st_mode) else status.st_ctime
