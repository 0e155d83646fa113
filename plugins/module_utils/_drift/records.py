# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed, frozen records of what was read from a host. The rules evaluate these and read nothing themselves."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import typing as t

from .._core.provenance import Assignment, Source
from .._environment import goenv_file
from .._environment.contexts.base import Context, Failure
from .._environment.contexts.editor_files import filled
from .._environment.declaration import DIRECTORY_VARIABLES, UserEnvironment
from .._gopls import paths
from .._gopls.settings import Schema
from .._gopls.workarounds import Workaround
from .._host.accounts import Account
from .._host.managed_files import Rights
from .._host.mounts import NETWORK, Mount
from .._systemd.unit_state import State
from .._tools.build_info import BuildInfo

# Compared even if they are not declared: these decide how go builds.
_MODULES = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE", "GOVCS", "GOAUTH")
_BUILDS = ("GOTOOLCHAIN", "GOFLAGS", "GO111MODULE", "CGO_ENABLED", "GOOS", "GOARCH", "GODEBUG")
WATCHED = (*_MODULES, *_BUILDS, *DIRECTORY_VARIABLES, "GOTMPDIR")
# Compared too. It has a file of its own: go reads it from no variable.
TELEMETRY = "GOTELEMETRY"
# A startup that takes longer is slow.
SLOW_SECONDS = 3.0
# Limits of the daemon's own unit, and of the slice of a user's sessions.
LIMITS = ("MemoryMax", "MemoryHigh", "MemorySwapMax", "CPUWeight", "TasksMax", "OOMScoreAdjust")
# Bytes by which systemd may round a size.
_ROUNDED = 65536
_OPTION = re.compile(r"\s--?(?:listen|l)[= ](\S+)")


class GoResult(t.NamedTuple):
    """The values of ``go env``; without values ``problem`` has the reason. A ``skipped`` go was not run on purpose."""

    values: t.Mapping[str, str]
    problem: str = ""
    skipped: bool = False


@dataclasses.dataclass(frozen=True)
class Observation:
    """What a process of ``user`` got in ``context``.

    ``environment`` is None, and ``problem`` has the reason, if the context could not be probed. ``programs`` lists, for
    each requested name, the programs on PATH that the user can run, first the one that runs. It is empty if PATH could
    not be searched; the problem of ``go`` has the reason then. ``seconds``, ``unexpected_output``, ``go_is``, ``stale``
    and ``held`` are those of the probe, and so is ``failure``, unless sshd reports a better reason. ``stopping`` is the
    line at which the startup stops, ``printing`` the line that prints ``unexpected_output``, and ``slowest`` the line
    that takes the most time; each is None if there is no such problem or if the line is not known.
    """

    user: UserEnvironment
    context: Context
    environment: t.Mapping[str, str] | None
    problem: str = ""
    programs: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    go: GoResult = dataclasses.field(default_factory=lambda: GoResult({}))
    assignments: t.Sequence[Assignment] = ()
    seconds: float = 0.0
    unexpected_output: str = ""
    go_is: str = ""
    stale: frozenset[str] = frozenset()
    stopping: Source | None = None
    printing: Source | None = None
    slowest: Source | None = None
    failure: Failure = ""
    held: bool = False

    @property
    def walked(self) -> bool:
        """Whether the directories of PATH were searched."""
        return "go" in self.programs

    @property
    def workspace(self) -> str:
        """The workspace of the context, if its kind has one context for each workspace; else empty."""
        return self.context.workspace

    @property
    def settings_path(self) -> str:
        """The user's settings file as go finds it, even if go itself fails; ``off`` if go reads none."""
        environment = self.environment or {}
        default = os.path.join(go_config_directory(environment), "env")
        return self.go.values.get("GOENV") or environment.get("GOENV") or default


def go_config_directory(environment: t.Mapping[str, str]) -> str:
    """Return the directory of Go's own files in a process's environment, as go finds it."""
    directory = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", ""), ".config")
    return os.path.join(directory, "go")


class SettingsFile(t.NamedTuple):
    """The file that ``go env -w`` writes, as ``account`` can read it.

    ``text`` is None if there is no such file. ``error`` is the reason why it cannot be read. ``missing_target`` is the
    target of a link to a file that does not exist.
    """

    account: Account
    path: str
    text: str | None
    error: str = ""
    missing_target: str = ""

    @property
    def lines(self) -> list[str]:
        return (self.text or "").split("\n")

    @property
    def settings(self) -> list[goenv_file.Setting]:
        return goenv_file.settings(self.text or "")


class Disk(t.NamedTuple):
    """Free space of a file system for users. ``inodes`` is 0 for a file system without a fixed number of inodes."""

    free_bytes: int
    inodes: int
    free_inodes: int


