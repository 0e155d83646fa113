# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared state of all gopls daemons of a host: what every file and unit of this package is made from."""

from __future__ import annotations

import typing as t

from .._environment.declaration import UserEnvironment
from .memory_limits import Limits


class DaemonOptions(t.NamedTuple):
    """What is the same for all users.

    ``systemd`` is its version, 0 where no systemd runs the host. A daemon exits after ``idle`` seconds without
    clients (0: never).
    """

    gopls: str
    goroot: str
    limits: Limits
    systemd: int
    cpu_weight: int = 50
    oom_score: int = 500
    idle: int = 3600
    log: bool = True
    pprof: bool = False
    prewarm_days: int = 3
    prewarm_minutes: int = 30


class ExpectedDaemons(t.NamedTuple):
    """The daemons that a host should have.

    ``environment`` is added to the daemons' own, ``workarounds`` are the names of those applied. The daemons of users
    who are ``absent`` are removed, with ``exclusive`` those of all other users. With ``purge`` nothing stays of any
    daemon, not even logs.
    """

    users: t.Sequence[UserEnvironment]
    daemon: DaemonOptions
    settings: t.Mapping[str, t.Any]
    environment: t.Mapping[str, str]
    workarounds: t.Sequence[str] = ()
    prewarm: bool = True
    trace: bool = False
    vscode_settings: t.Sequence[str] = ()
    vscode_create: bool = False
    absent: t.Collection[str] = ()
    exclusive: bool = False
    purge: bool = False

    def removes(self, name: str) -> bool:
        """Return whether the daemon of the user ``name`` is to be removed."""
        return name in self.absent or ((self.exclusive or self.purge) and name not in self.names)

    @property
    def shared(self) -> bool:
        """Whether editors share one daemon per user; without systemd each editor starts a gopls."""
        return self.daemon.systemd > 0

    @property
    def names(self) -> list[str]:
        return [user.account.name for user in self.users]

    @property
    def prewarmed(self) -> list[UserEnvironment]:
        return [user for user in self.users if user.workspaces and self.prewarm and self.shared]
