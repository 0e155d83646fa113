# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places that a user's startup cannot have: it can forge its own trace, and name the files of anybody else there."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import stat
import typing as t

from ..._core.provenance import PROCESS, Source
from ..._environment.contexts.cron import CRONTABS
from ..._environment.declaration import UserEnvironment
from ..._environment.rendered import unit_environment_file
from ..._environment.sshd_config import CONFIGURATION
from ..._host.accounts import Account
from ..._host.path_names import is_below
from ..._host.trusted_paths import MAXIMUM_SYSTEM_ID
from ..._host.user_access import acting_as, may_access
from ..records.observation import Observation, protected
from ..snapshot import OF_SSHD

# Where startup files of the host are; in the first nobody but root can write, and so make a link.
_ONLY_OF_ROOT = ("/etc", "/usr")
_OF_HOST = (*_ONLY_OF_ROOT, "/lib", "/opt", "/run/environment.d", "/run/systemd")
# Root alone may be able to read these; the product reports errors in them.
_OF_ROOT = (CONFIGURATION, f"{CONFIGURATION}.d/")


def without_forged_places(observations: t.Sequence[Observation]) -> list[Observation]:
    """Return the observations without places other than files of their user, and startup files of the host."""
    users = {observation.user.account: observation.user for observation in observations}
    homes = {account.home for account in users}
    homes |= {entry.pw_dir for entry in pwd.getpwall() if entry.pw_uid > MAXIMUM_SYSTEM_ID}
    # The directories of homes are the administrator's; to resolve each home as each user takes long.
    parents = {parent: os.path.realpath(parent) for parent in map(os.path.dirname, homes)}
    resolved = {home: os.path.join(parents[os.path.dirname(home)], os.path.basename(home)) for home in homes}
    places = {account: _Places(user, resolved) for account, user in users.items()}
    return [protected(_with_places, observation, places[observation.user.account]) for observation in observations]


def _with_places(observation: Observation, places: _Places) -> Observation:
    sources = (*(item.source for item in observation.assignments), *_sources(observation).values())
    known = places.known({file for source in sources if source for file in _files_of(source)})

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


class _Places:
    """Which files can be places of one user; ``homes`` are those of all users, each with its real path."""

    def __init__(self, user: UserEnvironment, homes: t.Mapping[str, str]) -> None:
        self._account, self._directories = user.account, (user.account.home, *user.workspaces)
        self._others = [path for home, path in homes.items() if home != user.account.home]
        self._known: dict[str, bool] = {}

    def known(self, files: t.Iterable[str]) -> set[str]:
        files = {file for file in files if os.path.isabs(file) and file.isprintable()}
        new = files - self._known.keys()
        if new:
            name = self._account.name
            of_user = {unit_environment_file(name), *(f"{directory}/{name}" for directory in CRONTABS)}
            self._known.update({file: _is_of_root(file, of_user) for file in new})
            with acting_as(self._account):
                directories = list(map(os.path.realpath, self._directories))
                known = {file for file in new if _is_place(file, self._account, directories, self._others)}
            self._known.update(dict.fromkeys(known, True))
        return {file for file in files if self._known[file]}


def _is_of_root(file: str, of_user: t.Container[str]) -> bool:
    """Return whether a file is one of sshd or ``of_user``, which only root can read, and nobody replace."""
    if file not in of_user and (os.path.normpath(file) != file or not file.startswith(_OF_ROOT)):
        return False
    with contextlib.suppress(OSError):
        return stat.S_ISREG(os.lstat(file).st_mode)
    return False


def _is_place(file: str, account: Account, directories: t.Sequence[str], others: t.Sequence[str]) -> bool:
    """Return whether a file, as the user sees it, is one of the user or of the host, and the user can read it.

    Of the user's ``directories`` and the homes of ``others`` above it the deepest counts.
    """
    try:
        status, path = os.stat(file), os.path.realpath(file)
    except (OSError, ValueError, RecursionError):
        return False  # It cannot be resolved.
    if not stat.S_ISREG(status.st_mode) or not may_access(file, os.R_OK):
        return False
    depth, depth_of_others = _deepest(path, directories), _deepest(path, others)
    if depth or depth_of_others:
        return depth > depth_of_others
    if os.path.normpath(file) == file and any(is_below(file, top) for top in _ONLY_OF_ROOT):
        return True
    return status.st_uid == account.uid or (status.st_uid == 0 and any(is_below(path, top) for top in _OF_HOST))


def _deepest(path: str, directories: t.Iterable[str]) -> int:
    """Return the length of the longest of the directories above ``path``, except for the root directory; 0 for none."""
    return max((len(top) for top in directories if top != "/" and is_below(path, top)), default=0)
