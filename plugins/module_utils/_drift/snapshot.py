# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot of a host: everything that the rules evaluate. It reads nothing from the host."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t

from .._core.provenance import SET_ENVIRONMENT, Assignment, Source, is_default
from .._environment.contexts.base import Context
from .._environment.contexts.cron import CRONTABS
from .._environment.declaration import Declaration, UserEnvironment
from .._host.accounts import Account
from .._host.path_names import is_below
from .._host.procfs import Process
from .._toolchain.workspaces import Mismatch
from .cells import Cell, plain_path
from .finding import Finding, Remedy, Rule
from .records.debuggers import Debuggers
from .records.directories import GoDirectory
from .records.editor_settings import EditorSettings, MissingExtension
from .records.files import ManagedFiles, SettingsFile
from .records.language_servers import LanguageServers
from .records.observation import ForcedKeys, MissingPath, Observation
from .records.tools import AlteredToolchain, FetchedToolchain, PinnedTool, ToolCopy
from .version_managers import find_manager, remove_manager

# The directory of sshd's configuration.
OF_SSHD = "/etc/ssh/"
# The variables that a user's shells share.
_KEPT_BY_FISH = "/fish/fish_variables"
PROVISION_AGAIN = "provision the host again with --tags environment"


class Fault(t.NamedTuple):
    """The place that causes a wrong value, the remedy, and an addition to the finding's cause."""

    source: Source | None
    remedy: str
    addition: str = ""


