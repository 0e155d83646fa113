# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any process that runs ``go``: Go's per-user configuration file."""

from __future__ import annotations

import os
import time

from ..._core.go_variables import PERSISTENT_VARIABLES
from ..._core.provenance import Assignment
from ..._host.accounts import Account
from ..._host.command import SYSTEM_PATH, session_environment
from ..._host.managed_files import ManagedFile, users_file
from .. import goenv_file
from ..declaration import Declaration, UserEnvironment
from ..rendered import departed
from .base import Probe, SingleContext


class GoEnvContext(SingleContext):
    """The baseline: a process that has nothing but HOME, and runs the declared go."""

    name = "goenv"
    gives_environment = False

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        return [
            *map(_file, declaration.users),
            *(_mode_file(user) for user in declaration.users if user.telemetry),
            *map(cleared_file, departed(declaration)),
        ]

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        path = f"{declaration.goroot}/bin:{SYSTEM_PATH}"
        return Probe(dict(session_environment(account), PATH=path))

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        # Only go reads this file: its lines are found with the result of go.
        return []


def cleared_file(account: Account) -> ManagedFile:
    """Return the settings of ``account`` without the managed names."""
    return users_file(_path(account), goenv_file.without_managed, account)


def _path(account: Account) -> str:
    return os.path.join(account.home, goenv_file.PATH)


def _file(user: UserEnvironment) -> ManagedFile:
    values = {name: value for name, value in user.variables.items() if name in PERSISTENT_VARIABLES}
    # It may hold a proxy's password, so a new one is the user's alone.
    return users_file(_path(user.account), lambda now: goenv_file.updated(now or "", values), user.account, mode=0o600)


def _mode_file(user: UserEnvironment) -> ManagedFile:
    path = os.path.join(user.account.home, ".config/go", goenv_file.TELEMETRY_MODE)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    return users_file(path, lambda now: goenv_file.with_telemetry_mode(now, user.telemetry, today), user.account)
