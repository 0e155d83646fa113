# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a go command reads, and the lines of files at fault. All are read with the rights of their user."""

from __future__ import annotations

import contextlib
import os
import pathlib
import typing as t

from ..._core.errors import DevserverError
from ..._environment import goenv_file
from ..._host.accounts import Account, name_of
from ..._host.files import read_text
from ..._host.user_access import acting_as
from ..records.files import SettingsFile
from ..records.observation import go_config_directory
from ..snapshot import Row, Snapshot
from ..version_managers import find_manager


def mode_file(environment: t.Mapping[str, str], account: Account) -> str:
    """Return the file with the telemetry mode of a process; empty if there is none that can be read."""
    path = os.path.join(go_config_directory(environment), goenv_file.TELEMETRY_MODE)
    return path if "".join(lines_of(path, account)).strip() else ""


def telemetry_mode(environment: t.Mapping[str, str], account: Account) -> str:
    """Return the telemetry mode of the Go programs of a process: on, local (Go's own default) or off."""
    path = mode_file(environment, account)
    return goenv_file.telemetry_mode(text_of(path, account) or "") if path else "local"


def settings_in(path: str, account: Account) -> list[goenv_file.GoenvSetting]:
    """Return the settings in a file that a user names; none if ``account`` cannot read it, as go takes none then."""
    return goenv_file.settings("\n".join(lines_of(path, account)))


def settings_files_of(snapshot: Snapshot) -> list[SettingsFile]:
    """Return each settings file that a go of this host reads, one entry for each user."""
    rows = (row for row in snapshot.rows if row.observation.context.on_this_host)
    places = dict.fromkeys((row.user.account, row.observation.settings_path) for row in rows if not _ignores_file(row))
    return [_settings_file(account, path) for account, path in places]


def _ignores_file(row: Row) -> bool:
    """Return whether GOENV names a directory, which go ignores: goenv's own directory is in the same variable."""
    path, account = row.observation.settings_path, row.user.account
    if (row.observation.environment or {}).get("GOENV") != path or not row.observation.go.values:
        return False
    with acting_as(account):
        return os.path.isdir(path) and path != os.path.join(account.home, ".config/go/env")


def _settings_file(account: Account, path: str) -> SettingsFile:
    try:
        text = text_of(path, account)
    except DevserverError as error:
        closed, owner = _closed_directory(path, account)
        return SettingsFile(account, path, None, error.problem, closed=closed, closed_owner=owner)
    if text is None:
        with acting_as(account):
            target = os.path.realpath(path) if os.path.islink(path) else ""
        return SettingsFile(account, path, None, missing_target=target)
    return SettingsFile(account, path, text)


def _closed_directory(path: str, account: Account) -> tuple[str, str]:
    """Return the first directory above a path that a user may not enter, and its owner; empty for none."""
    with acting_as(account), contextlib.suppress(OSError):
        for directory in reversed(pathlib.PurePath(path).parents):
            if not os.access(directory, os.X_OK, effective_ids=True):
                return str(directory), name_of(os.lstat(directory).st_uid)
    return "", ""


def texts_at_fault(snapshot: Snapshot) -> dict[tuple[str, str], list[str]]:
    """Return the lines of startup files that stop or print, and of editors' files with a wrong value.

    And those of files that set a value in the tree of a version manager.
    """
    accounts = {user.account.name: user.account for user in snapshot.declaration.users}
    places = set()
    for observation in snapshot.observations:
        sources = (observation.stopping, observation.printing)
        places |= {(observation.user.account.name, source.file) for source in sources if source and source.file}
        accounts.setdefault(observation.user.account.name, observation.user.account)
    for cell in snapshot.cells:
        file = cell.source.file if cell.source and cell.status != "ok" else None
        places |= {(cell.user, file)} if file and (file.endswith(".json") or find_manager(cell.actual)) else set()
    return {(user, file): lines_of(file, accounts[user]) for user, file in sorted(places)}


def lines_of(path: str, account: Account) -> list[str]:
    """Return the lines of a file; none if ``account`` cannot read it."""
    try:
        return (text_of(path, account) or "").split("\n")
    except DevserverError:
        return []


def text_of(path: str, account: Account) -> str | None:
    """Return the text of a file, None if there is none; raise DevserverError if ``account`` cannot read it."""
    if not os.path.isabs(path):
        return None
    with acting_as(account):
        return read_text(path)
