# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about files of administrators that change rendered units, and about edits of the rendered files."""

from __future__ import annotations

import shlex

from ..._systemd.unit_state import Override
from ..finding import Finding, Remedy, Rule


def of_override(rule: Rule, unit: str, override: Override, role: str, user: str = "") -> Finding:
    """Return the finding about a directive, or about a file in the place of the rendered unit; ``role`` renders it."""
    source = override.source
    problem = f"has {override.directive}" if override.directive else f"is {source.file}"
    cause = f"{unit} {problem}, which provisioning has not rendered"
    action = f"remove {'the line ' if override.directive else ''}{source}"
    remedy = Remedy(f"{action}, run systemctl daemon-reload, and restart {shlex.quote(unit)}")
    if override.edited:
        remedy = Remedy(f"provision the host again with --tags {role}")
        if not override.directive:
            cause = f"{unit} lacks a line that provisioning has rendered, after {source}"
    variable = override.directive.partition("=")[0].strip()
    return Finding(rule, cause, remedy, user, variable=variable, source=source, subject=f"{unit} {source}")