class Row(t.NamedTuple):
    """One observation and its cells by variable."""

    observation: Observation
    cells: t.Mapping[str, Cell]

    @property
    def user(self) -> UserEnvironment:
        return self.observation.user

    @property
    def foreign_go(self) -> bool:
        """Whether another go than the declared one runs: other differences may follow from that."""
        return "go" in self.cells and self.cells["go"].status == "drift"

    def is_outdated(self, variable: str) -> bool:
        """Whether a running process has an outdated value of the variable, which is a finding of its own."""
        return variable in self.observation.stale

    def undeclared(self, variable: str) -> str:
        """Return the value of a variable that is not declared; empty if it has no value, or is declared."""
        cell = self.cells.get(variable)
        return (cell.actual or "") if cell and cell.status in ("unmanaged", "conflict") else ""

    def in_force(self, variable: str) -> str:
        """Return the variable's value; empty if it has none, or if it differs from the declared one."""
        cell = self.cells.get(variable)
        return (cell.actual or "") if cell and cell.status in ("ok", "unmanaged", "conflict") else ""

    def source(self, variable: str) -> Source | None:
        return self.cells[variable].source if variable in self.cells else None

    def finding(
        self, rule: Rule, cause: str, remedy: Remedy, variable: str = "", source: Source | None = None
    ) -> Finding:
        source = source or self.source(variable)
        return Finding(
            rule,
            cause,
            remedy,
            user=self.user.account.name,
            context=self.observation.context.name,
            variable=variable,
            source=source,
            workspace=self.observation.workspace,
        )

    def unexpected(self, rule: Rule, variable: str, expected: str, remedy: Remedy) -> Finding:
        """Return the finding about the value of a variable of the matrix."""
        return self.finding(rule, f"{self.cells[variable].state}; expected {expected}", remedy, variable)


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A host as it is declared, and as it was when ``taken_at`` (seconds of the epoch).

    ``tools`` are the pinned tools, ``tool_copies`` the programs that hide them from an editor, ``undeclared_tools``
    those beside them, and ``fetched_toolchains`` what is in the users' module caches. ``missing_extensions`` are those
    of an earlier run of the role editor. ``host_path`` is the PATH of
    /etc/environment, ``secure_path`` that of sudo; None if it sets none. ``bin_dir`` has the links to Go.
    ``settings_files`` are the files that go reads, one entry for each user. ``managers`` has the start of a user's
    systemd manager by user name, if its environment is stale. ``texts`` has the lines of files that are at fault, by
    user name and path. ``real_paths`` has the target of each collected path that is or contains a link.
    ``world_readable`` are files with a password that all users can read. ``requirements`` are those that the host does
    not meet, with the users of the workspaces; the host's has no user. ``altered_toolchains`` are those with other
    files than the installed ones. ``missing_paths`` are those that variables of builds name,
    ``forced_keys`` those of ssh with a command, by user. ``goroot_version`` is the version of the Go at GOROOT, empty
    if there is none.
    """

    declaration: Declaration
    observations: t.Sequence[Observation]
    cells: t.Sequence[Cell]
    tools: t.Sequence[PinnedTool] = ()
    tool_copies: t.Sequence[ToolCopy] = ()
    undeclared_tools: t.Sequence[ToolCopy] = ()
    fetched_toolchains: t.Sequence[FetchedToolchain] = ()
    editor_files: t.Sequence[EditorSettings] = ()
    missing_extensions: t.Sequence[MissingExtension] = ()
    language_servers: LanguageServers = dataclasses.field(default_factory=LanguageServers)
    debuggers: Debuggers = dataclasses.field(default_factory=Debuggers)
    host_path: Assignment | None = None
    secure_path: Assignment | None = None
    bin_dir: str = "/usr/local/bin"
    requirements: t.Sequence[tuple[str, Mismatch]] = ()
    directories: t.Sequence[GoDirectory] = ()
    program_directories: t.Sequence[GoDirectory] = ()
    settings_files: t.Sequence[SettingsFile] = ()
    managed_files: ManagedFiles = dataclasses.field(default_factory=ManagedFiles)
    extension_hosts: t.Sequence[Process] = ()
    managers: t.Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    texts: t.Mapping[tuple[str, str], t.Sequence[str]] = dataclasses.field(default_factory=dict)
    real_paths: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    world_readable: frozenset[str] = frozenset()
    altered_toolchains: t.Sequence[AlteredToolchain] = ()
    missing_paths: t.Sequence[MissingPath] = ()
    forced_keys: t.Mapping[str, ForcedKeys] = dataclasses.field(default_factory=dict)
    goroot_version: str = ""
    taken_at: float = 0.0

    @functools.cached_property
    def rows(self) -> list[Row]:
        """Every observation with an environment, in order."""
        cells: dict[tuple[str, str, str], dict[str, Cell]] = {}
        for cell in self.cells:
            cells.setdefault((cell.user, cell.context, cell.workspace), {})[cell.variable] = cell
        probed = [observation for observation in self.observations if observation.environment is not None]
        places = [
            (observation.user.account.name, observation.context.name, observation.workspace) for observation in probed
        ]
        return [Row(observation, cells.get(place, {})) for observation, place in zip(probed, places)]

    @functools.cached_property
    def users_with_home(self) -> list[UserEnvironment]:
        """Those users of the declaration whose home directory exists."""
        without = [observation.user for observation in self.observations if observation.failure == "no home"]
        return [user for user in self.declaration.users if user not in without]

    def settings_file(self, observation: Observation) -> SettingsFile:
        """Return the settings file that go reads in a context."""
        account, path = observation.user.account, observation.settings_path
        files = (file for file in self.settings_files if (file.account, file.path) == (account, path))
        return next(files, SettingsFile(account, path, None))

    def real_path(self, path: str) -> str:
        """Return ``path`` without links, if it is one of those that were collected."""
        return self.real_paths.get(path) or plain_path(path)

    def lines(self, source: Source, user: str) -> t.Sequence[str]:
        """Return the lines of a file that is at fault, as the user can read it; none if they were not collected."""
        return self.texts.get((user, source.file or ""), ())

    def line(self, source: Source, user: str) -> str:
        return "".join(self.lines(source, user)[(source.line or 1) - 1 :][:1])

    def fault(self, cell: Cell) -> Fault:
        """Return the reason why a declared value is not in force, and how to restore it."""
        file = self._outdated_file(cell)
        if file is None:
            return Fault(cell.source, self.fix(cell))
        at = cell.source if cell.source and cell.source.file == file else Source("file", file)
        return Fault(at, PROVISION_AGAIN, f"; {file} lacks lines that provisioning rendered")

    def _outdated_file(self, cell: Cell) -> str | None:
        """Return the managed file that would set the value; None if all are complete, or if another file wins."""
        account = self._account(cell)
        by = (cell.source.file if cell.source else None) or ""
        by_kind = self.managed_files.outdated.get(account.name, {})
        context = self._context(cell)
        kinds = context.fed_by(account) if context else [cell.context]
        outdated = [path for kind in kinds for path in by_kind.get(kind, ())]
        # A line in a user's own file stays there after provisioning.
        if by in self.managed_files.repaired or (by not in outdated and _is_own(by, account)):
            return None
        return by if by in outdated else next(iter(outdated), None)

    def _account(self, cell: Cell) -> Account:
        return next(user.account for user in self.declaration.users if user.account.name == cell.user)

    def fix(self, cell: Cell) -> str:
        """Return the action that restores a declared value."""
        return remove_manager(self._manager(cell), "") or self._fix_source(cell)

    def _manager(self, cell: Cell) -> str:
        """Return the version manager that sets a value: in a file of its own, or by a line that runs it."""
        source = cell.source
        if source is None or source.line is None:
            return ""
        by_program = cell.variable not in ("PATH", *re.findall(r"\w+", self.line(source, cell.user)))
        return find_manager(source.file, cell.actual if by_program else "")

    def _fix_source(self, cell: Cell) -> str:
        source = cell.source
        if source == SET_ENVIRONMENT:
            return unset_in_manager(cell.variable, cell.context, cell.user)
        if source is None or source.line is None or is_default(source):
            context = self._context(cell)
            path = context.checkout_file if context else ""
            if path and path not in self.managed_files.repaired:
                return self._with_manage(f"set {cell.variable} in {path}", path)
            return PROVISION_AGAIN if path or not self._is_complete(cell) else _search(cell)
        # Provisioning keeps a reference in an editor's file: its author has written it on purpose.
        in_settings = (source.file or "").endswith(".json") and source.file in self.managed_files.repaired
        if in_settings and "${" in self.line(source, cell.user):
            return f"replace the reference at {source} by the declared value"
        if self.managed_files.repairs(source):
            return PROVISION_AGAIN if in_settings or not self._is_complete(cell) else _search(cell)
        if in_settings:
            return f"delete {self._setting_at(source) or 'the setting'} at {source}"
        if (source.file or "").endswith(_KEPT_BY_FISH):
            return delete_line(cell, source)
        if _is_of_sshd(source):
            return _correct_sshd(cell, source, "delete or correct")
        correct = f"delete or correct {source}"
        with_manage = self._with_manage(correct, source.file or "")
        return with_manage if with_manage != correct else f"{correct}, which provisioning leaves alone"

    def _is_complete(self, cell: Cell) -> bool:
        """Return whether all files that feed the context are as they are rendered: provisioning changes none."""
        context, account = self._context(cell), self._account(cell)
        by_kind = self.managed_files.outdated.get(account.name, {})
        kinds = context.fed_by(account) if context else [cell.context]
        return all(kind in by_kind and not by_kind[kind] for kind in kinds)

    def _setting_at(self, source: Source) -> str:
        """Return the full name of the editor's setting at a line; empty if it is not known."""
        settings = (setting for file in self.editor_files if file.path == source.file for setting in file.settings)
        for setting in settings:
            inner = next((name for name, place in setting.inner.items() if place == source), "")
            if inner or setting.source == source:
                return f"{setting.name}.{inner}" if inner else setting.name
        return ""

    def _context(self, cell: Cell) -> Context | None:
        """Return the context of a cell, if it was observed."""
        place = (cell.user, cell.context, cell.workspace)
        contexts = {
            (observation.user.account.name, observation.context.name, observation.workspace): observation.context
            for observation in self.observations
        }
        return contexts.get(place)

    def _with_manage(self, action: str, path: str) -> str:
        """Return an action, or that provisioning is to edit the file, if it can."""
        manage = self.managed_files.unmanaged.get(path)
        return f"{action}, or {manage}" if manage else action


