# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any process that runs ``go``: Go's per-user configuration file."""

from __future__ import annotations

import functools
import os
import time

from ..._core.go_variables import PERSISTENT_VARIABLES
from ..._core.provenance import Assignment
from ..._host.accounts import Account
from ..._host.command import SYSTEM_PATH, session_environment
from ..._host.managed_files import ManagedFile
from .. import goenv_file
from ..declaration import Declaration, UserEnvironment
from .base import Probe, SingleContext
from .previous import departed


class GoEnvContext(SingleContext):
    """The baseline: a process that has nothing but HOME, and runs the declared go."""

    name = "goenv"
    gives_environment = False

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        files = [_mode_file(user) for user in declaration.users if user.telemetry]
        left = [_left(account) for account in departed(declaration)]
        return [*(self._file(user) for user in declaration.users), *files, *left]

    def _file(self, user: UserEnvironment) -> ManagedFile:
        values = {k: v for k, v in user.variables.items() if k in PERSISTENT_VARIABLES}
        path = _path(user.account)
        update = functools.partial(_updated, values)
        # It may hold a proxy's password, so a new one is the user's alone.
        return ManagedFile(path, update, whole=False, mode=0o600, owner=user.account, as_owner=True)

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        path = f"{declaration.goroot}/bin:{SYSTEM_PATH}"
        return Probe(dict(session_environment(account), PATH=path))

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        # Only go reads this file: its lines are found with the result of go.
        return []


def _path(account: Account) -> str:
    return os.path.join(account.home, ".config/go/env")


def _left(account: Account) -> ManagedFile:
    """Return the file of a user who is no longer listed, without the managed names."""
    return ManagedFile(_path(account), goenv_file.without_managed, whole=False, owner=account, as_owner=True)


def _mode_file(user: UserEnvironment) -> ManagedFile:
    path = os.path.join(user.account.home, ".config/go", goenv_file.TELEMETRY_MODE)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    return ManagedFile(
        path,
        lambda now: goenv_file.with_telemetry_mode(now, user.telemetry, today),
        whole=False,
        owner=user.account,
        as_owner=True,
    )


def _updated(values: dict[str, str], text: str | None) -> str:
    return goenv_file.updated(text or "", values)
