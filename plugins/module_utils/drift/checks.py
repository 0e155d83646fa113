# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what was observed by the rules of the catalogue."""

from __future__ import annotations

import os
import pwd
import shlex
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts import CONTEXTS
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration, UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils.drift import rules
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.matrix import Cell
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.observe import Observation
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.rules import Finding, Remedy
from ansible_collections.gopherops.devserver.plugins.module_utils.provenance import Source

_CONVERGE = "provision the host again with --tags environment"
_OWN_RULES = ("PATH", "go", "GOROOT", "GOVERSION")


def findings(
    declaration: Declaration,
    observations: t.Sequence[Observation],
    cells: t.Sequence[Cell],
    tools: t.Sequence[t.Mapping[str, str]],
) -> list[Finding]:
    """Return what is wrong; ``tools`` are the pinned ones, each with a ``reason`` that is empty where all is well."""
    judge = _Judge(_repaired_files(declaration))
    rows: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.user, cell.context), []).append(cell)
    found: list[Finding] = []
    for seen in observations:
        found += judge.about_context(seen, rows.get((seen.user.account.name, seen.context.name), []))
        found += _shadowed_tools(seen, tools)
    found += _conflicts(cells)
    for user in declaration.users:
        found += _directories(user)
    found += _tools(tools)
    return found


def _repaired_files(declaration: Declaration) -> frozenset[str]:
    """Return the files in which provisioning sets right whatever they give a declared variable."""
    files = (file for context in CONTEXTS for file in context.managed_files(declaration))
    return frozenset(file.path for file in files if file.whole or file.as_owner)


class _Judge:
    """Judges cells; ``repaired`` are the files that provisioning sets right."""

    def __init__(self, repaired: frozenset[str]) -> None:
        self._repaired = repaired

    def about_context(self, seen: Observation, row: t.Sequence[Cell]) -> t.Iterator[Finding]:
        user, context = seen.user.account.name, seen.context.name
        if seen.environment is None:
            yield Finding(rules.UNKNOWN, seen.problem, Remedy("mend what the cause names"), user, context)
            return
        differing = (cell for cell in row if cell.variable not in _OWN_RULES and cell.status in ("drift", "missing"))
        yield from map(self._differs, differing)
        cells = {cell.variable: cell for cell in row}
        yield from self._path_and_go(cells)
        go = seen.programs.get("go", [])
        # A wrong GOROOT is a finding of its own, and why go fails.
        if go and not seen.go.values and cells["GOROOT"].status != "drift":
            remedy = Remedy("mend what go names; 'GOENV=off go env' shows whether the user's own file is the cause")
            yield Finding(rules.GO_FAILS, seen.go.problem, remedy, user, context, "go", Source("file", go[0]))

    def _path_and_go(self, cells: t.Mapping[str, Cell]) -> t.Iterator[Finding]:
        path, go = cells.get("PATH"), cells.get("go")
        if go and go.status == "missing":
            yield self._finding(rules.GO_MISSING, go, f"no directory of PATH={path.actual if path else ''} has a go")
        elif go and go.status == "drift":
            cause = f"{go.actual} runs instead of {go.expected}; PATH was last set by {go.source}"
            remedy = Remedy(f"remove {go.actual}, or the line that puts its directory first")
            yield self._finding(rules.GO_SHADOWED, go, cause, remedy)
            return  # Whatever else differs is that go's own.
        if path and path.status == "drift":
            cause = f"PATH is {path.actual}, set by {path.source}; it must hold, in this order, {path.expected}"
            yield self._finding(rules.PATH_ORDER, path, cause)
        for variable, rule in (("GOROOT", rules.GOROOT_DIFFERS), ("GOVERSION", rules.GO_VERSION)):
            cell = cells[variable]
            if cell.status == "drift":
                cause = f"{variable} is {cell.actual} instead of {cell.expected}, from {cell.source}"
                yield self._finding(rule, cell, cause)

    def _differs(self, cell: Cell) -> Finding:
        state = f"is {cell.actual}, from {cell.source}," if cell.actual else "is not set"
        cause = f"{cell.variable} {state} instead of {cell.expected}"
        user = {"name": cell.user, "variables": {cell.variable: cell.actual}}
        remedy = Remedy(self._mend(cell), variables={"environment_users": [user]} if cell.actual else {})
        return self._finding(rules.DIFFERS, cell, cause, remedy)

    def _finding(self, rule: rules.Rule, cell: Cell, cause: str, remedy: Remedy | None = None) -> Finding:
        remedy = remedy or Remedy(self._mend(cell))
        return Finding(rule, cause, remedy, cell.user, cell.context, cell.variable, cell.source)

    def _mend(self, cell: Cell) -> str:
        if cell.source is None or cell.source.line is None or cell.source.file in self._repaired:
            return _CONVERGE
        return f"delete or correct {cell.source}, which provisioning leaves alone"


