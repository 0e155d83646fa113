# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of drift rules. Each family declares its rules, as constants, beside the code that evaluates them.

Rules are pure functions of the snapshot: they read nothing from the host.
"""

from __future__ import annotations

from ..finding import Finding, Rule
from ..snapshot import Snapshot
from . import (
    building,
    debugger,
    directories,
    editor,
    go,
    language_server,
    modules,
    rights,
    settings_file,
    startup,
    tools,
    values,
)

_OF_ENVIRONMENTS = (values, rights, go, directories, tools, modules, building, startup, editor, settings_file)
_FAMILIES = (*_OF_ENVIRONMENTS, language_server, debugger)


def _number(rule: Rule) -> int:
    """Return the sort key of a rule: later families have four digits."""
    return int(rule.id[2:])


_DECLARED = (value for family in _FAMILIES for value in vars(family).values() if isinstance(value, Rule))
RULES: tuple[Rule, ...] = tuple(sorted(_DECLARED, key=_number))


def evaluate(snapshot: Snapshot) -> list[Finding]:
    """Return the findings of all rules, by rule and user."""
    findings = [finding for family in _FAMILIES for finding in family.evaluate(snapshot)]
    return sorted(findings, key=lambda finding: (_number(finding.rule), finding.user))
