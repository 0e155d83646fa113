# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of drift rules: each family declares its rules beside the code that finds them."""

from __future__ import annotations

from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Rule
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import (
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
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Snapshot

_OF_ENVIRONMENTS = (values, rights, go, directories, tools, modules, building, startup, editor, settings_file)
_FAMILIES = (*_OF_ENVIRONMENTS, language_server, debugger)


def _number(rule: Rule) -> int:
    """Return what rules are put in order by: those of the later families have four digits."""
    return int(rule.id[2:])


RULES: tuple[Rule, ...] = tuple(sorted((rule for family in _FAMILIES for rule in family.RULES), key=_number))


def findings(snapshot: Snapshot) -> list[Finding]:
    """Return what is wrong, by rule and user.

    Raises DevserverError where the snapshot's ``go_minimum`` is no version.
    """
    found = [finding for family in _FAMILIES for finding in family.findings(snapshot)]
    return sorted(found, key=lambda finding: (_number(finding.rule), finding.user))
