# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates a plan from a module's options: the user's environment, the process of a unit, the breakpoints of markers."""

from __future__ import annotations

import os
import typing as t

from ..._core.addresses import Address
from ..._core.errors import DevserverError
from ..._environment.rendered import unit_environment_file
from ..._host.accounts import Account, find_account
from ..._host.command import SYSTEM_PATH, session_environment
from ..._systemd.environment_files import assignments_in
from ..._systemd.systemctl import main_processes
from .plan import DebugProbePlan, TlsFiles, parse_breakpoints, parse_debugger_address, validate_plan

# The options that the plan contains without a change.
_UNCHANGED = ("dlv", "request", "package", "args", "build_flags", "trigger", "runs", "hit_rate", "timeout")


def parse_plan(params: t.Mapping[str, t.Any]) -> DebugProbePlan:
    """Return the plan of a module's options. Raises DevserverError if it is invalid."""
    account = find_account(params["user"])
    if os.geteuid() not in (0, account.uid):
        raise DevserverError(f"only root can debug as {account.name}", remedy="add become: true, or remove user")
    mode = params["mode"] or _default_mode(params)
    workspace, package = params["workspace"] or "/", params["package"]
    plan = DebugProbePlan(
        account=account,
        environment=user_environment(account, params["goroot"], params["environment"]),
        mode=mode,
        breakpoints=parse_breakpoints(
            params["breakpoints"], account=account, workspace=workspace, package=package, tests=mode == "test"
        ),
        workspace=workspace,
        program=params["program"] or "",
        pid=params["pid"] or (_find_main_process(params["unit"]) if params["unit"] else 0),
        address=parse_debugger_address(params["address"], tls=bool(params["tls"])) if params["address"] else Address(),
        tls=TlsFiles(**params["tls"]) if params["tls"] else None,
        substitute_path=[(rule["from"], rule["to"]) for rule in params["substitute_path"]],
        scratch=params["temporary_directory"],
        **{name: params[name] for name in _UNCHANGED},
    )
    return validate_plan(plan)


def _default_mode(params: t.Mapping[str, t.Any]) -> str:
    if params["request"] == "launch":
        return "debug"
    return "remote" if params["address"] else "local"


def user_environment(account: Account, goroot: str, more: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return the environment of the units of ``account``, or a plain one without a declaration, and ``more``.

    Only root may read the environment of units. A process of the user passes its own environment.
    """
    file = unit_environment_file(account.name)
    env = dict(session_environment(account), PATH=f"{goroot}/bin:/usr/local/bin:{SYSTEM_PATH}")
    if os.geteuid() != 0:
        env.update(os.environ)
    elif os.path.exists(file):
        env.update({assignment.name: assignment.value for assignment in assignments_in(file)})
    return dict(env, **{name: str(value) for name, value in more.items()})


def _find_main_process(unit: str) -> int:
    (number,) = main_processes([unit])
    if not number:
        raise DevserverError(
            f"unit {unit} has no process",
            expected="a unit that is active",
            remedy=f"start it, and check 'systemctl status {unit}'",
            unit=unit,
        )
    return number
