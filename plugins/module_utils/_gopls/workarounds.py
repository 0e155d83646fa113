# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data and its use: what helps against a known fault of some versions, for as long as those are in use."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError

# The options of an entry that the play adds; those below have the same.
ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "reason": {"type": "str", "required": True},
    "gopls": {"type": "str", "default": ""},
    "go": {"type": "str", "default": ""},
    "settings": {"type": "dict", "default": {}},
    "environment": {"type": "dict", "default": {}},
    "pin": {"type": "str", "default": ""},
}

_BOUNDS = re.compile(r"(>=|<)?\s*v?(\d+(?:\.\d+)*)\Z")


class WorkAround(t.NamedTuple):
    """``gopls`` and ``go`` are the affected versions, such as ">=0.15.0 <0.15.1", empty for all; ``go`` built it.

    What helps is ``settings`` of gopls, variables of its ``environment``, or another version, the ``pin``.
    """

    name: str
    reason: str
    gopls: str = ""
    go: str = ""
    settings: t.Mapping[str, t.Any] = {}
    environment: t.Mapping[str, str] = {}
    pin: str = ""

    def affects(self, gopls: str, go: str) -> bool:
        """Return whether a gopls of that version, built by that Go, has the fault."""
        return _within(gopls, self.gopls, self.name) and _within(go, self.go, self.name)


# Each says where the fault is described.
KNOWN = (
    WorkAround(
        "analysis-crash-0.12",
        "gopls 0.12.0 to 0.12.3 ends itself in analysis (github.com/golang/vscode-go/issues/2847)",
        gopls=">=0.12.0 <0.12.4",
        pin="v0.12.4",
    ),
    WorkAround(
        "highlight-crash-0.15.0",
        "gopls 0.15.0 crashes where return values are highlighted (github.com/golang/vscode-go/issues/3194)",
        gopls=">=0.15.0 <0.15.1",
        pin="v0.15.3",
    ),
    WorkAround(
        "patch-version-panic",
        "gopls built by a Go before 1.21 panics at a go.mod that names a patch release (go.dev/issue/66636)",
        gopls=">=0.15.0 <0.16.0",
        go="<1.21",
        pin="a gopls that Go 1.21 or later builds",
    ),
    WorkAround(
        "type-aliases-before-0.16",
        "gopls before 0.16 does not know the aliases that Go 1.23's type checker makes (go.dev/issue/67549)",
        gopls="<0.16.0",
        go=">=1.23",
        environment={"GODEBUG": "gotypesalias=0"},
    ),
)


def matching(gopls: str, go: str, added: t.Sequence[WorkAround] = ()) -> tuple[list[WorkAround], list[WorkAround]]:
    """Return those that match versions such as v0.16.2 and go1.22.12, and those of ``added`` that no longer do.

    Raises DevserverError for bounds that cannot be read.
    """
    affected = [entry for entry in (*KNOWN, *added) if entry.affects(gopls, go)]
    return affected, [entry for entry in added if entry not in affected]


def _within(version: str, bounds: str, name: str) -> bool:
    found = _numbers(version)
    for word in bounds.split():
        match = _BOUNDS.match(word)
        if not match:
            raise DevserverError(
                f"work-around {name}: {bounds!r} are no bounds of versions",
                expected='words such as ">=0.15.0 <0.15.1", or one version',
                remedy="correct language_server_workarounds",
            )
        if not _holds(match.group(1) or "", found, _numbers(match.group(2))):
            return False
    return True


def _holds(comparison: str, found: tuple[int, ...], bound: tuple[int, ...]) -> bool:
    if comparison == ">=":
        return found >= bound
    return found < bound if comparison == "<" else found[: len(bound)] == bound


def _numbers(version: str) -> tuple[int, ...]:
    match = re.search(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, match.group().split("."))) if match else ()
