# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a plan of a module's options: the user's environment, the process of a unit, the breakpoints of markers."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import (
    Plan,
    Tls,
    address_from,
    judged,
    wanted_from,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.systemd_system import (
    unit_environment_file,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import SYSTEM_PATH, session_environment
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.environment_files import assignments_in
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.systemctl import main_processes


def plan_from(params: t.Mapping[str, t.Any]) -> Plan:
    """Return the plan that a module's options describe; raise DevserverError where it cannot be carried out."""
    account = find_account(params["user"])
    if os.geteuid() not in (0, account.uid):
        raise DevserverError(f"only root can debug as {account.name}", remedy="add become: true, or leave user out")
    mode = params["mode"] or _default_mode(params)
    workspace, package = params["workspace"] or "/", params["package"]
    plan = Plan(
        dlv=params["dlv"],
        account=account,
        environment=user_environment(account, params["goroot"], params["environment"]),
        request=params["request"],
        mode=mode,
        wanted=wanted_from(
            params["breakpoints"], account=account, workspace=workspace, package=package, tests=mode == "test"
        ),
        workspace=workspace,
        package=package,
        program=params["program"] or "",
        args=params["args"],
        build_flags=params["build_flags"],
        pid=params["pid"] or (_main_process(params["unit"]) if params["unit"] else 0),
        address=address_from(params["address"], tls=bool(params["tls"])) if params["address"] else Address(),
        tls=Tls(**params["tls"]) if params["tls"] else None,
        substitute_path=[(rule["from"], rule["to"]) for rule in params["substitute_path"]],
        trigger=params["trigger"],
        runs=params["runs"],
        hit_rate=params["hit_rate"],
        timeout=params["timeout"],
        scratch=params["temporary_folder"],
    )
    return judged(plan)


def _default_mode(params: t.Mapping[str, t.Any]) -> str:
    if params["request"] == "launch":
        return "debug"
    return "remote" if params["address"] else "local"


def user_environment(account: Account, goroot: str, more: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return what the units of ``account`` get, or a session where none is declared, and ``more``.

    Only root may read what units get; a user's own process has its own environment to hand on.
    """
    file = unit_environment_file(account.name)
    env = dict(session_environment(account), PATH=f"{goroot}/bin:/usr/local/bin:{SYSTEM_PATH}")
    if os.geteuid() != 0:
        env.update(os.environ)
    elif os.path.exists(file):
        env.update({assignment.name: assignment.value for assignment in assignments_in(file)})
    return dict(env, **{name: str(value) for name, value in more.items()})


def _main_process(unit: str) -> int:
    (number,) = main_processes([unit])
    if not number:
        raise DevserverError(
            f"unit {unit} has no process",
            expected="a unit that is active",
            remedy=f"look at 'systemctl status {unit}', and start it",
            unit=unit,
        )
    return number
