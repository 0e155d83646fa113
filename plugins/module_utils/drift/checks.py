# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what was observed by the rules of the catalogue."""

from __future__ import annotations

import os
import pwd
import shlex
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration, UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils.drift import rules
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.matrix import Cell
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.observe import Observation
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.rules import Finding, Remedy
from ansible_collections.gopherops.devserver.plugins.module_utils.go_command import executables
from ansible_collections.gopherops.devserver.plugins.module_utils.sources import Source

_CONVERGE = "provision the host again with --tags environment"
_OWN_RULES = ("PATH", "go", "GOROOT", "GOVERSION")


def findings(
    declaration: Declaration,
    observations: t.Sequence[Observation],
    cells: t.Sequence[Cell],
    tools: t.Sequence[t.Mapping[str, str]],
) -> list[Finding]:
    """Return what is wrong; ``tools`` are the pinned ones, each with a ``reason`` that is empty where all is well."""
    found: list[Finding] = []
    for seen in observations:
        found += _about_context(seen, [cell for cell in cells if _is_of(cell, seen)])
        found += _shadowed_tools(seen, tools)
    found += _conflicts(cells)
    for user in declaration.users:
        found += _directories(user)
    found += _tools(tools)
    return found


def _is_of(cell: Cell, seen: Observation) -> bool:
    return (cell.user, cell.context) == (seen.user.account.name, seen.context.name)


def _about_context(seen: Observation, row: t.Sequence[Cell]) -> t.Iterator[Finding]:
    user, context = seen.user.account.name, seen.context.name
    if seen.environment is None:
        yield Finding(rules.UNKNOWN, seen.problem, Remedy("mend what the cause names"), user, context)
        return
    by_variable = {cell.variable: cell for cell in row}
    yield from map(_differs, (c for c in row if c.variable not in _OWN_RULES and c.status in ("drift", "missing")))
    yield from _path_and_go(by_variable)
    if seen.go and not seen.answer:
        remedy = Remedy("correct the setting that go names; 'GOENV=off go env' shows whether the user's own file is it")
        yield Finding(rules.GO_FAILS, seen.go_problem, remedy, user, context, "go", Source("file", seen.go[0]))


def _path_and_go(cells: t.Mapping[str, Cell]) -> t.Iterator[Finding]:
    path, go = cells.get("PATH"), cells.get("go")
    if go and go.status == "missing":
        yield _finding(rules.GO_MISSING, go, "no directory of PATH=%s has a go" % (path.actual if path else ""))
    elif go and go.status == "drift":
        cause = f"{go.actual} runs instead of {go.expected}; PATH was last set by {go.source}"
        remedy = Remedy(f"remove {go.actual}, or the line that puts its directory first")
        yield _finding(rules.GO_SHADOWED, go, cause, remedy)
        return  # Whatever else differs is that go's own.
    if path and path.status == "drift":
        cause = f"PATH is {path.actual}, set by {path.source}; it must hold, in this order, {path.expected}"
        yield _finding(rules.PATH_ORDER, path, cause)
    for variable, rule in (("GOROOT", rules.GOROOT_DIFFERS), ("GOVERSION", rules.GO_VERSION)):
        cell = cells[variable]
        if cell.status == "drift":
            cause = f"{variable} is {cell.actual} instead of {cell.expected}, from {cell.source}"
            yield _finding(rule, cell, cause)


def _differs(cell: Cell) -> Finding:
    state = "is not set" if cell.status == "missing" else f"is {cell.actual}"
    cause = f"{cell.variable} {state} instead of {cell.expected}, from {cell.source}"
    accepted = {"environment_variables": {cell.variable: cell.actual}} if cell.actual else {}
    return _finding(rules.DIFFERS, cell, cause, Remedy(_mend(cell), variables=accepted))


def _finding(rule: rules.Rule, cell: Cell, cause: str, remedy: Remedy | None = None) -> Finding:
    return Finding(rule, cause, remedy or Remedy(_mend(cell)), cell.user, cell.context, cell.variable, cell.source)


def _mend(cell: Cell) -> str:
    """Say what mends a value: a user's own file is the user's to correct, everything else go_env writes again."""
    if cell.source.line is None or _is_managed(cell):
        return _CONVERGE
    return f"delete or correct {cell.source}: a user's own file, which provisioning leaves alone"


def _is_managed(cell: Cell) -> bool:
    return cell.context == "goenv" or (cell.source.file or "").startswith(
        ("/etc/gopherops/", "/etc/security/gopherops")
    )


def _conflicts(cells: t.Sequence[Cell]) -> t.Iterator[Finding]:
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if cell.status == "conflict":
            groups.setdefault((cell.user, cell.variable), []).append(cell)
    for (user, variable), group in groups.items():
        values = "; ".join("{} has {} from {}".format(c.context, c.actual or "nothing", c.source) for c in group)
        remedy = Remedy(f"declare {variable}, so that every context gets one value")
        rarest = min(group, key=lambda cell: [c.actual for c in group].count(cell.actual))
        yield Finding(rules.CONTEXTS_DISAGREE, values, remedy, user, "", variable, rarest.source)


def _directories(user: UserEnvironment) -> t.Iterator[Finding]:
    account = user.account
    for variable, path in user.directories.items():
        try:
            owner = os.stat(path).st_uid
        except OSError as error:
            remedy = Remedy(_CONVERGE)
            cause = f"{variable}={path}: {error.strerror}"
        else:
            if owner == account.uid:
                continue
            command = f"chown -R {shlex.quote(account.name)}: {shlex.quote(path)}"
            remedy = Remedy(f"give the tree back to {account.name}", [command])
            cause = f"{variable}={path} belongs to {_name(owner)} instead of {account.name}"
        yield Finding(rules.DIRECTORY, cause, remedy, account.name, "", variable, Source("file", path))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _tools(tools: t.Sequence[t.Mapping[str, str]]) -> t.Iterator[Finding]:
    remedy = Remedy("provision the host again with --tags tools")
    for tool in tools:
        if tool["reason"]:
            cause = "{} is not {} {}: {}".format(tool["path"], tool["package"], tool["version"], tool["reason"])
            yield Finding(rules.TOOL, cause, remedy, variable=tool["name"], source=Source("file", tool["path"]))


def _shadowed_tools(seen: Observation, tools: t.Sequence[t.Mapping[str, str]]) -> t.Iterator[Finding]:
    if not seen.context.gives_environment:
        return
    for tool in tools:
        copies = executables(tool["name"], (seen.environment or {}).get("PATH", ""))
        if copies and not tool["reason"] and os.path.realpath(copies[0]) != os.path.realpath(tool["path"]):
            yield Finding(
                rules.TOOL_SHADOWED,
                f"{copies[0]} runs instead of {tool['path']}",
                Remedy(f"remove {copies[0]}, or the line that puts its directory first"),
                seen.user.account.name,
                seen.context.name,
                tool["name"],
                Source("file", copies[0]),
            )
