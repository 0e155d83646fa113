# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One finding for each cause: the findings that follow from the same line or file are listed in it."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .._core.provenance import BUILT_IN, SET_ENVIRONMENT
from .._host.path_names import is_below
from .finding import Finding, Remedy
from .version_managers import REMOVE_MANAGER, find_manager

_SEVERITIES = ("error", "warning", "note")
# What cannot be used as a whole causes what follows from its absence: every finding at that file, and every finding of
# the users of one uid. A file that provisioning leaves alone causes those that provisioning would resolve.
_UNUSABLE_FILES = ("GD904",)
_LEFT_ALONE = "GD109"
_SHARED_UID = "GD111"
# Of a user or a variable that is not provisioned, everything that provisioning resolves.
_NOT_PROVISIONED = "GD113"
_PROVISION = "provision the host again"
# About a mount of the host: several users have the same directory there.
_OF_MOUNT = "GD308"
# Where no user controls a file: findings of several users may have one cause there.
_OF_THE_HOST = ("/etc", "/usr")


def by_cause(findings: t.Iterable[Finding], users: t.Collection[str]) -> list[Finding]:
    """Return the findings, those with one cause as one; ``users`` are all users of the declaration.

    The worst finding of a cause represents it, and the others follow from it. If the cause concerns several users, the
    finding is one of the host, and those of the users follow from it. The trace of a user's startup can claim any place
    and value: it changes no finding of anybody else.
    """
    findings = list(findings)
    shared = {user: finding for finding in findings if finding.rule.id == _SHARED_UID for user in finding.users}
    unusable = [
        finding
        for finding in findings
        if finding.rule.id in (*_UNUSABLE_FILES, _LEFT_ALONE) and finding.source and finding.source.file
    ]
    unprovisioned = {
        (user, name): finding
        for finding in findings
        if finding.rule.id == _NOT_PROVISIONED
        for user in finding.users or [finding.user]
        for name in finding.variable.split(", ")
    }
    groups: dict[t.Any, list[Finding]] = {}
    for finding in findings:
        about_uid = shared.get(finding.user, finding)
        key = _cause_of(finding, unusable)
        if about_uid.rule.id == _SHARED_UID:
            key = (_SHARED_UID, about_uid.subject)
        elif finding.rule.id == _NOT_PROVISIONED:
            key = (_NOT_PROVISIONED, id(finding))
        elif finding.remedy.text.startswith(_PROVISION):
            variable = "PATH" if finding.variable == "go" else finding.variable
            root = unprovisioned.get((finding.user, "")) or unprovisioned.get((finding.user, variable))
            key = (_NOT_PROVISIONED, id(root)) if root else key
        groups.setdefault(key, []).append(finding)
    return [_merged(part, users) for group in groups.values() for part in _parts(sorted(group, key=_rank))]


def _cause_of(finding: Finding, unusable: t.Iterable[Finding]) -> tuple[t.Any, ...]:
    source = finding.source
    for root in unusable:
        path, file = (root.source.file if root.source else None) or "", (source.file if source else None) or ""
        resolved = finding is root or finding.remedy.text.startswith(_PROVISION)
        # What is in a directory cannot be used either.
        concerns = root.user == finding.user and (file == path or is_below(file, path))
        if concerns and (resolved or root.rule.id != _LEFT_ALONE):
            return (path, root.user)
    if finding.rule.id == _OF_MOUNT:
        return (_OF_MOUNT, finding.variable, finding.cause)
    if source and source.file:
        # Different problems of one file or directory have different remedies.
        place: tuple[t.Any, ...] = (source.file, source.line or finding.remedy.text)
        of_manager = _names_manager(finding) or (source.line and finding.variable)
        if of_manager and find_manager(source.file):
            # Each variable is set at another line of its files, and one line of the user starts it.
            place = (find_manager(source.file),)
        of_host = any(is_below(source.file, directory) for directory in _OF_THE_HOST)
        return place if of_host else (*place, finding.user)
    if source == BUILT_IN:
        return (finding.rule.id, finding.variable, finding.cause)
    if source == SET_ENVIRONMENT:
        # The remedy names the manager, of all users or of one.
        return (finding.rule.id, finding.variable, finding.remedy.text)
    return (finding.rule.id, finding.user, finding.variable, finding.cause, finding.subject)


def _names_manager(finding: Finding) -> bool:
    return finding.remedy.text.startswith(REMOVE_MANAGER)


def _rank(finding: Finding) -> tuple[t.Any, ...]:
    root = finding.rule.id in (_SHARED_UID, _NOT_PROVISIONED, _LEFT_ALONE, *_UNUSABLE_FILES)
    # What a version manager sets follows from its Go.
    general = not (_names_manager(finding) and finding.variable in ("go", "GOROOT"))
    return (not root, _SEVERITIES.index(finding.rule.severity), general, finding.user != "")


def _parts(group: t.Sequence[Finding]) -> t.Iterator[list[Finding]]:
    """Yield the parts of a sorted group, each with its first finding and those of all users who have that one too."""
    rest = list(group)
    while rest:
        first = rest[0]
        users = {finding.user for finding in rest if _is_alike(finding, first)}
        yield [finding for finding in rest if not first.user or finding.user in users]
        rest = [finding for finding in rest if first.user and finding.user not in users]


def _is_alike(finding: Finding, first: Finding) -> bool:
    return (finding.rule, finding.variable, finding.remedy.text) == (first.rule, first.variable, first.remedy.text)


def _merged(group: t.Sequence[Finding], users: t.Collection[str]) -> Finding:
    first = group[0]
    affected = first.users or list(dict.fromkeys(finding.user for finding in group if finding.user))
    if len(affected) < 2 or first.users or not first.user:
        return dataclasses.replace(first, follows=tuple(group[1:]))
    everybody = set(affected) == set(users)
    alike = [finding for finding in group if _is_alike(finding, first)]
    named = "all users" if everybody else ", ".join(affected)
    # Lines of one user's own files do not concern the others.
    causes = collections.Counter(finding.cause for finding in alike)
    cause = min(causes, key=lambda cause: (-causes[cause], len(cause)))
    if len({finding.cause for finding in group}) > 1:
        cause = f"{next(finding.user for finding in alike if finding.cause == cause)} has: {cause}"
    return dataclasses.replace(
        first,
        cause=f"for {named}: {cause}",
        remedy=_remedy_for(alike, users),
        user="",
        users=affected,
        context=first.context if len({finding.context for finding in group}) == 1 else "",
        workspace="",
        follows=tuple(group),
    )


def _remedy_for(alike: t.Sequence[Finding], users: t.Collection[str]) -> Remedy:
    """Return the remedy for several users: commands that help all of them, and the play variables of each.

    A variable is proposed for all ``users`` only if each has it with one and the same value.
    """
    first = alike[0].remedy
    proposed = [entry for finding in alike for entry in finding.remedy.variables.get("devserver_users", ())]
    entries: dict[str, dict[str, t.Any]] = {}
    for entry in proposed:
        entries.setdefault(entry["name"], entry)
    variables = dict(first.variables, devserver_users=list(entries.values())) if entries else first.variables
    values = [entry["variables"] for entry in proposed]
    if values and set(entries) == set(users) and all(value == values[0] for value in values):
        variables = {"devserver_variables": values[0]}
    commands = first.commands if all(finding.remedy.commands == first.commands for finding in alike) else ()
    return dataclasses.replace(first, commands=commands, variables=variables)
