# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned tools, and the copies that editors prefer."""

from __future__ import annotations

import typing as t

from ..._host.accounts import Account
from ..._toolchain.filelist import Differences


class PinnedTool(t.NamedTuple):
    """One pinned tool: ``reason`` is empty for the declared build, ``users`` for a tool of all users.

    ``incompatibility`` is the reason why its version does not support the Go that builds it, unless the play forces it.
    ``actual`` are package, version and Go of the program in its place, if that is another one and has build info.
    """

    name: str
    package: str
    version: str
    go: str
    path: str
    reason: str
    users: t.Sequence[str] = ()
    incompatibility: str = ""
    actual: str = ""

    def result(self) -> dict[str, t.Any]:
        """Return the tool's entry in the report."""
        return dict(self._asdict(), users=list(self.users))

    def is_for(self, user: str) -> bool:
        return not self.users or user in self.users


class AlteredToolchain(t.NamedTuple):
    """An installed toolchain whose tree differs from the list of its files."""

    path: str
    differences: Differences


class FetchedToolchain(t.NamedTuple):
    """A Go in a user's module cache; ``version`` is that of its directory, such as go1.26.1.

    It is ``removable`` by a command if its directory belongs to the user.
    """

    account: Account
    version: str
    path: str
    removable: bool


class ToolCopy(t.NamedTuple):
    """A program in GOBIN or GOPATH/bin that has the name of a known tool and is not the pinned one.

    It is ``removable`` by a command if its directory is not reached through a link.
    """

    account: Account
    tool: str
    path: str
    removable: bool
