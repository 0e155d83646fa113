# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workarounds for known faults of gopls, each applied only to the versions that have the fault."""

from __future__ import annotations

import re
import typing as t

from .._core.errors import DevserverError

# The options of an entry in the play; the fields of Workaround are the same.
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
    """One fault and the ``settings``, ``environment`` variables or other version (``pin``) of gopls that avoid it.

    ``gopls`` and ``go`` (which built gopls) are the affected versions, such as ">=0.15.0 <0.15.1"; empty for all.
    """

    name: str
    reason: str
    gopls: str = ""
    go: str = ""
    settings: t.Mapping[str, t.Any] = {}
    environment: t.Mapping[str, str] = {}
    pin: str = ""

    def affects(self, gopls: str, go: str) -> bool:
        """Return whether a gopls of this version, built by this Go, has the fault."""
        return _is_within(gopls, self.gopls, self.name) and _is_within(go, self.go, self.name)


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
)


def match_workarounds(
    gopls: str, go: str, added: t.Sequence[Workaround] = ()
) -> tuple[list[Workaround], list[Workaround]]:
    """Return the entries that apply to versions such as v0.16.2 and go1.22.12, and those of ``added`` that do not.

    Raises DevserverError for bounds that cannot be parsed.
    """
    affected = [entry for entry in (*KNOWN, *added) if entry.affects(gopls, go)]
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