def unset_in_manager(variable: str, context: str, user: str) -> str:
    """Return the action that removes a variable which was set in a running manager of systemd."""
    by_user = context == "systemd_user"
    command = f"systemctl{' --user' if by_user else ''} unset-environment {variable}"
    return f"run '{command}' as {user if by_user else 'root'}"


def delete_line(cell: Cell, source: Source) -> str:
    """Return the action that deletes the line of a cell's value."""
    if _is_of_sshd(source):
        return _correct_sshd(cell, source, "delete")
    # Only fish edits its own file.
    kept = (source.file or "").endswith(_KEPT_BY_FISH)
    by = f" with the command fish -c 'set -Ue {cell.variable}' as {cell.user}" if kept else ""
    return f"delete {source}{by}"


def _is_of_sshd(source: Source) -> bool:
    """Return whether a source is a line of sshd's configuration with another keyword than SetEnv, which is ``by``."""
    return bool(source.by) and (source.file or "").startswith(OF_SSHD)


def _correct_sshd(cell: Cell, source: Source, action: str) -> str:
    if source.by == "UsePAM no":
        return f"set 'UsePAM yes' at {source}, and restart sshd when 'sshd -t' is silent"
    return f"{action} {cell.variable} in the program that the ForceCommand at {source} runs"


def _search(cell: Cell) -> str:
    return (
        f"find the program that removes {cell.variable} in {cell.context}, whose rendered files are complete;"
        " processes that are older than these files must be started again"
    )


def _is_own(path: str, account: Account) -> bool:
    """Return whether a file is the user's: it is in the home directory, or is a crontab."""
    return is_below(path, account.home) or path in (f"{directory}/{account.name}" for directory in CRONTABS)


def of_cell(rule: Rule, cause: str, remedy: Remedy, cell: Cell, source: Source | None) -> Finding:
    """Return a finding about the value of a cell, which ``source`` causes."""
    return Finding(
        rule,
        cause,
        remedy,
        user=cell.user,
        context=cell.context,
        variable=cell.variable,
        source=source,
        workspace=cell.workspace,
    )


def once_per_user(findings: t.Iterable[Finding]) -> t.Iterator[Finding]:
    """Make one finding, without a context, of those of one rule about one variable of one user."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        key = (finding.rule.id, finding.user, finding.variable, finding.subject)
        groups.setdefault(key, []).append(finding)
    for group in groups.values():
        contexts: dict[str, list[str]] = {}
        for finding in group:
            contexts.setdefault(finding.cause, []).append(finding.context)
        cause = "; ".join(f"{cause} (in {', '.join(names)})" for cause, names in contexts.items())
        yield dataclasses.replace(group[0], cause=cause, context="", workspace="")
