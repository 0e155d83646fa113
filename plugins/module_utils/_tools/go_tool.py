# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module go_tool: its options, and how it plans and applies."""

from __future__ import annotations

import typing as t

from .._core.result import Outcome
from .._host.files import Changes
from .._host.lock import find_holder, lock_file
from .._host.records import Record, read_record, remove_record, with_record
from .._host.skipped_files import find_failure, split_skipped
from .._toolchain.platform import this_platform
from .._toolchain.releases import resolve_minor
from .install import BuildSharing, ToolRequest, install_tools
from .pins import TOOL_OPTIONS, parse_absent_tools, parse_tools
from .plan import ToolPaths
from .removal import Removals, remove_some_tools, remove_tools
from .support import incompatibility

_ROLE = "tools"
_PLACES = ("root", "bin_dir", "user_bin_dir")

ARGUMENT_SPEC: dict[str, t.Any] = {
    "tools": {"type": "list", "elements": "dict", "required": True, "options": TOOL_OPTIONS},
    "root": {"type": "path", "default": "/usr/local/lib/go-tools"},
    "bin_dir": {"type": "path", "default": "/usr/local/bin"},
    "user_bin_dir": {"type": "str", "default": "go/bin"},
    "goroot": {"type": "path", "default": "/usr/local/go"},
    "go_version": {"type": "str", "default": ""},
    "goproxy": {"type": "str", "default": ""},
    "build_user": {"type": "str", "default": "nobody"},
    "delivery": {"type": "str", "choices": ["copy", "build"], "default": "copy"},
    "cache_dir": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 900},
    "verify": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "record": {"type": "bool", "default": True},
    "exclusive": {"type": "bool", "default": False},
    # The fields of BuildSharing. Without it every host builds.
    "_delivery": {"type": "dict"},
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Build and link the tools, or remove all of them; with ``check`` only plan it."""
    places = {kind: [params[kind]] for kind in _PLACES}
    places["users"] = sorted({user for entry in params["tools"] for user in entry.get("users") or []})
    if params["state"] == "absent":
        return _remove(places, timeout=params["timeout"], check=check)
    recorded = read_record(_ROLE, places)
    request = ToolRequest(
        tools=parse_tools(params["tools"], params["goroot"]),
        paths=ToolPaths(params["root"], params["bin_dir"], params["user_bin_dir"], recorded["root"]),
        goproxy=params["goproxy"],
        build_user=params["build_user"],
        timeout=params["timeout"],
        planned_versions={params["goroot"]: resolve_minor(params["go_version"], this_platform().archive)},
        verify=params["verify"],
    )
    installed = install_tools(request, BuildSharing(**params["_delivery"] or {}), check=check)
    if installed.missing:
        return Outcome(
            {"changed": False, "missing": installed.missing, "lock_holder": find_holder(lock_file(params["root"]))}
        )
    shared = {"shared": installed.built} if params["_delivery"] else {}
    removals = Removals(request.tools, parse_absent_tools(params["tools"]), params["exclusive"])
    changes = installed.changes
    unfinished = remove_some_tools(removals, recorded, changes, check=check)
    skipped, about_others = split_skipped([*installed.skipped, *unfinished], places["users"])
    files = [entry._asdict() for entry in skipped]
    result = {"tools": installed.tools, "skipped_files": files, **changes.result(), **shared}
    if params["record"]:
        result = with_record(result, _ROLE, places, check=check)
    warnings = [warning for tool in installed.tools for warning in _warnings(tool)]
    return Outcome(result, [*warnings, *about_others], find_failure(skipped))


def _remove(places: Record, *, timeout: float, check: bool) -> Outcome:
    changes = Changes()
    skipped = remove_tools(read_record(_ROLE, places), changes, timeout=timeout, check=check)
    if not skipped:
        remove_record(_ROLE, changes, check=check)
    result = {"tools": [], "skipped_files": [entry._asdict() for entry in skipped], **changes.result()}
    return Outcome(result, [], find_failure(skipped))


def _warnings(tool: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for path in tool["replaced"]:
        yield f"what was in the place of the link to {tool['name']} is moved to {path}; a removal restores it"
    problem = incompatibility(tool["package"], tool["version"], tool["go"])
    if problem:
        yield problem
