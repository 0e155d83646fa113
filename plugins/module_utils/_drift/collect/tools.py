# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned tools as the drift report has them, judged by the same plan that ``go_tool`` carries out."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import PinnedTool
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.pins import TOOL_OPTIONS, Tool, declared_tools
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.plan import Places, plan_tools
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.support import reservation

_TOOLS = {"type": "list", "elements": "dict", "options": TOOL_OPTIONS}


def pinned_tools(entries: t.Sequence[t.Mapping[str, t.Any]], *, goroot: str, places: Places) -> list[PinnedTool]:
    """Return each tool that the play pins, with what is wrong with it."""
    typed = ArgumentSpecValidator({"tools": _TOOLS}).validate({"tools": entries})
    if typed.error_messages:
        raise DevserverError(
            f"the pinned tools cannot be read: {'; '.join(typed.error_messages)}",
            expected="entries as go_tool takes them",
            remedy="correct tools_list",
        )
    return [_pinned(tool, places) for tool in declared_tools(typed.validated_parameters["tools"], goroot)]


def _pinned(tool: Tool, places: Places) -> PinnedTool:
    found = PinnedTool(
        tool.name, tool.package, tool.version, "", os.path.join(places.bin_dir, tool.name), "", tool.users
    )
    try:
        (plan,) = plan_tools([tool], places, check=True, verify=True)
    except DevserverError as error:
        return found._replace(reason=error.what)
    wanted, links = plan.wanted, [link.path for link in plan.links]
    amiss = [link.path for link in plan.links if link.pending]
    return found._replace(
        version=wanted.tool.version,
        go=wanted.go,
        # Without a Go there is no telling where the tool would lie, and where only a link is wrong, that is at fault.
        path=amiss[0] if plan.reason == "not linked" else plan.path or links[0],
        reason=plan.reason,
        reservation="" if tool.force else reservation(tool.package, wanted.tool.version, wanted.go),
    )
