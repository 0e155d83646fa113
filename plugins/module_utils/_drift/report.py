# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of one host: a versioned document, and its summary."""

from __future__ import annotations

import typing as t

from .._core.provenance import Source
from .._core.redaction import presentable, secret_values
from .finding import Finding, format_time
from .snapshot import Snapshot

SCHEMA_VERSION = 1
# The version in galaxy.yml, which is not copied to the host.
COLLECTION_VERSION = "0.1.0"
_SEVERITIES = ("error", "warning", "note")
# Findings of one cause that the table lists below it; the report has more of them.
_SHOWN = 8
_HEAD = ("severity", "rule", "user", "context", "variable", "since", "where")


def report(snapshot: Snapshot, findings: t.Iterable[Finding], host: str) -> dict[str, t.Any]:
    """Return the versioned document that ``docs/drift-report.schema.json`` describes."""
    goroot = snapshot.declaration.goroot
    document = {
        "schema_version": SCHEMA_VERSION,
        "collection_version": COLLECTION_VERSION,
        "generated_at": format_time(snapshot.taken_at),
        "host": host,
        "toolchain": {"path": snapshot.real_path(goroot), "version": snapshot.goroot_version},
        "tools": [tool.result() for tool in snapshot.tools],
        "language_servers": snapshot.language_servers.results(),
        "cells": [cell.result() for cell in snapshot.cells],
        "findings": [finding.result(host) for finding in findings],
    }
    # A finding does not contain a value next to its name.
    secrets: set[str] = set().union(
        *(
            secret_values({variable: [expected, actual]})
            for variable, expected, actual in {(cell.variable, cell.expected, cell.actual) for cell in snapshot.cells}
        ),
        *(secret_values(user.variables) for user in snapshot.declaration.users),
    )
    checked: dict[str, t.Any] = presentable(document, secrets)
    return checked


def summary(document: t.Mapping[str, t.Any]) -> list[str]:
    """Return the report's findings as a table, worst first, or one line if there are none.

    The last line has the modes of the users' language servers.
    """
    modes = _modes(document["language_servers"])
    if not document["findings"]:
        return [f"no drift in {len(document['cells'])} values", *modes]
    findings = sorted(document["findings"], key=lambda finding: _SEVERITIES.index(finding["severity"]))
    rows = [_HEAD, *(_row(finding) for finding in findings)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return [
        lines[0],
        *(text for line, finding in zip(lines[1:], findings) for text in (line, *_details(finding))),
        *modes,
    ]


def _modes(servers: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Return a line such as ``language servers: daemon for alice, bob; none for root``; nothing without users."""
    users: dict[str, list[str]] = {}
    for server in servers:
        users.setdefault(server["mode"], []).append(server["user"])
    parts = [f"{mode} for {', '.join(names)}" for mode, names in users.items()]
    return [f"language servers: {'; '.join(parts)}"] if parts else []


def _row(finding: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    source = finding["source"]
    where = str(Source(**source)) if source else "-"
    context = finding["context"] or "-"
    user = finding["user"] or ", ".join(finding["users"][:_SHOWN]) or "-"
    place = (user, context, finding["variable"] or "-")
    cells = (finding["severity"], finding["rule_id"], *place, finding["since"] or "-", where)
    return tuple(map(_line, cells))


def _details(finding: t.Mapping[str, t.Any]) -> list[str]:
    remedy = finding["remedy"]
    lines = [_line(finding["cause"]), f"To fix this: {_line(remedy['text'])}"]
    lines += [f"Safe to run: {command}" for command in remedy["safe_commands"]]
    lines += _following(finding["follows"])
    return ["    " + line for line in lines]


def _following(follows: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Return one line with what follows from the cause of a finding, such as ``GD101 alice ssh GOBIN``."""
    names = ("rule_id", "user", "context", "variable")
    texts = list(dict.fromkeys(" ".join(filter(None, (entry[name] for name in names))) for entry in follows))
    more = f", and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return [f"Follows from this: {_line(', '.join(texts[:_SHOWN]))}{more}"] if texts else []


def _line(text: str) -> str:
    """Return text with line breaks escaped, as one line of a table."""
    return text.replace("\r", "\\r").replace("\n", "\\n")
