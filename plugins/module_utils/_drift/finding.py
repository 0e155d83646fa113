# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules, findings and remedies."""

from __future__ import annotations

import dataclasses
import hashlib
import shlex
import time
import typing as t

from .._core.provenance import Source
from .._core.redaction import without_secrets
from .._host.accounts import Account

# The last second of the year 9999.
_LATEST = 253402300799


def format_time(seconds: float) -> str:
    """Return a time of the epoch in the format of reports: 2026-01-31T12:00:00Z.

    The format has no years from 10000 on; a user may have given a file such a date.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(max(seconds, 0), _LATEST)))


def as_user(account: Account, *argv: str) -> str:
    """Return a command for root's shell that runs ``argv`` with the rights of ``account`` alone.

    Each safe command for a user's directory is made here: before it runs, the user may replace a directory on its path
    by a link.
    """
    return " ".join(map(shlex.quote, ("runuser", "-u", account.name, "--", *argv)))


def convert_line_endings(path: str) -> str:
    """Return the action for a file with CR LF line endings."""
    return f"convert {path} to LF line endings, by sed -i 's/\\r$//'"


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule: ``severity`` is note, warning or error, ``impact`` the effect on the work of developers.

    The rest is for its page in the documentation: ``why`` has causes and what is evaluated, ``fix`` the action, and
    ``example`` the cause of a finding. Identifiers are stable: the number of a removed rule is not used again.
    """

    id: str
    severity: str
    title: str
    impact: str
    why: str
    fix: str
    example: str


@dataclasses.dataclass(frozen=True)
class Remedy:
    """An action. ``commands`` are safe to run as they are.

    ``variables`` are play variables that resolve the finding with the next provisioning.
    """

    text: str
    commands: t.Sequence[str] = ()
    variables: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


def propose_value(text: str, variable: str, value: str, user: str = "") -> Remedy:
    """Return a remedy that the declaration of a variable resolves too, for one user or for all."""
    variables = {variable: value}
    user_variables = {"devserver_users": [{"name": user, "variables": variables}]}
    return Remedy(text, variables=user_variables if user else {"devserver_variables": variables})


@dataclasses.dataclass(frozen=True)
class Finding:
    """A rule that a host breaks. User, context and variable are empty if they do not apply.

    ``subject`` distinguishes findings that are equal in all of these, such as those of two files of one user. ``since``
    is the start of the process that the finding is about, or the last change of the source (seconds of the epoch).
    """

    rule: Rule
    cause: str
    remedy: Remedy
    user: str = ""
    context: str = ""
    variable: str = ""
    source: Source | None = None
    workspace: str = ""
    subject: str = ""
    since: float | None = None

    def result(self, host: str) -> dict[str, t.Any]:
        """Return the finding's entry in the report. Its fingerprint has no value and no line, so it survives edits."""
        place = [self.user, self.context, self.variable, *filter(None, [self.workspace])]
        # A workspace in that list is never empty, so the empty text marks a subject.
        place += ["", self.subject] if self.subject else []
        identity = "\0".join((self.rule.id, host, *place))
        return {
            "rule_id": self.rule.id,
            "severity": self.rule.severity,
            "title": self.rule.title,
            "user": self.user,
            "context": self.context,
            "workspace": self.workspace,
            "variable": self.variable,
            # A cause may contain the output of startup files and programs.
            "cause": without_secrets(self.cause),
            "impact": self.rule.impact,
            "source": self.source and self.source._asdict(),
            "since": None if self.since is None else format_time(self.since),
            "remedy": {
                "text": without_secrets(self.remedy.text),
                "safe_commands": list(self.remedy.commands),
                "vars": self._vars(),
            },
            "fingerprint": hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:32],
        }

    def _vars(self) -> t.Mapping[str, t.Any]:
        """Return the play variables; none if one contains a secret, because a redacted value is of no use."""
        text = str(self.remedy.variables)
        return self.remedy.variables if without_secrets(text) == text else {}


def of_file(rule: Rule, path: str, cause: str, action: str, user: str = "", line: int | None = None) -> Finding:
    """Return a finding about a file as such, outside of any context."""
    return Finding(rule, cause, Remedy(action), user, source=Source("file", path, line), subject=path)
