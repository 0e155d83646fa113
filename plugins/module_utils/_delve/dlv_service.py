# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module dlv_service does: its options, and how it plans and applies."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._core.sizes import size
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.install import State, carry_out, plan, wait_for
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.ptrace import Ptrace, try_ptrace
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import (
    SERVICE_SPEC,
    STATES,
    Limits,
    Service,
    services_from,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.server import SERVER
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.units import Programs
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.systemctl import UNITS

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
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Run the debug services; with ``check`` only plan it."""
    limits = Limits(size(params["memory"], "memory"), params["tasks"], params["cpu_weight"])
    services = services_from(params["services"], limits=limits, state=params["state"])
    planned = plan(services, Programs(params["dlv"], params["go"], params["check_go_version"]))
    changes = planned.changes()
    if not check:
        carry_out(planned)
    states = wait_for(services, 0 if check else params["wait"])
    ptrace = {account.name: try_ptrace(account) for account in {one.account for one in services}}
    wait = None if check else params["wait"]
    warnings = [
        text
        for service in services
        for text in _warnings(service, states[service.name], ptrace[service.account.name], wait)
    ]
    result = {
        "services": [_told(service, states[service.name]) for service in services],
        "check_mode": check,
        "tls": os.path.exists(os.path.join(UNITS, SERVER)),
        "ptrace": {name: tried._asdict() for name, tried in sorted(ptrace.items())},
        **changes.result(),
    }
    return Outcome(result, warnings)


def _told(service: Service, state: State) -> dict[str, t.Any]:
    return {
        "name": service.name,
        "unit": service.unit,
        "listen": str(service.listen),
        "state": state.active,
        "listens": state.listens,
        "problem": state.problem,
    }


def _warnings(service: Service, state: State, ptrace: Ptrace, wait: int | None) -> t.Iterator[str]:
    """Yield what keeps ``service`` from being of use; ``wait`` is the seconds that were waited, None for none."""
    if state.problem:
        yield f"debug service {service.name} does not start, and is tried again: {state.problem}"
    elif state.pending and wait is not None:
        yield f"debug service {service.name} is not ready after {wait} s; it goes on by itself"
    tried = ptrace.attach if service.mode == "attach" else ptrace.launch
    if tried.startswith("refused"):
        yield f"debug service {service.name}: ptrace by user {service.account.name} is {tried}"
