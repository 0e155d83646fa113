# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known faults of gopls and dlv with their workarounds, each applied only to the versions that have the fault."""

from __future__ import annotations

import re
import typing as t

from .._core.errors import DevserverError

# The options of an entry in the play; fields of Workaround have the same names.
ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "reason": {"type": "str", "required": True},
    "gopls": {"type": "str", "default": ""},
    "go": {"type": "str", "default": ""},
    "settings": {"type": "dict", "default": {}},
    "environment": {"type": "dict", "default": {}, "no_log": True},
    "pin": {"type": "str", "default": ""},
}

_BOUNDS = re.compile(r"(>=|<)?\s*v?(\d+(?:\.\d+)*)\Z")


class Workaround(t.NamedTuple):
    """One fault and the ``settings``, ``environment`` variables or other version (``pin``) that avoid it.

    ``gopls`` and ``go`` (which built the tool) are the affected versions, such as ">=0.15.0 <0.15.1"; empty for all.
    With ``dlv`` it is a fault of that tool.
    """

    name: str
    reason: str
    gopls: str = ""
    go: str = ""
    settings: t.Mapping[str, t.Any] = {}
    environment: t.Mapping[str, str] = {}
    pin: str = ""
    dlv: str = ""

    def affects(self, tool: str, version: str, go: str) -> bool:
        """Return whether this version of gopls or dlv, built by this Go, has the fault."""
        if tool != ("dlv" if self.dlv else "gopls"):
            return False
        return _is_within(version, self.dlv or self.gopls, self.name) and _is_within(go, self.go, self.name)

    @property
    def advice(self) -> str:
        """The fault, and which other version to use."""
        return f"{self.reason}: use {self.pin}"


# Each reason names the public report of the fault.
KNOWN = (
    Workaround(
        "analysis-crash-0.12",
        "gopls 0.12.0 to 0.12.3 exits during analysis (github.com/golang/vscode-go/issues/2847)",
        gopls=">=0.12.0 <0.12.4",
        pin="v0.12.4",
    ),
    Workaround(
        "highlight-crash-0.15.0",
        "gopls 0.15.0 crashes when an editor highlights return values (github.com/golang/vscode-go/issues/3194)",
        gopls=">=0.15.0 <0.15.1",
        pin="v0.15.3",
    ),
    Workaround(
        "patch-version-panic",
        "gopls built by a Go before 1.21 panics on a go.mod that names a patch release (go.dev/issue/66636)",
        gopls=">=0.15.0 <0.16.0",
        go="<1.21",
        pin="a gopls that Go 1.21 or later builds",
    ),
    Workaround(
        "type-aliases-before-0.16",
        "gopls before 0.16 does not know the aliases that Go 1.23's type checker makes (go.dev/issue/67549)",
        gopls="<0.16.0",
        go=">=1.23",
        environment={"GODEBUG": "gotypesalias=0"},
    ),
    Workaround(
        "range-over-integer-crash-1.22.5",
        "gopls built by Go 1.22.5 crashes where code ranges over an integer with two variables (go.dev/issue/68334)",
        go="1.22.5",
        pin="a gopls that Go 1.22.6 or later builds",
    ),
    Workaround(
        "many-connections-before-1.22.1",
        "dlv before 1.22.1 rejects its own user on a host with 10,000 TCP connections"
        " (github.com/go-delve/delve/pull/3660)",
        dlv="<1.22.1",
        pin="dlv v1.22.1 or later",
    ),
    Workaround(
        "range-over-func-1.23.0",
        "dlv 1.23.0 steps wrongly in loops over functions (github.com/go-delve/delve/pull/3808)",
        dlv=">=1.23.0 <1.23.1",
        go=">=1.23",
        pin="dlv v1.23.1 or later",
    ),
    Workaround(
        "race-crash-1.26.0",
        "programs that Go 1.26.0 builds for a debugger with -race crash at their start (go.dev/issue/77597)",
        dlv=">=1.0",
        go="1.26.0",
        pin="a later release of Go 1.26",
    ),
)


def match_workarounds(
    tool: str, version: str, go: str, added: t.Sequence[Workaround] = ()
) -> tuple[list[Workaround], list[Workaround]]:
    """Return the entries for a tool's version such as v0.16.2 and go1.22.12, and those of ``added`` that do not apply.

    Raises DevserverError for bounds that cannot be parsed.
    """
    affected = [entry for entry in (*KNOWN, *added) if entry.affects(tool, version, go)]
    return affected, [entry for entry in added if entry not in affected]


def _is_within(version: str, bounds: str, name: str) -> bool:
    numbers = _parse_numbers(version)
    for word in bounds.split():
        match = _BOUNDS.match(word)
        if not match:
            raise DevserverError(
                f"workaround {name} must have version bounds such as '>=0.15.0 <0.15.1' or one version, got {bounds!r}",
                remedy=f"correct gopls or go of {name} in devserver_gopls_workarounds",
            )
        if not _satisfies(numbers, match.group(1) or "", _parse_numbers(match.group(2))):
            return False
    return True


def _satisfies(version: tuple[int, ...], comparison: str, bound: tuple[int, ...]) -> bool:
    if comparison == ">=":
        return version >= bound
    return version < bound if comparison == "<" else version[: len(bound)] == bound


def _parse_numbers(version: str) -> tuple[int, ...]:
    match = re.search(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, match.group().split("."))) if match else ()
