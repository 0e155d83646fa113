# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short-lived units that systemd-run starts, and the environment that they get."""

from __future__ import annotations

import typing as t

from .._host.accounts import Account
from .._host.command import SYSTEM_PATH, Completed, run
from .._host.procfs import parse_environment

# What systemd adds to each unit's environment by itself; it does not show where the unit got the rest.
_OF_THE_UNIT = ("INVOCATION_ID", "SYSTEMD_EXEC_PID", "JOURNAL_STREAM", "MANAGERPID")


def bounds(timeout: float) -> list[str]:
    """Return the properties by which the manager ends a unit, with all that is in it, after ``timeout`` seconds."""
    seconds = max(1, round(timeout))
    return [f"TimeoutStartSec={seconds}", f"RuntimeMaxSec={seconds}", "KillSignal=SIGKILL"]


def read_unit_environment(
    properties: t.Sequence[str],
    timeout: float,
    *,
    account: Account | None = None,
    env: t.Mapping[str, str] | None = None,
) -> Completed:
    """Start a unit with ``properties`` that prints its environment; for ``account``, one of the user's own manager."""
    options = ["--quiet", "--collect", "--pipe", "--wait", *(["--user"] if account else [])]
    set_up = (word for setting in (*bounds(timeout), *properties) for word in ("-p", setting))
    argv = ["systemd-run", *options, *set_up, "/usr/bin/env", "-0"]
    completed = run(argv, env=env or {"PATH": SYSTEM_PATH}, account=account, timeout=timeout)
    # A manager that ends just then lets systemd-run end well, and nothing has been printed.
    return completed._replace(returncode=1) if completed.ok and not completed.stdout else completed


def parse_printed_environment(completed: Completed) -> dict[str, str]:
    """Return what ``env -0`` printed, less what marks each unit."""
    variables = parse_environment(completed.stdout)
    return {name: value for name, value in variables.items() if name not in _OF_THE_UNIT}
