# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned tools as the drift report has them, judged by the same plan that ``go_tool`` carries out."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.tools.pins import declared_tools
from ansible_collections.gopherops.devserver.plugins.module_utils.tools.plan import Places, plan_tools


def pinned_tools(entries: t.Sequence[t.Mapping[str, t.Any]], *, goroot: str, places: Places) -> list[dict[str, str]]:
    """Return an entry of the report for each tool that the play pins; ``reason`` is empty where all is right."""
    complete = [dict({"package": "", "version": ""}, **entry) for entry in entries]
    plans = plan_tools(declared_tools(complete, goroot), places, check=True)
    return [_entry(plan.result(check=True)) for plan in plans]


def _entry(tool: t.Mapping[str, str]) -> dict[str, str]:
    # Without a Go there is no telling where the tool would lie: what is linked is what runs.
    entry = {name: tool[name] for name in ("name", "package", "version", "go", "reason")}
    return dict(entry, path=tool["path"] or tool["link"])
