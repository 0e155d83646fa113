# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of drift rules. Identifiers are stable: a rule may go, its number is not given to another."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils.redaction import credentials, redacted


@dataclasses.dataclass(frozen=True)
class Rule:
    """What can be found: ``severity`` is note, warning or error, ``impact`` is what it does to people's work."""

    id: str
    severity: str
    title: str
    impact: str


@dataclasses.dataclass(frozen=True)
class Remedy:
    """``commands`` are safe to run as they are; ``variables`` are play variables that accept the state instead."""

    text: str
    commands: t.Sequence[str] = ()
    variables: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One rule that a host breaks; empty strings stand where a user, context or variable does not apply."""

    rule: Rule
    cause: str
    remedy: Remedy
    user: str = ""
    context: str = ""
    variable: str = ""
    source: Source | None = None

    def result(self, host: str) -> dict[str, t.Any]:
        """Return the finding as the report has it; its fingerprint holds no value and no line, so it survives edits."""
        identity = "\0".join((self.rule.id, host, self.user, self.context, self.variable))
        return {
            "rule_id": self.rule.id,
            "severity": self.rule.severity,
            "title": self.rule.title,
            "user": self.user,
            "context": self.context,
            "variable": self.variable,
            "cause": redacted(self.cause),
            "impact": self.rule.impact,
            "source": self.source and self.source._asdict(),
            "remedy": {
                "text": redacted(self.remedy.text),
                "safe_commands": list(self.remedy.commands),
                "vars": self.remedy.variables if not credentials(str(self.remedy.variables)) else {},
            },
            "fingerprint": hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:32],
        }


DIFFERS = Rule(
    "GD101", "error", "A value differs from the declaration", "Go works with other paths or settings than elsewhere."
)
CONTEXTS_DISAGREE = Rule(
    "GD102",
    "warning",
    "Contexts disagree on a value that is not declared",
    "The same command gives other results in an editor, a terminal and a service.",
)
PATH_ORDER = Rule(
    "GD103",
    "error",
    "PATH lacks a declared directory, or has it in another order",
    "Commands are not found, or others than the pinned ones run.",
)
GO_MISSING = Rule("GD201", "error", "No go on PATH", "Nothing can be built, and editors report a missing Go.")
GO_SHADOWED = Rule(
    "GD202", "error", "Another go comes first on PATH", "Builds use a Go that nobody declared, with its own GOROOT."
)
GO_VERSION = Rule("GD203", "error", "The go that runs has another version", "Builds differ from those elsewhere.")
GOROOT_DIFFERS = Rule(
    "GD204", "error", "GOROOT points elsewhere", "The compiler and the standard library may not fit: builds fail."
)
GO_FAILS = Rule("GD205", "error", "go does not answer", "Every go command fails in this context.")
DIRECTORY = Rule(
    "GD301", "error", "A directory of Go is missing or belongs to somebody else", "Downloads, builds or installs fail."
)
TOOL = Rule("GD401", "error", "A tool is not the pinned build", "Editors and debuggers behave differently or fail.")
TOOL_SHADOWED = Rule(
    "GD402", "warning", "Another copy of a tool comes first on PATH", "Another build than the pinned one runs."
)
UNKNOWN = Rule("GD901", "warning", "A context could not be asked", "Nothing is known about what processes get there.")

RULES = (
    DIFFERS,
    CONTEXTS_DISAGREE,
    PATH_ORDER,
    GO_MISSING,
    GO_SHADOWED,
    GO_VERSION,
    GOROOT_DIFFERS,
    GO_FAILS,
    DIRECTORY,
    TOOL,
    TOOL_SHADOWED,
    UNKNOWN,
)
