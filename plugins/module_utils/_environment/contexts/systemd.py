# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contexts of systemd share: the lines that give the declaration to units, and the probe of a unit."""

from __future__ import annotations

import re
import typing as t

from ..._host.accounts import Account
from ..._systemd import transient_unit
from ..._systemd.environment_files import environment_lines
from ..declaration import UserEnvironment
from .base import Probe, failed_probe

# The words differ between versions of systemd-run.
_NO_BUS = re.compile(r"Failed to connect to (\w+ scope )?bus\b")


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
) -> Probe:
    """Return the environment of a unit as ``read_unit_environment`` starts it, or the ``problem`` that it failed."""
    completed = transient_unit.read_unit_environment(properties, timeout, account=account, env=env)
    if not completed.ok:
        failed = failed_probe(problem, completed)
        if not _NO_BUS.search(completed.stderr):
            return failed
        return failed._replace(failure="no user bus" if account else "no system bus")
    return Probe(transient_unit.parse_printed_environment(completed), seconds=completed.seconds)
