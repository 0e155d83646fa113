# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contexts of systemd share: the lines that give the declaration to units, and the probe of a unit."""

from __future__ import annotations

import glob
import os
import re
import shlex
import typing as t

from ..._core.provenance import Assignment, Source
from ..._host.accounts import Account
from ..._host.files import numbered_lines, read_text_or_empty
from ..._systemd import transient_unit
from ..._systemd.environment_files import environment_lines
from ..declaration import UserEnvironment
from .base import Probe, failed_probe

# The words differ between versions of systemd-run.
_NO_BUS = re.compile(r"Failed to connect to (\w+ scope )?bus\b")


# Exit statuses of units: see systemd.exec(5).
_NOT_STARTED, _DENIED_BY_PAM = 203, 224
_CONFIGURATION = "/etc/systemd"
_DEFAULTS = re.compile(r"\s*(?:Default|Manager)Environment\s*=\s*(.*)")


def manager_assignments(manager: str) -> list[Assignment]:
    """Return the variables that the configuration of a ``manager``, which is system or user, gives its units."""
    file = os.path.join(_CONFIGURATION, f"{manager}.conf")
    files = [file, *sorted(glob.glob(f"{file}.d/*.conf"))]
    return [
        Assignment(name, value, Source("file", file, number))
        for file in files
        for number, line in numbered_lines(read_text_or_empty(file))
        for name, separator, value in (word.partition("=") for word in _words_of(line))
        if separator
    ]


def _words_of(line: str) -> list[str]:
    match = _DEFAULTS.match(line)
    try:
        return shlex.split(match.group(1)) if match else []
    except ValueError:
        return []  # systemd ignores the line too.


def render(user: UserEnvironment, path: str, *, dollar: str) -> str:
    """Return the lines that give ``user`` its variables and ``path``; ``dollar`` is how a dollar sign is written.

    Empty values are left out: environment.d(5) cannot express them, and for go they are as good as unset.
    """
    return environment_lines({name: value for name, value in user.variables.items() if value}, dollar=dollar) + path


def probe_unit(
    problem: str,
    properties: t.Sequence[str],
    timeout: float,
    *,
    account: Account | None = None,
    env: t.Mapping[str, str] | None = None,
    low_limit: str = "",
) -> Probe:
    """Return the environment of a unit as ``read_unit_environment`` starts it, or the ``problem`` that it failed.

    ``low_limit`` describes a resource limit that may be the reason.
    """
    completed = transient_unit.read_unit_environment(properties, timeout, account=account, env=env)
    if completed.returncode == _DENIED_BY_PAM:
        reason = "PAM denies the session: the account or its password has expired, or it is locked"
        return Probe(None, f"{problem}: {reason}", seconds=completed.seconds, failure="not let in")
    if completed.returncode == _NOT_STARTED:
        return Probe(None, f"{problem}: no program starts{low_limit}", seconds=completed.seconds)
    if not completed.ok:
        failed = failed_probe(problem, completed)
        if not _NO_BUS.search(completed.stderr):
            return failed
        return failed._replace(failure="no user bus" if account else "no system bus")
    return Probe(transient_unit.parse_printed_environment(completed), seconds=completed.seconds)
