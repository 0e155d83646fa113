# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about files of administrators that change rendered units."""

from __future__ import annotations

import shlex

from ..._systemd.unit_state import Override
from ..finding import Finding, Remedy, Rule


def of_override(rule: Rule, unit: str, override: Override, user: str = "") -> Finding:
    """Return the finding about a directive of a drop-in, or about a file in the place of the rendered unit."""
    source = override.source
    problem = f"has {override.directive}" if override.directive else f"is {source.file}"
    action = f"remove {'the line ' if override.directive else ''}{source}"
    remedy = Remedy(f"{action}, run systemctl daemon-reload, and restart {shlex.quote(unit)}")
    cause = f"{unit} {problem}, which provisioning has not rendered"
    variable = override.directive.partition("=")[0].strip()
    return Finding(rule, cause, remedy, user, variable=variable, source=source, subject=f"{unit} {source}")