def _conflicts(cells: t.Sequence[Cell]) -> t.Iterator[Finding]:
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if cell.status == "conflict":
            groups.setdefault((cell.user, cell.variable), []).append(cell)
    for (user, variable), group in groups.items():
        values = "; ".join(
            f"{c.context} has {c.actual} from {c.source}" if c.actual else f"{c.context} has none" for c in group
        )
        remedy = Remedy(f"declare {variable}, so that every context gets one value")
        rarest = min(group, key=lambda cell: [c.actual for c in group].count(cell.actual))
        yield Finding(rules.CONTEXTS_DISAGREE, values, remedy, user, "", variable, rarest.source)


def _directories(user: UserEnvironment) -> t.Iterator[Finding]:
    account = user.account
    for variable, path in user.directories.items():
        source = Source("file", path)
        try:
            owner = os.stat(path).st_uid
        except OSError as error:
            cause = f"{variable}={path}: {error.strerror}"
            yield Finding(rules.DIRECTORY, cause, Remedy(_CONVERGE), account.name, "", variable, source)
            continue
        if owner != account.uid:
            place = os.path.realpath(path)
            leads = "" if place == path else f", by a link, to {place}, which"
            cause = f"{variable}={path}{leads} belongs to {_name(owner)} instead of {account.name}"
            yield Finding(rules.DIRECTORY, cause, _give_back(account, path), account.name, "", variable, source)


def _give_back(account: Account, path: str) -> Remedy:
    if os.path.realpath(path) != path:
        # A link may lead anywhere: what is safe for a cache is not for /usr.
        return Remedy("replace the link, or declare another directory")
    command = f"chown -R {shlex.quote(account.name)}: {shlex.quote(path)}"
    return Remedy(f"give the tree back to {account.name}", [command])


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _tools(tools: t.Sequence[t.Mapping[str, str]]) -> t.Iterator[Finding]:
    remedy = Remedy("provision the host again with --tags tools")
    for tool in tools:
        if tool["reason"]:
            cause = f"{tool['path']} is not {tool['package']} {tool['version']}: {tool['reason']}"
            yield Finding(rules.TOOL, cause, remedy, variable=tool["name"], source=Source("file", tool["path"]))


def _shadowed_tools(seen: Observation, tools: t.Sequence[t.Mapping[str, str]]) -> t.Iterator[Finding]:
    if not seen.context.gives_environment:
        return
    user, context = seen.user.account.name, seen.context.name
    for tool in tools:
        copies = seen.programs.get(tool["name"], [])
        if copies and not tool["reason"] and os.path.realpath(copies[0]) != os.path.realpath(tool["path"]):
            cause = f"{copies[0]} runs instead of {tool['path']}"
            remedy = Remedy(f"remove {copies[0]}, or the line that puts its directory first")
            yield Finding(rules.TOOL_SHADOWED, cause, remedy, user, context, tool["name"], Source("file", copies[0]))
