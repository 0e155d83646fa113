# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules, findings and remedies."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shlex
import time
import typing as t

from .._core.provenance import Source
from .._core.redaction import redacted, without_secrets
from .._host.accounts import Account
from .version_managers import find_manager

# Characters of a value, and of a text with values in it: a user's file can contain any number.
LONGEST_VALUE = 500
_LONGEST_TEXT = 4000
_LONGEST_READ = 20_000
# Findings that a report lists below their cause.
_MOST_FOLLOWING = 100
_RUNS_PROGRAM = re.compile(r"(?<![^\s'\"])-?(-(?:toolexec|exec|vettool))\b")
# The last second of the year 9999.
_LATEST = 253402300799


def format_time(seconds: float) -> str:
    """Return a time of the epoch in the format of reports: 2026-01-31T12:00:00Z.

    The format has no years from 10000 on; a user may have given a file such a date.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(max(seconds, 0), _LATEST)))


def shortened(text: str, longest: int = LONGEST_VALUE) -> str:
    """Return a text without secrets, with the middle of a long one left out."""
    length = len(text)
    if length > _LONGEST_READ:
        # The search for secrets takes seconds in a text of megabytes; what is left out here is not shown anyway.
        text = redacted(text)
        text = text[:-_LONGEST_TEXT][: _LONGEST_READ - _LONGEST_TEXT] + text[-_LONGEST_TEXT:]
    text = without_secrets(text)
    if max(length, len(text)) <= longest:
        return text
    return f"{text[: longest * 3 // 4]}[... {length} characters ...]{text[-longest // 8 :]}"


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
    if not _can_be_declared(variable, value):
        return Remedy(text)
    variables = {variable: value}
    user_variables = {"devserver_users": [{"name": user, "variables": variables}]}
    return Remedy(text, variables=user_variables if user else {"devserver_variables": variables})


def describe_program_flag(variable: str, value: str) -> str:
    """Return why flags must not be declared for everybody: go runs a program that they name; empty for none."""
    flag = _RUNS_PROGRAM.search(value) if variable == "GOFLAGS" else None
    return f"with {flag.group(1)}, go runs the program that it names in each build" if flag else ""


def _can_be_declared(variable: str, value: str) -> bool:
    if describe_program_flag(variable, value) or find_manager(value):
        return False
    flags = all(word.startswith("-") for word in value.split()) if variable == "GOFLAGS" else True
    return flags and value.isprintable() and len(value) <= LONGEST_VALUE


def complete_variables(
    variables: t.Mapping[str, t.Any], shared: t.Mapping[str, t.Any], users: t.Sequence[t.Mapping[str, t.Any]]
) -> dict[str, t.Any]:
    """Return play variables with everything that is declared already: a play replaces a variable as a whole.

    ``shared`` and ``users`` are devserver_variables and devserver_users as they are declared.
    """
    complete = dict(variables)
    if "devserver_variables" in variables:
        complete["devserver_variables"] = {**shared, **variables["devserver_variables"]}
    if "devserver_users" in variables:
        added = {entry["name"]: entry["variables"] for entry in variables["devserver_users"]}
        complete["devserver_users"] = [
            {**user, "variables": {**(user.get("variables") or {}), **added[user["name"]]}}
            if user["name"] in added
            else user
            for user in users
        ]
    return complete


@dataclasses.dataclass(frozen=True)
class Finding:
    """A rule that a host breaks. User, context and variable are empty if they do not apply.

    ``subject`` distinguishes findings that are equal in all of these, such as those of two files of one user. ``since``
    is the start of the process that the finding is about, or the last change of the source (seconds of the epoch).
    A finding of the host about several users has their names in ``users``; ``follows`` are findings with its cause.
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
    users: t.Sequence[str] = ()
    follows: t.Sequence[Finding] = ()

    def result(self, host: str) -> dict[str, t.Any]:
        """Return the finding's entry in the report."""
        return {
            **self._identity(host),
            "title": self.rule.title,
            "users": list(self.users),
            "impact": self.rule.impact,
            "since": None if self.since is None else format_time(self.since),
            "remedy": {
                "text": shortened(self.remedy.text, _LONGEST_TEXT),
                "safe_commands": list(self.remedy.commands),
                "vars": self._vars(),
            },
            "follows": [finding._identity(host) for finding in self.follows[:_MOST_FOLLOWING]],
        }

    def _identity(self, host: str) -> dict[str, t.Any]:
        """Return what, where and why. The fingerprint has no value and no line, so it survives edits."""
        place = [self.user, self.context, self.variable, *filter(None, [self.workspace])]
        # A workspace in that list is never empty, so the empty text marks a subject.
        place += ["", self.subject] if self.subject else []
        identity = "\0".join((self.rule.id, host, *place))
        return {
            "rule_id": self.rule.id,
            "severity": self.rule.severity,
            "user": self.user,
            "context": self.context,
            "workspace": self.workspace,
            "variable": shortened(self.variable),
            # A cause may contain the output of startup files and programs.
            "cause": shortened(self.cause, _LONGEST_TEXT),
            "source": self.source and self.source._asdict(),
            "fingerprint": hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:32],
        }

    def _vars(self) -> t.Mapping[str, t.Any]:
        """Return the play variables; none if one contains a secret, because a redacted value is of no use."""
        text = str(self.remedy.variables)
        return self.remedy.variables if without_secrets(text) == text else {}


def of_file(rule: Rule, path: str, cause: str, action: str, user: str = "", line: int | None = None) -> Finding:
    """Return a finding about a file as such, outside of any context."""
    return Finding(rule, cause, Remedy(action), user, source=Source("file", path, line), subject=path)
