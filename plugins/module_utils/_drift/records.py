# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed, frozen records of what was read from a host. The rules evaluate these and read nothing themselves."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import Context, Failure
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    DIRECTORY_VARIABLES,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls import paths
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.workarounds import Workaround
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.unit_state import State
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import BuildInfo

# Looked at even where the declaration is silent: these decide what a build does.
_MODULES = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE", "GOVCS", "GOAUTH")
_BUILDS = ("GOTOOLCHAIN", "GOFLAGS", "GO111MODULE", "CGO_ENABLED", "GOOS", "GOARCH", "GODEBUG")
WATCHED = (*_MODULES, *_BUILDS, *DIRECTORY_VARIABLES, "GOTMPDIR")
# Looked at too, but in a file of its own: go takes it from no variable.
TELEMETRY = "GOTELEMETRY"
# A start-up that takes longer counts as slow.
SLOW_SECONDS = 3.0
# What the daemon's own unit, and the slice of a user's sessions, are limited by.
LIMITS = ("MemoryMax", "MemoryHigh", "MemorySwapMax", "CPUWeight", "TasksMax", "OOMScoreAdjust")
_OPTION = re.compile(r"\s--?(?:listen|l)[= ](\S+)")


class GoResult(t.NamedTuple):
    """What ``go env`` said; or nothing, and ``problem`` says why; ``skipped`` is one that was not run on purpose."""

    values: t.Mapping[str, str]
    problem: str = ""
    skipped: bool = False


@dataclasses.dataclass(frozen=True)
class Observation:
    """What a process of ``user`` got in ``context``.

    ``environment`` is None, and ``problem`` says why, where no process could be asked. ``programs`` lists for each
    name that was looked for all programs on the PATH that the user can run, first the one that runs; it has no names
    where they could not be looked for, and the answer of ``go`` says why. ``seconds``, ``noise``, ``go_is``, ``stale``
    and ``held`` are those of the probe, and so is ``failure``, unless sshd knows better.
    ``culprit`` is the line at which there is no going on, ``printing`` that which prints ``noise``, and ``slowest``
    that which takes too long; None where there is no such trouble, or no telling.
    """

    user: UserEnvironment
    context: Context
    environment: t.Mapping[str, str] | None
    problem: str = ""
    programs: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    go: GoResult = dataclasses.field(default_factory=lambda: GoResult({}))
    assignments: t.Sequence[Assignment] = ()
    seconds: float = 0.0
    noise: str = ""
    go_is: str = ""
    stale: frozenset[str] = frozenset()
    culprit: Source | None = None
    printing: Source | None = None
    slowest: Source | None = None
    failure: Failure = ""
    held: bool = False

    @property
    def walked(self) -> bool:
        """Whether the directories of PATH were looked into."""
        return "go" in self.programs

    @property
    def workspace(self) -> str:
        """Which of several of its kind the context is; empty for the only one."""
        return self.context.workspace


class Process(t.NamedTuple):
    """A running process: its owner, the environment in which it was started, and when (seconds of the epoch)."""

    pid: int
    uid: int
    environment: dict[str, str]
    started: float | None = None


class Setting(t.NamedTuple):
    """One setting of an editor's file, by its full name; ``inner`` says where the keys of an object stand."""

    name: str
    value: t.Any
    source: Source
    inner: t.Mapping[str, Source] = {}


class EditorSettings(t.NamedTuple):
    """A file of an editor's that a user has: ``kind`` is settings, launch (one configuration) or devcontainer.

    ``title`` tells apart the launch configurations of one file; ``path`` is empty where there is no such file.
    """

    user: UserEnvironment
    kind: str
    settings: t.Sequence[Setting]
    title: str = ""
    path: str = ""


class PinnedTool(t.NamedTuple):
    """One pinned tool as it was found; ``reason`` is empty where all is right, ``users`` where it is for everybody.

    ``reservation`` says why it will not do for its Go, where the play does not force it.
    """

    name: str
    package: str
    version: str
    go: str
    path: str
    reason: str
    users: t.Sequence[str] = ()
    reservation: str = ""

    def result(self) -> dict[str, t.Any]:
        """Return the tool's entry in the report."""
        return dict(self._asdict(), users=list(self.users))