class DirectoryState(t.NamedTuple):
    """A directory as its user can use it; ``repairable`` means that provisioning can give it back to the user."""

    uid: int
    owner: str
    mode: int
    writable: bool
    repairable: bool = False


class GoDirectory(t.NamedTuple):
    """A declared directory of Go.

    ``state`` is None, and ``error`` has the reason, if the user cannot look at it. Nothing is read of a directory on a
    network file system: ``real_path`` is its path then, and ``state`` and ``disk`` are None.
    """

    account: Account
    variable: str
    path: str
    real_path: str
    mount: Mount | None = None
    state: DirectoryState | None = None
    error: str = ""
    disk: Disk | None = None

    @property
    def remote(self) -> bool:
        return self.mount is not None and self.mount.kind in NETWORK

    def __str__(self) -> str:
        return f"{self.variable}={self.path}"


class ProgramDirectory(t.NamedTuple):
    """A directory from which go runs what it has built, and the mount of it."""

    account: Account
    variable: str
    path: str
    mount: Mount


class ToolCopy(t.NamedTuple):
    """A program in GOBIN or GOPATH/bin that has the name of a pinned tool and is another file.

    It is ``removable`` by a command if its directory is not reached through a link.
    """

    account: Account
    tool: str
    path: str
    removable: bool


class UnmetRequirement(t.NamedTuple):
    """A Go version that a workspace of ``user`` or, without a user, the play requires and the host does not have."""

    user: str
    cause: str
    remedy: str
    required: str
    installed: t.Sequence[str] = ()
    default: str = ""
    file: str = ""
    line: int | None = None


class WrongRights(t.NamedTuple):
    """A file or directory of the collection with the rights that it has and the rights that it must have."""

    path: str
    user: str
    actual: Rights
    expected: Rights


class ForeignFile(t.NamedTuple):
    """A file that is written with the rights of ``user``, and the reason why these do not suffice."""

    path: str
    user: str
    problem: str
    remedy: str


class ManagedFiles(t.NamedTuple):
    """The state of the files that provisioning manages.

    In the files in ``repaired`` provisioning corrects every declared variable. ``outdated`` has the files that lack
    lines that were rendered for a user, by user and context; it has no users whose values are all as declared.
    ``unmanaged`` are the files of checkouts that provisioning does not edit, with the action that changes that.
    """

    repaired: frozenset[str] = frozenset()
    outdated: t.Mapping[str, t.Mapping[str, t.Sequence[str]]] = {}
    wrong_rights: t.Sequence[WrongRights] = ()
    foreign: t.Sequence[ForeignFile] = ()
    unmanaged: t.Mapping[str, str] = {}


NO_MANAGED_FILES = ManagedFiles()


class Setting(t.NamedTuple):
    """One setting of an editor's file, by its full name; ``inner`` has the sources of the keys of an object."""

    name: str
    value: t.Any
    source: Source
    inner: t.Mapping[str, Source] = {}


class EditorSettings(t.NamedTuple):
    """An editor's file of a user: ``kind`` is settings, launch (one configuration) or devcontainer.

    ``title`` distinguishes the launch configurations of one file; ``path`` is empty if there is no such file.
    ``test_file`` is the file that ``go.testEnvFile`` names, and ``test_lines`` its lines.
    """

    user: UserEnvironment
    kind: str
    settings: t.Sequence[Setting]
    title: str = ""
    path: str = ""
    test_file: str = ""
    test_lines: t.Sequence[str] = ()

    @property
    def gopls_settings(self) -> list[Setting]:
        """The objects with settings of gopls."""
        return [one for one in self.settings if one.name == "gopls" and isinstance(one.value, dict) and one.value]

    def filled(self, value: str) -> str | None:
        """Return a path, or a list of paths, with references filled as VS Code does; None if that is not known."""
        account = self.user.account
        given = {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}
        if {name for name in re.findall(r"\$\{env:([^}:]*)", value) if name not in given}:
            return None
        # The machine settings have no workspace folder.
        text = filled(value, given, {"userHome": account.home, "pathSeparator": "/"})
        text = re.sub(r"(?:\A|(?<=:))~(?=/|:|\Z)", lambda _tilde: account.home, text)
        return None if "${" in text else text


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


