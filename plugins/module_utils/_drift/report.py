# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the report of one host."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import printable
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.cells import cells
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.editor_settings import files_of
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.language_servers import look
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.observations import observe
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import moment
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import (
    NO_DEBUGGERS,
    NO_GOPLS,
    Debuggers,
    Gopls,
    LanguageServers,
    PinnedTool,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import findings
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import pam
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import this_platform
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.releases import exact

SCHEMA_VERSION = 1
# That of galaxy.yml, which the host does not have.
COLLECTION_VERSION = "0.1.0"
_SEVERITIES = ("error", "warning", "note")
_HEAD = ("severity", "rule", "user", "context", "variable", "since", "where")


def report(
    declaration: Declaration,
    *,
    host: str,
    go_version: str,
    tools: t.Sequence[PinnedTool],
    timeout: float,
    go_minimum: str = "",
    gopls: Gopls = NO_GOPLS,
    crash_days: float = 7,
    debuggers: Debuggers = NO_DEBUGGERS,
) -> dict[str, t.Any]:
    """Return the versioned document that ``docs/drift-report.schema.json`` describes. Changes nothing on the host.

    A failure of a language server is told for ``crash_days``.

    Raises DevserverError where ``go_minimum`` is no version.
    """
    observations = observe(declaration, [tool.name for tool in tools], timeout=timeout)
    matrix = cells(declaration, observations, exact(go_version, this_platform().archive))
    servers = LanguageServers(look(declaration.users), gopls, crash_days)
    files = files_of(observations)
    snapshot = Snapshot(
        declaration, observations, matrix, tools, files, go_minimum, servers, debuggers, host_path=pam.host_path()
    )
    found = findings(snapshot)
    document = {
        "schema_version": SCHEMA_VERSION,
        "collection_version": COLLECTION_VERSION,
        "generated_at": moment(time.time()),
        "host": host,
        "toolchain": {"path": os.path.realpath(declaration.goroot), "version": _installed(declaration.goroot)},
        "tools": [tool.result() for tool in tools],
        "language_servers": servers.results(),
        "cells": [cell.result() for cell in matrix],
        "findings": [finding.result(host) for finding in found],
    }
    checked: dict[str, t.Any] = printable(document)
    return checked


def summary(document: t.Mapping[str, t.Any]) -> list[str]:
    """Return the report's findings as a table for people, worst first; one line that says so where there are none.

    The last line says how the users' language servers run.
    """
    modes = _modes(document["language_servers"])
    if not document["findings"]:
        return [f"no drift in {len(document['cells'])} values", *modes]
    found = sorted(document["findings"], key=lambda finding: _SEVERITIES.index(finding["severity"]))
    rows = [_HEAD, *(_row(finding) for finding in found)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return [lines[0], *(text for line, finding in zip(lines[1:], found) for text in (line, *_told(finding))), *modes]


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
    place = (finding["user"] or "-", context, finding["variable"] or "-")
    cells = (finding["severity"], finding["rule_id"], *place, finding["since"] or "-", where)
    return tuple(map(_line, cells))


def _told(finding: t.Mapping[str, t.Any]) -> list[str]:
    remedy = finding["remedy"]
    lines = [_line(finding["cause"]), f"To fix this: {_line(remedy['text'])}"]
    lines += [f"Safe to run: {command}" for command in remedy["safe_commands"]]
    return ["    " + line for line in lines]


def _line(text: str) -> str:
    """Return text that may hold a value of several lines as one line of a table."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _installed(goroot: str) -> str:
    """Return the version in GOROOT's VERSION file (first line ``go1.22.12``), empty where there is none."""
    first = (read_text(os.path.join(goroot, "VERSION")) or "").split("\n")[0].strip()
    return first[2:] if first.startswith("go") else ""
