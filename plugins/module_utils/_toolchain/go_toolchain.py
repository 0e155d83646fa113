# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module go_toolchain does: its options, and how it plans and applies."""

from __future__ import annotations

import os
import typing as t

from .._core.result import Outcome
from .._host.files import Changes
from .._host.records import Record, read_record, remove_record, with_record
from .install import in_use_warning, install_toolchains
from .platform import this_platform
from .removal import remove_toolchains
from .request import ToolchainRequest
from .sources import KINDS, option_of

PATHS_SPEC: dict[str, t.Any] = {
    "root": {"type": "path", "default": "/usr/local/lib/go"},
    "link": {"type": "path", "default": "/usr/local/go"},
    "bin_dir": {"type": "path", "default": "/usr/local/bin"},
}
FETCH_SPEC: dict[str, t.Any] = {
    "versions": {"type": "list", "elements": "str", "required": True},
    "default": {"type": "str"},
    "archive_dir": {"type": "path", "default": ""},
    "mirror": {"type": "str", "default": ""},
    "official": {"type": "str", "default": "https://go.dev/dl"},
    "checksums": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 60},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    **FETCH_SPEC,
    **PATHS_SPEC,
    "sources": {"type": "list", "elements": "str", "choices": list(KINDS), "default": list(KINDS)},
    "bundle_dir": {"type": "path", "default": ""},
    "goproxy": {"type": "str", "default": ""},
    "checksum_database": {"type": "str", "default": ""},
    "exclusive": {"type": "bool", "default": False},
    "absent": {"type": "list", "elements": "str", "default": []},
    "verify": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "record": {"type": "bool", "default": True},
}
_ROLE = "toolchain"


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Install the toolchains and switch to the default, or remove all of it; with ``check`` only plan it."""
    places = {name: [params[name]] for name in PATHS_SPEC}
    if params["state"] == "absent":
        return _remove(places, check=check)
    recorded = read_record(_ROLE, places)
    request = ToolchainRequest(
        versions=params["versions"],
        default=params["default"],
        root=params["root"],
        link=params["link"],
        bin_dir=params["bin_dir"],
        order=params["sources"],
        bases={source: params[option_of(source)] for source in KINDS},
        checksums=params["checksums"],
        checksum_database=params["checksum_database"],
        timeout=params["timeout"],
        exclusive=params["exclusive"],
        absent=params["absent"],
        verify=params["verify"],
        earlier_roots=recorded["root"],
        earlier_links=recorded["link"],
    )
    result = install_toolchains(request, this_platform(), check=check)
    warnings = result.pop("warnings")
    if params["record"]:
        result = with_record(result, _ROLE, places, check=check)
    return Outcome(result, warnings)


def _remove(places: Record, *, check: bool) -> Outcome:
    changes = Changes()
    in_use = remove_toolchains(read_record(_ROLE, places), changes, check=check)
    if not in_use:
        remove_record(_ROLE, changes, check=check)
    warnings = [in_use_warning(tree, processes) for tree, processes in in_use.items()]
    result = {"toolchains": [], "in_use": [os.path.basename(tree) for tree in in_use], **changes.result()}
    return Outcome(result, warnings)
