# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module dlv_service, and its plan and application."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._core.errors import DevserverError
from .._core.result import Outcome
from .._core.sizes import parse_size
from .._host.skipped_files import find_failure, split_skipped
from .._systemd.systemctl import UNIT_DIR
from .._tools.build_info import read_build_info
from .._tools.workarounds import match_workarounds
from .install import ServiceState, apply_plan, plan_services, remove_builds, wait_for_services
from .ptrace import PtraceAccess, probe_ptrace
from .services import SERVICE_SPEC, STATES, DebugService, ResourceLimits, parse_services
from .tls.server import SERVER
from .units import Programs
from .workspace import reject_missing_workspaces

ARGUMENT_SPEC: dict[str, t.Any] = {
    "services": {"type": "list", "elements": "dict", "default": [], "options": SERVICE_SPEC},
    "dlv": {"type": "path", "default": "/usr/local/bin/dlv"},
    "go": {"type": "path", "default": "/usr/local/go/bin/go"},
    "check_go_version": {"type": "bool", "default": True},
    "memory": {"type": "str", "default": "2G"},
    "tasks": {"type": "int", "default": 512},
    "cpu_weight": {"type": "int", "default": 50},
    "state": {"type": "str", "choices": STATES, "default": "started"},
    "wait": {"type": "int", "default": 120},
    "exclusive": {"type": "bool", "default": False},
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Run the debug services; with ``check`` only plan the changes."""
    limits = ResourceLimits(parse_size(params["memory"], "memory"), params["tasks"], params["cpu_weight"])
    purge = params["state"] == "absent"
    services = parse_services([] if purge else params["services"], limits=limits, state=params["state"])
    # Entries that are not among the services are absent.
    listed = {entry["name"] for entry in params["services"]}
    exclusive = params["exclusive"] or purge
    programs = Programs(params["dlv"], params["go"], params["check_go_version"])
    if check:
        # Once a service is installed, its user can remove the directory: only that service is skipped then.
        reject_missing_workspaces(
            [service for service in services if not os.path.lexists(os.path.join(UNIT_DIR, service.unit))]
        )
    plan = plan_services(services, programs, lambda name: exclusive or name in listed)
    if not check:
        plan = apply_plan(plan)
    changes = plan.changes
    if purge:
        plan = remove_builds(plan, changes, check=check)
    states = wait_for_services(services, 0 if check else params["wait"])
    ptrace = {account.name: probe_ptrace(account) for account in {service.account for service in services}}
    wait = None if check else params["wait"]
    warnings = [
        warning
        for service in services
        for warning in _service_warnings(service, states[service.name], ptrace[service.account.name], wait)
    ]
    warnings += known_faults(programs.dlv) if services else []
    everybody = {entry.user for entry in plan.skipped}
    skipped, about_others = split_skipped(
        plan.skipped, everybody if purge else {service.account.name for service in services}
    )
    result = {
        "services": [_service_result(service, states[service.name]) for service in services],
        "check_mode": check,
        "skipped_files": [entry._asdict() for entry in skipped],
        "tls": os.path.exists(os.path.join(UNIT_DIR, SERVER)),
        "ptrace": {name: access._asdict() for name, access in sorted(ptrace.items())},
        **changes.result(),
    }
    return Outcome(result, [*warnings, *about_others], find_failure(skipped))


def known_faults(dlv: str) -> list[str]:
    """Return the known faults of the installed dlv; none where it is missing, or a script that starts dlv."""
    with contextlib.suppress(DevserverError):
        info = read_build_info(dlv)
        return [entry.advice for entry in match_workarounds("dlv", info.version, info.go)[0]]
    return []


def _service_result(service: DebugService, state: ServiceState) -> dict[str, t.Any]:
    return {
        "name": service.name,
        "unit": service.unit,
        "listen": str(service.listen),
        "state": state.active,
        "listens": state.listening,
        "problem": state.problem,
    }


def _service_warnings(
    service: DebugService, state: ServiceState, ptrace: PtraceAccess, wait: int | None
) -> t.Iterator[str]:
    """Yield why a client cannot use ``service``; ``wait`` is the time limit of the start, None in check mode."""
    if state.problem:
        yield f"debug service {service.name} failed to start, and systemd retries it: {state.problem}"
    elif state.pending and wait is not None:
        yield f"debug service {service.name} is not ready after {wait} s; its start continues in the background"
    access = ptrace.attach if service.mode == "attach" else ptrace.launch
    if access.startswith("denied"):
        yield f"debug service {service.name}: ptrace by user {service.account.name} is {access}"
