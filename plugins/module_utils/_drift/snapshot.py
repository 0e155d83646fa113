# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that the rules judge, put in order once."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source, is_default
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import Cell
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.go_files import settings_file, text_of
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import (
    NO_DEBUGGERS,
    NO_SERVERS,
    Debuggers,
    EditorSettings,
    LanguageServers,
    Observation,
    PinnedTool,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import CONTEXTS
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import Context
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.cron import CRONTABS
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.editor_files import (
    EditorContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import ManagedFile, wrong_rights

CONVERGE = "provision the host again with --tags environment"


class Fault(t.NamedTuple):
    """The place that is at fault for a value, the remedy, and what the cause has to say more."""

    source: Source | None
    remedy: str
    more: str = ""


class Row(t.NamedTuple):
    """One observation and its cells by variable."""

    observation: Observation
    cells: t.Mapping[str, Cell]

    @property
    def user(self) -> UserEnvironment:
        return self.observation.user

    @property
    def foreign_go(self) -> bool:
        """Whether another go runs than the declared one: then whatever else differs may be that go's own."""
        return "go" in self.cells and self.cells["go"].status == "drift"

    def late(self, variable: str) -> bool:
        """Whether what runs already has not seen the variable's rendered value, which is a finding of its own."""
        return variable in self.observation.stale

    def undeclared(self, variable: str) -> str:
        """Return the value of a variable that the declaration leaves alone; empty where it has none, or is declared."""
        cell = self.cells.get(variable)
        return (cell.actual or "") if cell and cell.status in ("unmanaged", "conflict") else ""

    def in_force(self, variable: str) -> str:
        """Return the variable's value, empty where it has none or where it differs from a declared one."""
        cell = self.cells.get(variable)
        return (cell.actual or "") if cell and cell.status in ("ok", "unmanaged", "conflict") else ""

    def source(self, variable: str) -> Source | None:
        return self.cells[variable].source if variable in self.cells else None

    def finding(
        self, rule: Rule, cause: str, remedy: Remedy, variable: str = "", source: Source | None = None
    ) -> Finding:
        source = source or self.source(variable)
        place = (self.user.account.name, self.observation.context.name, variable)
        return Finding(rule, cause, remedy, *place, source, self.observation.workspace)


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A host as it was declared and as it was found.

    ``tools`` are the pinned ones, ``go_minimum`` is the oldest Go (such as ``1.22``) that will do, empty for any.
    ``host_path`` is the PATH of /etc/environment, None where that sets none.
    """

    declaration: Declaration
    observations: t.Sequence[Observation]
    cells: t.Sequence[Cell]
    tools: t.Sequence[PinnedTool] = ()
    editor_files: t.Sequence[EditorSettings] = ()
    go_minimum: str = ""
    language_servers: LanguageServers = NO_SERVERS
    debuggers: Debuggers = NO_DEBUGGERS
    host_path: Assignment | None = None

    @functools.cached_property
    def rows(self) -> list[Row]:
        """Every observation that was answered, in order."""
        cells: dict[tuple[str, str, str], dict[str, Cell]] = {}
        for cell in self.cells:
            cells.setdefault((cell.user, cell.context, cell.workspace), {})[cell.variable] = cell
        answered = [seen for seen in self.observations if seen.environment is not None]
        places = [(seen.user.account.name, seen.context.name, seen.workspace) for seen in answered]
        return [Row(seen, cells.get(place, {})) for seen, place in zip(answered, places)]

    @functools.cached_property
    def housed(self) -> list[UserEnvironment]:
        """Those users of the declaration whose home is there."""
        without = [seen.user for seen in self.observations if seen.failure == "no home"]
        return [user for user in self.declaration.users if user not in without]

    @functools.cached_property
    def settings_files(self) -> list[tuple[Account, str]]:
        """Each settings file that a go of this host reads, once for each user that it reads it as."""
        asked = (row for row in self.rows if row.observation.context.asks_go)
        return list(dict.fromkeys((row.user.account, settings_file(row.observation)) for row in asked))

    @functools.cached_property
    def repaired(self) -> frozenset[str]:
        """The files in which provisioning sets right whatever they give a declared variable."""
        files = (file for context in CONTEXTS for file in files_of(context, self.declaration))
        return frozenset(file.path for file in files if file.whole or file.as_owner)

    @functools.cached_property
    def _lacking(self) -> dict[str, dict[str, list[str]]]:
        """The managed files that lack what was rendered into them for a user, by user and the context that they feed.

        Of users of whom all is right nothing is looked for.
        """
        differing = {cell.user for cell in self.cells if cell.status in ("drift", "missing")}
        users = [user for user in self.declaration.users if user.account.name in differing]
        return {user.account.name: self._lacking_for(user) for user in users}

    def _lacking_for(self, user: UserEnvironment) -> dict[str, list[str]]:
        kinds = [context for context in CONTEXTS if not isinstance(context, EditorContext) and context.name != "ci"]
        # Of the files for all it needs what is rendered for it alone: it lacks nothing of another's lines.
        alone = dataclasses.replace(self.declaration, users=[user])
        files = {kind.name: files_of(kind, alone) for kind in kinds}
        return {
            kind: [file.path for file in found if file.owner in (None, user.account) and _lacks(file)]
            for kind, found in files.items()
        }

    def fault(self, cell: Cell) -> Fault:
        """Return what is at fault that a declared value is not there, and how it comes back."""
        file = self._unrendered(cell)
        if file is None:
            return Fault(cell.source, self.mend(cell))
        at = cell.source if cell.source and cell.source.file == file else Source("file", file)
        return Fault(at, CONVERGE, f"; {file} is not as it was rendered")

    def _unrendered(self, cell: Cell) -> str | None:
        """Return the managed file that would give the value; None where all are right, or another one wins over it."""
        account = self._account(cell)
        by = (cell.source.file if cell.source else None) or ""
        by_kind = self._lacking.get(account.name, {})
        lacking = [path for kind in _fed_by(cell.context, account) for path in by_kind.get(kind, ())]
        # What stands in a file of the user's own would stand there after provisioning too.
        if by in self.repaired or (by not in lacking and _is_own(by, account)):
            return None
        return by if by in lacking else next(iter(lacking), None)

    def _account(self, cell: Cell) -> Account:
        return next(user.account for user in self.declaration.users if user.account.name == cell.user)

    def mend(self, cell: Cell) -> str:
        """Return in words how a declared value comes back to what was declared."""
        source = cell.source
        if source is None or source.line is None or is_default(source):
            return CONVERGE
        if source.file in self.repaired:
            refers = _refers(source, self._account(cell))
            return f"write the declared value in the place of the reference at {source}" if refers else CONVERGE
        return f"delete or correct {source}, which provisioning leaves alone"


def files_of(context: Context, declaration: Declaration) -> list[ManagedFile]:
    """Return the files that a context manages; none where they cannot be rendered, which provisioning refuses."""
    try:
        return list(context.managed_files(declaration))
    except (DevserverError, OSError):
        return []


def _refers(source: Source, account: Account) -> bool:
    """Return whether a line of an editor's file has a reference, which provisioning leaves to whoever wrote it."""
    lines: list[str] = []
    if (source.file or "").endswith(".json"):
        with contextlib.suppress(DevserverError):
            lines = (text_of(source.file or "", account) or "").split("\n")
    return "${" in "".join(lines[(source.line or 1) - 1 :][:1])


def _is_own(path: str, account: Account) -> bool:
    """Return whether a file is the user's: it lies in the home, or is a crontab."""
    return path.startswith(account.home + "/") or path in (f"{folder}/{account.name}" for folder in CRONTABS)


def _lacks(file: ManagedFile) -> bool:
    """Return whether a line that was rendered is not in a file, or the file is not for whom it was.

    What more is there is no fault of this kind, be it a file that shall not be there: where one user alone is declared,
    those of all others.
    """
    try:
        if file.content(None) is None:
            return False
        with acting_as(file.actor):
            now = read_text(file.path)
            wanted = file.content(now)
            hidden = wanted is not None and now is not None and _hides(file)
    except (DevserverError, OSError):
        return False  # That it cannot be read is told elsewhere.
    return hidden or not {*(wanted or "").split("\n")} <= {*(now or "").split("\n")}


def _hides(file: ManagedFile) -> bool:
    """Return whether a file's rights may keep from it those whom it is for; that others too can read it does not."""
    rights = wrong_rights(file)
    return rights is not None and (rights[0].owner != rights[1].owner or rights[1].mode & ~rights[0].mode != 0)


def _fed_by(context: str, account: Account) -> list[str]:
    """Return the kinds of contexts whose files feed a process in ``context``."""
    shell = {"zsh": ["zsh"], "fish": ["fish"]}.get(os.path.basename(account.shell), ["login", "bash"])
    if context == "login":
        return shell
    if context == "ssh":
        return ["ssh", *(shell if shell[0] != "login" else ["bash"])]
    return ["ssh", *shell] if context in ("vscode_server", "vscode_debug") else [context]


def once_per_user(found: t.Iterable[Finding]) -> t.Iterator[Finding]:
    """Make one finding, without a context, of those that one rule has about one variable of one user."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in found:
        key = (finding.rule.id, finding.user, finding.variable, finding.subject)
        groups.setdefault(key, []).append(finding)
    for group in groups.values():
        contexts: dict[str, list[str]] = {}
        for finding in group:
            contexts.setdefault(finding.cause, []).append(finding.context)
        cause = "; ".join(f"{cause} (in {', '.join(names)})" for cause, names in contexts.items())
        yield dataclasses.replace(group[0], cause=cause, context="", workspace="")
