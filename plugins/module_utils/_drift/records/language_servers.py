# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language servers of users."""

from __future__ import annotations

import re
import typing as t

from ..._core.provenance import Source
from ..._environment.declaration import UserEnvironment
from ..._gopls import paths
from ..._gopls.settings import Schema
from ..._host.procfs import Process
from ..._systemd.environment_files import outdated_variables
from ..._systemd.unit_state import Override, State
from ..._tools.build_info import BuildInfo
from ..._tools.workarounds import Workaround

# Limits of the daemon's own unit, and of the slice of a user's sessions.
LIMITS = ("MemoryMax", "MemoryHigh", "MemorySwapMax", "CPUWeight", "TasksMax", "OOMScoreAdjust")
# Bytes by which systemd may round a size.
_ROUNDED = 65536


class Crash(t.NamedTuple):
    """A crash log: its first line, and when it was written (seconds of the epoch)."""

    path: str
    result: str
    at: float


class OtherLimit(t.NamedTuple):
    """A limit of a unit that systemd enforces in place of the rendered one in ``file``."""

    unit: str
    file: str
    name: str
    actual: str
    expected: str


class LanguageServer(t.NamedTuple):
    """The gopls of one user: ``mode`` is daemon, per-editor or none.

    ``variables`` are those rendered for gopls, in files that were last written at ``variables_changed`` (seconds of the
    epoch).

    ``units`` has the state of each unit of the user, ``missing`` are those of ``sockets`` that do not exist, and
    ``daemon`` is None if none runs. ``rendered`` has the limits in the files of units, by unit: file, and value by
    name. ``limit_lines`` has the line that sets a limit, by unit and name, for the limits that differ. ``overrides``
    are the directives of others in the files of units, by unit.
    """

    user: UserEnvironment
    mode: str = "none"
    variables: t.Mapping[str, str] = {}
    units: t.Mapping[str, State] = {}
    missing: t.Collection[str] = ()
    daemon: Process | None = None
    rendered: t.Mapping[str, tuple[str, t.Mapping[str, str]]] = {}
    crashes: t.Sequence[Crash] = ()
    limit_lines: t.Mapping[tuple[str, str], Source | None] = {}
    overrides: t.Mapping[str, t.Sequence[Override]] = {}
    variables_changed: float = 0.0

    @property
    def user_name(self) -> str:
        return self.user.account.name

    @property
    def unit(self) -> str:
        return paths.daemon_unit(self.user_name)

    @property
    def socket(self) -> str:
        return paths.socket_of(self.user_name)

    @property
    def sockets(self) -> dict[str, str]:
        """The paths of the sockets that systemd must provide for the user, by their units."""
        name = self.user_name
        paths_by_unit = {paths.socket_unit(name): self.socket, paths.pprof_socket(name): paths.profiles_of(name)}
        return {unit: path for unit, path in paths_by_unit.items() if unit in self.units}

    @property
    def outdated_variables(self) -> list[str]:
        """The names of variables that a restart of the daemon would correct."""
        return outdated_variables(self.daemon, self.variables, self.variables_changed) if self.daemon else []

    @property
    def other_limits(self) -> list[OtherLimit]:
        """The limits that systemd enforces and that differ from the rendered ones."""
        differences = []
        for unit, (file, rendered) in self.rendered.items():
            actual = self.units[unit].values if unit in self.units else {}
            limits = [OtherLimit(unit, file, name, actual.get(name, ""), rendered.get(name, "")) for name in LIMITS]
            differences += [limit for limit in limits if limit.actual and limit.expected and not _is_same(limit)]
        return differences

    def result(self, gopls: str) -> dict[str, t.Any]:
        """Return the user's entry in the report; amounts of memory are bytes."""
        limits = self.rendered.get(self.unit, ("", {}))[1]
        return {
            "user": self.user_name,
            "mode": self.mode,
            "socket": self.socket if self.mode == "daemon" else None,
            "gopls": gopls if self.mode != "none" else None,
            "running": self.daemon is not None,
            "limits": {
                "memory_max": _number(limits.get("MemoryMax")),
                "memory_high": _number(limits.get("MemoryHigh")),
                "heap": self.variables.get("GOMEMLIMIT"),
            },
        }


def _is_same(limit: OtherLimit) -> bool:
    if limit.actual.isdigit() and limit.expected.isdigit() and int(limit.expected) > _ROUNDED:
        return abs(int(limit.actual) - int(limit.expected)) < _ROUNDED
    return limit.actual == limit.expected


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\d+", text) else None


class Gopls(t.NamedTuple):
    """The pinned gopls, if ``info`` shows that it is one; ``path`` has no links.

    ``applied`` names the workarounds that provisioning has applied, ``added`` are the play's own. ``settings_changed``
    is when provisioning last changed the settings of gopls (seconds of the epoch), None if it has rendered none.
    """

    path: str
    info: BuildInfo | None = None
    applied: t.Sequence[str] = ()
    added: t.Sequence[Workaround] = ()
    settings_changed: float | None = None


class LanguageServers(t.NamedTuple):
    """All language servers of a host, and the binary that they must run.

    Crashes are reported for ``crash_days`` (0: never). ``schema`` has the settings that the pinned gopls supports; it
    is None if no user has settings of gopls, or if gopls could not be queried.
    """

    servers: t.Sequence[LanguageServer] = ()
    gopls: Gopls = Gopls("")
    crash_days: float = 7
    schema: Schema | None = None

    @property
    def provisioned(self) -> list[LanguageServer]:
        return [server for server in self.servers if server.mode != "none"]

    def results(self) -> list[dict[str, t.Any]]:
        return [server.result(self.gopls.path) for server in self.servers]
