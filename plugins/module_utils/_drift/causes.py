# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One finding for each cause: the findings that follow from the same line or file are listed in it."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.provenance import BUILT_IN, SET_ENVIRONMENT
from .._host.path_names import is_below
from .finding import Finding, Remedy

_SEVERITIES = ("error", "warning", "note")
# What cannot be used as a whole causes what follows from its absence: every finding at that file, and every finding of
# the users of one uid.
_UNUSABLE_FILES = ("GD904",)
_SHARED_UID = "GD111"
# Of a user who is not provisioned, everything that provisioning resolves.
_NOT_PROVISIONED = "GD113"
_PROVISION = "provision the host again"


def by_cause(findings: t.Iterable[Finding], users: t.Collection[str]) -> list[Finding]:
    """Return the findings, those with one cause as one; ``users`` are all users of the declaration.

    The worst finding of a cause represents it, and the others follow from it. If the cause concerns several users, the
    finding is one of the host, and those of the users follow from it.
    """
    findings = list(findings)
    shared = {user: finding for finding in findings if finding.rule.id == _SHARED_UID for user in finding.users}
    unusable = [
        (finding.user, finding.source.file)
        for finding in findings
        if finding.rule.id in _UNUSABLE_FILES and finding.source and finding.source.file
    ]
    unprovisioned = {finding.user for finding in findings if finding.rule.id == _NOT_PROVISIONED}
    groups: dict[t.Any, list[Finding]] = {}
    for finding in findings:
        about_uid = shared.get(finding.user, finding)
        key = _cause_of(finding, unusable)
        if about_uid.rule.id == _SHARED_UID:
            key = (_SHARED_UID, about_uid.subject)
        elif finding.user in unprovisioned and finding.remedy.text.startswith(_PROVISION):
            key = (_NOT_PROVISIONED, finding.user)
        groups.setdefault(key, []).append(finding)
    return [_merged(sorted(group, key=_rank), users) for group in groups.values()]


def _cause_of(finding: Finding, unusable: t.Iterable[tuple[str, str]]) -> tuple[t.Any, ...]:
    source = finding.source
    for user, path in unusable if source and source.file else ():
        # What is in a directory cannot be used either.
        if source and source.file and user == finding.user and (source.file == path or is_below(source.file, path)):
            return (path, user)
    if source and source.file and source.line:
        return (source.file, source.line)
    if source and source.file:
        # Different problems of one file or directory have different remedies.
        return (source.file, finding.remedy.text)
    if source == BUILT_IN:
        return (finding.rule.id, finding.variable, finding.cause)
    if source == SET_ENVIRONMENT:
        # The remedy names the manager, of all users or of one.
        return (finding.rule.id, finding.variable, finding.remedy.text)
    return (finding.rule.id, finding.user, finding.variable, finding.cause, finding.subject)


def _rank(finding: Finding) -> tuple[t.Any, ...]:
    root = finding.rule.id in (_SHARED_UID, _NOT_PROVISIONED, *_UNUSABLE_FILES)
    return (not root, _SEVERITIES.index(finding.rule.severity), finding.user != "")


def _merged(group: t.Sequence[Finding], users: t.Collection[str]) -> Finding:
    first = group[0]
    affected = first.users or list(dict.fromkeys(finding.user for finding in group if finding.user))
    if len(affected) < 2 or first.users or not first.user:
        return dataclasses.replace(first, follows=tuple(group[1:]))
    everybody = set(affected) == set(users)
    alike = [finding for finding in group if (finding.rule, finding.variable) == (first.rule, first.variable)]
    named = "all users" if everybody else ", ".join(affected)
    cause = first.cause if len({finding.cause for finding in group}) == 1 else f"{first.user} has: {first.cause}"
    return dataclasses.replace(
        first,
        cause=f"for {named}: {cause}",
        remedy=_remedy_for(alike, everybody=everybody),
        user="",
        users=affected,
        context=first.context if len({finding.context for finding in group}) == 1 else "",
        workspace="",
        follows=tuple(group),
    )


def _remedy_for(alike: t.Sequence[Finding], *, everybody: bool) -> Remedy:
    """Return the remedy for several users: commands that help all of them, and the play variables of each."""
    first = alike[0].remedy
    entries: dict[str, dict[str, t.Any]] = {}
    for finding in alike:
        for entry in finding.remedy.variables.get("devserver_users", ()):
            entries.setdefault(entry["name"], entry)
    variables = dict(first.variables, devserver_users=list(entries.values())) if entries else first.variables
    values = [entry["variables"] for entry in entries.values()]
    if everybody and values and all(value == values[0] for value in values):
        variables = {"devserver_variables": values[0]}
    commands = first.commands if all(finding.remedy.commands == first.commands for finding in alike) else ()
    return dataclasses.replace(first, commands=commands, variables=variables)
