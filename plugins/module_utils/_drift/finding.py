# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rule is, and what it finds."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shlex
import stat
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import without_secrets
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account


def moment(seconds: float) -> str:
    """Return a time of the epoch as reports have it: 2026-01-31T12:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def last_change(path: str) -> float | None:
    """Return when what a file says was changed last, or the owner and rights of anything else; None for neither."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime if stat.S_ISREG(status.st_mode) else status.st_ctime


def as_user(account: Account, *argv: str) -> str:
    """Return a command for root's shell that runs ``argv`` with the rights of ``account`` alone.

    Each safe command that works below a directory of a user's is made here: by the time that it is run, its user may
    have put a link in the place of a directory on the way.
    """
    return " ".join(map(shlex.quote, ("runuser", "-u", account.name, "--", *argv)))


@dataclasses.dataclass(frozen=True)
class Rule:
    """What can be found: ``severity`` is note, warning or error, ``impact`` is what it does to people's work.

    The rest is for its page in the docs: ``why`` says how it comes about and what is judged, ``mend`` what to do, and
    ``example`` is a cause as a report may have it. Identifiers are stable: a rule may go, its number is not given to
    another.
    """

    id: str
    severity: str
    title: str
    impact: str
    why: str
    mend: str
    example: str


@dataclasses.dataclass(frozen=True)
class Remedy:
    """``commands`` are safe to run as they are.

    ``variables`` are play variables: with these in the play the finding is settled when the host is provisioned again.
    """

    text: str
    commands: t.Sequence[str] = ()
    variables: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One rule that a host breaks; empty strings stand where a user, context or variable does not apply.

    ``subject`` tells apart what is the same in all of these, such as two files of one user. ``since`` is when the
    process that the finding is about was started, in seconds of the epoch; else the source's file says what is known.
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
        """Return the finding as the report has it; its fingerprint holds no value and no line, so it survives edits."""
        place = [self.user, self.context, self.variable, *filter(None, [self.workspace])]
        # No workspace is empty there, so none is taken for a subject.
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
            # What start-up files, logs and programs print is told too.
            "cause": without_secrets(self.cause),
            "impact": self.rule.impact,
            "source": self.source and self.source._asdict(),
            "since": self._since(),
            "remedy": {
                "text": without_secrets(self.remedy.text),
                "safe_commands": list(self.remedy.commands),
                "vars": self._vars(),
            },
            "fingerprint": hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:32],
        }

    def _since(self) -> str | None:
        seconds = self.since
        if seconds is None and self.source and self.source.file:
            seconds = last_change(self.source.file)
        return None if seconds is None else moment(seconds)

    def _vars(self) -> t.Mapping[str, t.Any]:
        """Return the play variables; none of them where one has a secret in it, as three asterisks are no value."""
        text = str(self.remedy.variables)
        return self.remedy.variables if without_secrets(text) == text else {}