class Daemon(t.NamedTuple):
    """A process that runs: its binary, the environment in which it was started, and when (seconds of the epoch)."""

    binary: str
    environment: t.Mapping[str, str]
    started: float | None = None


class Crash(t.NamedTuple):
    """A log that was kept, its first line, and when it was written (seconds of the epoch)."""

    path: str
    result: str
    at: float


class LanguageServer(t.NamedTuple):
    """What one user has: ``mode`` is daemon, per-editor or none; ``variables`` are those rendered for gopls.

    ``units`` has the state of each unit that the user has, ``listens`` says whether the socket is there, and ``daemon``
    is None where none runs. ``rendered`` has the limits that the units' files have, by unit: file, and value by name.
    """

    user: UserEnvironment
    mode: str = "none"
    variables: t.Mapping[str, str] = {}
    units: t.Mapping[str, State] = {}
    listens: bool = True
    daemon: Daemon | None = None
    rendered: t.Mapping[str, tuple[str, t.Mapping[str, str]]] = {}
    crashes: t.Sequence[Crash] = ()

    @property
    def unit(self) -> str:
        return f"gopls@{self.user.account.name}.service"

    @property
    def socket(self) -> str:
        return paths.socket_of(self.user.account.name)

    def result(self, gopls: str) -> dict[str, t.Any]:
        """Return the user's entry in the report; amounts of memory are bytes."""
        limits = self.rendered.get(self.unit, ("", {}))[1]
        return {
            "user": self.user.account.name,
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


class Gopls(t.NamedTuple):
    """The pinned gopls, where it is one: ``path`` is that of the file itself, no link to it.

    ``applied`` names the work-arounds that provisioning has put in force, ``added`` are the play's own.
    """

    path: str
    info: BuildInfo | None = None
    applied: t.Sequence[str] = ()
    added: t.Sequence[Workaround] = ()


NO_GOPLS = Gopls("")


class LanguageServers(t.NamedTuple):
    """All of a host, and the binary that they are to run; a failure is told for ``crash_days`` (0: never)."""

    servers: t.Sequence[LanguageServer] = ()
    gopls: Gopls = NO_GOPLS
    crash_days: float = 7

    @property
    def there(self) -> list[LanguageServer]:
        return [server for server in self.servers if server.mode != "none"]

    def results(self) -> list[dict[str, t.Any]]:
        return [server.result(self.gopls.path) for server in self.servers]


NO_SERVERS = LanguageServers()


class WideDebugger(t.NamedTuple):
    """A dlv that listens at ``address`` where others than this host reach it; ``unit`` is empty where it has none."""

    pid: int
    user: str
    address: str
    unit: str = ""
    started: float | None = None


class Validity(t.NamedTuple):
    """A file of the debug ports' certificates, and until when it is good (seconds of the epoch)."""

    path: str
    end: float


class Debuggers(t.NamedTuple):
    """``units`` are those of debug services and of the TLS in front, by name.

    Provisioning renews certificates ``renew_before`` seconds before their end.
    """

    units: t.Mapping[str, State] = {}
    wide: t.Sequence[WideDebugger] = ()
    certificates: t.Sequence[Validity] = ()
    renew_before: float = 30 * 86400


NO_DEBUGGERS = Debuggers()


def address_of(command: str) -> str:
    """Return where a dlv is told to listen by a command line, of which what is behind ``--`` is the program's own."""
    match = _OPTION.search(command.partition(" -- ")[0])
    return match.group(1) if match else ""


def is_wide(address: str) -> bool:
    """Return whether others than this host surely reach a TCP address; what a name leads to is not known."""
    host, colon, _port = address.rpartition(":")
    if not colon or address.startswith("unix:"):
        return False
    return not host or _wide_host(host.strip("[]"))


def _wide_host(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return not (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\d+", text) else None