class Daemon(t.NamedTuple):
    """A running process: its binary, the environment in which it was started, and when (seconds of the epoch)."""

    binary: str
    environment: t.Mapping[str, str]
    started: float | None = None


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
    """The gopls of one user: ``mode`` is daemon, per-editor or none; ``variables`` are those rendered for gopls.

    ``units`` has the state of each unit of the user, ``listens`` is whether the socket exists, and ``daemon`` is None
    if none runs. ``rendered`` has the limits in the files of units, by unit: file, and value by name. ``limit_lines``
    has the line that sets a limit, by unit and name, for the limits that differ.
    """

    user: UserEnvironment
    mode: str = "none"
    variables: t.Mapping[str, str] = {}
    units: t.Mapping[str, State] = {}
    listens: bool = True
    daemon: Daemon | None = None
    rendered: t.Mapping[str, tuple[str, t.Mapping[str, str]]] = {}
    crashes: t.Sequence[Crash] = ()
    limit_lines: t.Mapping[tuple[str, str], Source | None] = {}

    @property
    def unit(self) -> str:
        return f"gopls@{self.user.account.name}.service"

    @property
    def socket(self) -> str:
        return paths.socket_of(self.user.account.name)

    @property
    def other_limits(self) -> list[OtherLimit]:
        """The limits that systemd enforces and that differ from the rendered ones."""
        found = []
        for unit, (file, rendered) in self.rendered.items():
            actual = self.units[unit].values if unit in self.units else {}
            limits = [OtherLimit(unit, file, name, actual.get(name, ""), rendered.get(name, "")) for name in LIMITS]
            found += [one for one in limits if one.actual and one.expected and not _is_same(one)]
        return found

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


def _is_same(limit: OtherLimit) -> bool:
    if limit.actual.isdigit() and limit.expected.isdigit() and int(limit.expected) > _ROUNDED:
        return abs(int(limit.actual) - int(limit.expected)) < _ROUNDED
    return limit.actual == limit.expected


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\d+", text) else None


class Gopls(t.NamedTuple):
    """The pinned gopls, if ``info`` shows that it is one; ``path`` has no links.

    ``applied`` names the workarounds that provisioning has applied, ``added`` are the play's own.
    """

    path: str
    info: BuildInfo | None = None
    applied: t.Sequence[str] = ()
    added: t.Sequence[Workaround] = ()


NO_GOPLS = Gopls("")


class LanguageServers(t.NamedTuple):
    """All language servers of a host, and the binary that they must run.

    Crashes are reported for ``crash_days`` (0: never). ``schema`` has the settings that the pinned gopls supports; it
    is None if no user has settings of gopls, or if gopls could not be queried.
    """

    servers: t.Sequence[LanguageServer] = ()
    gopls: Gopls = NO_GOPLS
    crash_days: float = 7
    schema: Schema | None = None

    @property
    def provisioned(self) -> list[LanguageServer]:
        return [server for server in self.servers if server.mode != "none"]

    def results(self) -> list[dict[str, t.Any]]:
        return [server.result(self.gopls.path) for server in self.servers]


NO_SERVERS = LanguageServers()


class WideDebugger(t.NamedTuple):
    """A dlv that listens at an ``address`` that other hosts can reach; ``unit`` is empty for none."""

    pid: int
    user: str
    address: str
    unit: str = ""
    started: float | None = None


class Validity(t.NamedTuple):
    """A file with certificates of the debug ports, and when it expires (seconds of the epoch)."""

    path: str
    end: float


class Debuggers(t.NamedTuple):
    """``units`` are those of debug services and of their TLS endpoints, by name.

    ``listen_lines`` has the line that sets the address of a unit which listens on a wide address. Provisioning renews
    certificates ``renew_before`` seconds before they expire.
    """

    units: t.Mapping[str, State] = {}
    wide: t.Sequence[WideDebugger] = ()
    certificates: t.Sequence[Validity] = ()
    renew_before: float = 30 * 86400
    listen_lines: t.Mapping[str, Source | None] = {}

    @property
    def wide_units(self) -> dict[str, str]:
        """The configured addresses of the units of dlv that listen on a wide address."""
        addresses = {unit: address_of(state.values.get("ExecStart", "")) for unit, state in self.units.items()}
        return {unit: one for unit, one in addresses.items() if unit.startswith("dlv-") and is_wide(one)}


NO_DEBUGGERS = Debuggers()


def address_of(command: str) -> str:
    """Return the listen address in a command line of dlv; options behind ``--`` are those of the debugged program."""
    match = _OPTION.search(command.partition(" -- ")[0])
    return match.group(1) if match else ""


def is_wide(address: str) -> bool:
    """Return whether other hosts can reach a TCP address; a host name is not resolved and counts as no."""
    host, colon, _port = address.rpartition(":")
    if not colon or address.startswith("unix:"):
        return False
    return not host or _is_wide_host(host.strip("[]"))


def _is_wide_host(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return not (getattr(address, "ipv4_mapped", None) or address).is_loopback
