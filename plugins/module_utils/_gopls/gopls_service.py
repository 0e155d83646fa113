# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module gopls_service and the plan of a host do: validate the options, plan, apply."""

from __future__ import annotations

import os
import typing as t

from .._core.result import Outcome
from .._environment.declaration import ARGUMENT_SPEC as DECLARATION
from .._environment.declaration import UserEnvironment
from .._host.skipped_files import find_failure, split_skipped
from .._tools.workarounds import ARGUMENT_SPEC as WORKAROUND_SPEC
from .expected import ExpectedDaemons
from .options import ValidOptions, options_of_removal, validate_options
from .paths import socket_of
from .plan import DaemonPlan, apply_plan, plan_daemons
from .prewarm_report import read_report

# The options of a debug service whose memory counts.
_DEBUG_SERVICE_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "memory": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    **DECLARATION,
    "gopls": {"type": "path", "default": "/usr/local/bin/gopls"},
    "memory": {"type": "str", "default": ""},
    "session_memory": {"type": "str", "default": ""},
    "heap_percent": {"type": "int", "default": 85},
    "force": {"type": "bool", "default": False},
    "debug_services": {"type": "list", "elements": "dict", "default": [], "options": _DEBUG_SERVICE_SPEC},
    "cpu_weight": {"type": "int", "default": 50},
    "oom_score": {"type": "int", "default": 500},
    "idle": {"type": "int", "default": 3600},
    "settings": {"type": "dict", "default": {}},
    "workarounds": {"type": "list", "elements": "dict", "default": [], "options": WORKAROUND_SPEC},
    "prewarm": {"type": "bool", "default": True},
    "prewarm_days": {"type": "int", "default": 3},
    "prewarm_minutes": {"type": "int", "default": 30},
    "log": {"type": "bool", "default": True},
    "trace": {"type": "bool", "default": False},
    "pprof": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}

# The fields of a workaround in the result.
_SHOWN = ("name", "reason", "pin")
_LOGROTATE = "/usr/sbin/logrotate"


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Set up one gopls daemon per user, or remove everything; with ``check`` only plan it."""
    options = options_of_removal(params) if params["state"] == "absent" else validate_options(params, check=check)
    plan = plan_daemons(options.expected)
    if not check:
        plan = apply_plan(plan)
    return make_outcome(options, plan, check=check)


def make_outcome(options: ValidOptions, plan: DaemonPlan, *, check: bool) -> Outcome:
    """Return the result of a plan, with warnings; with ``check`` the packages to install are changes of this module."""
    obsolete = list(dict.fromkeys([*options.obsolete_workarounds, *plan.obsolete_workarounds]))
    packages = _missing_packages(options.expected)
    changes = plan.changes
    # A separate task of the role installs them, which does nothing in check mode.
    if check:
        for name in packages:
            changes.add(f"package {name}", "", "installed\n")
    warnings = [f"workaround {name} is obsolete: it is not applied to these versions" for name in obsolete]
    everybody = [entry.user for entry in plan.skipped]
    skipped, about_others = split_skipped(plan.skipped, everybody if options.expected.purge else options.expected.names)
    result = {
        "restarted": list(plan.units.restart),
        "obsolete_workarounds": obsolete,
        "packages": [] if check else packages,
        "skipped_files": [entry._asdict() for entry in skipped],
        **_describe(options),
        **changes.result(),
    }
    return Outcome(result, [*options.warnings, *warnings, *about_others], find_failure(skipped))


def _describe(options: ValidOptions) -> dict[str, t.Any]:
    expected = options.expected
    limits = expected.daemon.limits
    return {
        "mode": "daemon" if expected.shared else "per-editor",
        "limits": {"memory": limits.cap, "memory_high": limits.high, "heap": limits.heap, "session": limits.session},
        "users": [_describe_user(expected, user) for user in expected.users],
        "deprecated": options.deprecated,
        "workarounds": [{name: getattr(entry, name) for name in _SHOWN} for entry in options.workarounds],
    }


def _describe_user(expected: ExpectedDaemons, user: UserEnvironment) -> dict[str, t.Any]:
    return {
        "name": user.account.name,
        "socket": socket_of(user.account.name) if expected.shared else "",
        "prewarm": read_report(user.account) if user in expected.prewarmed else None,
    }


def _missing_packages(expected: ExpectedDaemons) -> list[str]:
    rotates = expected.users and expected.shared and expected.daemon.log
    return ["logrotate"] if rotates and not os.path.exists(_LOGROTATE) else []
