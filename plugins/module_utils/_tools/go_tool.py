# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module go_tool does: its options, and how it plans and applies."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import this_platform
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.releases import exact
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.install import Delivery, install_tools
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.pins import TOOL_OPTIONS, declared_tools
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.plan import Places
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.support import reservation

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
    # As Delivery has it. Without it every host builds.
    "_delivery": {"type": "dict"},
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Build and link the tools; with ``check`` only plan it."""
    if params["timeout"] <= 0:
        raise DevserverError(
            f"timeout is {params['timeout']}",
            expected="a number of seconds above 0",
            remedy="correct devserver_tools_timeout (timeout)",
        )
    outcome = install_tools(
        declared_tools(params["tools"], params["goroot"]),
        Places(params["root"], params["bin_dir"], params["user_bin_dir"]),
        goproxy=params["goproxy"],
        build_user=params["build_user"],
        timeout=params["timeout"],
        check=check,
        delivery=Delivery(**params["_delivery"] or {}),
        verify=params["verify"],
        coming={params["goroot"]: exact(params["go_version"], this_platform().archive)},
    )
    if outcome.wanted:
        return Outcome({"changed": False, "wanted": outcome.wanted})
    shared = {"shared": outcome.built} if params["_delivery"] else {}
    result = {"tools": outcome.tools, **outcome.changes.result(), **shared}
    return Outcome(result, [text for tool in outcome.tools for text in _warnings(tool)])


def _warnings(tool: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for moved in tool["replaced"]:
        yield f"in the place of the link to {tool['name']} was a file: it goes to {moved}"
    problem = reservation(tool["package"], tool["version"], tool["go"])
    if problem:
        yield problem
