# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module gopls_service does: its options, and how it plans and applies."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    ARGUMENT_SPEC as DECLARATION,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls import workarounds
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.options import Judged, judged
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.service import apply
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.units import socket_of

_LOGROTATE = "/usr/sbin/logrotate"

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DECLARATION,
    "gopls": {"type": "path", "default": "/usr/local/bin/gopls"},
    "memory": {"type": "str", "default": ""},
    "session_memory": {"type": "str", "default": ""},
    "heap_percent": {"type": "int", "default": 85},
    "force": {"type": "bool", "default": False},
    "cpu_weight": {"type": "int", "default": 50},
    "oom_score": {"type": "int", "default": 500},
    "idle": {"type": "int", "default": 3600},
    "settings": {"type": "dict", "default": {}},
    "workarounds": {"type": "list", "elements": "dict", "default": [], "options": workarounds.ARGUMENT_SPEC},
    "prewarm": {"type": "bool", "default": True},
    "prewarm_days": {"type": "int", "default": 3},
    "prewarm_minutes": {"type": "int", "default": 30},
    "log": {"type": "bool", "default": True},
    "trace": {"type": "bool", "default": False},
    "pprof_port": {"type": "int", "default": 0},
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Give each user a daemon of gopls; with ``check`` only plan it."""
    found = judged(params, check=check)
    outcome = apply(found.wanted, check=check)
    over = [*found.over, *(name for name in outcome.over if name not in found.over)]
    obsolete = [f"workaround {name}: no longer needed with these versions, and not applied" for name in over]
    result = {
        "restarted": list(outcome.restarted),
        "workarounds_over": over,
        # Managers of packages need help of their own in check mode: nothing is installed then.
        "packages": [] if check else _packages(found),
        **_told(found),
        **outcome.changes.result(),
    }
    return Outcome(result, [*found.warnings, *obsolete])


def _told(found: Judged) -> dict[str, t.Any]:
    wanted = found.wanted
    limits = wanted.daemon.limits
    names = [user.account.name for user in wanted.users]
    return {
        "mode": "daemon" if wanted.shared else "per-editor",
        "limits": {"memory": limits.cap, "memory_high": limits.high, "heap": limits.heap, "session": limits.session},
        "users": [{"name": name, "socket": socket_of(name) if wanted.shared else ""} for name in names],
        "deprecated": found.deprecated,
        "workarounds": [{"name": entry.name, "reason": entry.reason, "pin": entry.pin} for entry in found.applied],
    }


def _packages(found: Judged) -> list[str]:
    wanted = found.wanted
    rotates = wanted.users and wanted.shared and wanted.daemon.log
    return ["logrotate"] if rotates and not os.path.exists(_LOGROTATE) else []
