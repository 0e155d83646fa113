# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned tools as the drift report has them, judged by the same plan that ``go_tool`` carries out."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.tools.pins import TOOL_OPTIONS, Tool, declared_tools
from ansible_collections.gopherops.devserver.plugins.module_utils.tools.plan import Places, plan_tools

_TOOLS = {"type": "list", "elements": "dict", "options": TOOL_OPTIONS}


def pinned_tools(entries: t.Sequence[t.Mapping[str, t.Any]], *, goroot: str, places: Places) -> list[dict[str, str]]:
    """Return an entry of the report for each tool that the play pins; ``reason`` is empty where all is right."""
    typed = ArgumentSpecValidator({"tools": _TOOLS}).validate({"tools": entries})
    if typed.error_messages:
        raise DevserverError(
            f"the pinned tools cannot be read: {'; '.join(typed.error_messages)}",
            expected="entries as go_tool takes them",
            remedy="correct tools_list",
        )
    return [_entry(tool, places) for tool in declared_tools(typed.validated_parameters["tools"], goroot)]


def _entry(tool: Tool, places: Places) -> dict[str, str]:
    entry = {"name": tool.name, "package": tool.package, "version": tool.version}
    link = os.path.join(places.bin_dir, tool.name)
    try:
        (plan,) = plan_tools([tool], places, check=True)
    except DevserverError as error:
        return dict(entry, go="", path=link, reason=error.what)
    # Without a Go there is no telling where the tool would lie, and where only the link is wrong, that is at fault.
    path = link if plan.reason == "not linked" else plan.path or link
    return dict(entry, version=plan.wanted.tool.version, go=plan.wanted.go, path=path, reason=plan.reason)
