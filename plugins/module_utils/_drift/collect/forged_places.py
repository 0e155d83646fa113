# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places that a user's startup cannot have: it can forge its own trace, and name the files of anybody else there."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ..._core.provenance import PROCESS, Source
from ..._environment.contexts.cron import CRONTABS
from ..._environment.declaration import UserEnvironment
from ..._host.accounts import Account
from ..._host.path_names import is_below
from ..._host.user_access import acting_as
from ..records.observation import Observation
from ..snapshot import OF_SSHD

# Where nobody but root can write.
_OF_HOST = ("/etc", "/usr")


def without_forged_places(observations: t.Sequence[Observation]) -> list[Observation]:
    """Return the observations without places other than files of their user, and of root outside of others' homes."""
    files: dict[Account, set[str]] = {}
    users = {observation.user.account: observation.user for observation in observations}
    for observation in observations:
        sources = (*(item.source for item in observation.assignments), *_sources(observation).values())
        files.setdefault(observation.user.account, set()).update(*map(_files_of, filter(None, sources)))
    known = {account: _known_files(user, files[account], users) for account, user in users.items()}
    return [_with_places(observation, known[observation.user.account]) for observation in observations]


def _with_places(observation: Observation, known: t.Container[str]) -> Observation:
    def checked(source: Source | None) -> Source | None:
        if source is None or all(file in known for file in _files_of(source)):
            return source
        return source._replace(by=None) if source.file in known else None

    items = [item._replace(source=checked(item.source) or PROCESS) for item in observation.assignments]
    lines: dict[str, t.Any] = {name: checked(source) for name, source in _sources(observation).items()}
    return dataclasses.replace(observation, assignments=items, **lines)


def _sources(observation: Observation) -> dict[str, Source | None]:
    return {name: getattr(observation, name) for name in ("stopping", "printing", "slowest", "holding")}


def _files_of(source: Source) -> list[str]:
    """Return the files that a source names: that of the line, and that of the function that the line calls."""
    # Of sshd's configuration it has the keyword.
    by = "" if (source.file or "").startswith(OF_SSHD) else (source.by or "").rpartition(":")[0]
    return [file for file in (source.file, by) if file]


def _known_files(user: UserEnvironment, files: t.Iterable[str], accounts: t.Iterable[Account]) -> set[str]:
    account = user.account
    crontabs = [f"{directory}/{account.name}" for directory in CRONTABS]
    with acting_as(account):
        of_user = {os.path.realpath(path) for path in (account.home, *user.workspaces)} - {"/"}
        others = [os.path.realpath(other.home) for other in accounts if other.home not in ("/", account.home)]

        def is_known(file: str) -> bool:
            if not os.path.isabs(file):
                return False
            if file in crontabs or (os.path.normpath(file) == file and any(is_below(file, top) for top in _OF_HOST)):
                return True
            path = os.path.realpath(file)
            if any(is_below(path, place) for place in of_user):
                return True
            try:
                owner = os.lstat(path).st_uid
            except OSError:
                return False
            return owner in (0, account.uid) and not any(is_below(path, home) for home in others)

        return {file for file in files if is_known(file)}
