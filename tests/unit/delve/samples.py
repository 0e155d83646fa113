# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sample declarations of debug services."""

from __future__ import annotations

import getpass
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import (
    DebugService,
    ResourceLimits,
    parse_services,
)

LIMITS = ResourceLimits(2 << 30, 512, 50)
Entry = dict[str, t.Any]


def entry(**options: t.Any) -> Entry:
    """Return an entry in the form that the module's argument spec produces."""
    defaults: Entry = {
        "name": "api",
        "user": getpass.getuser(),
        "mode": "exec",
        "listen": "127.0.0.1:2345",
        "workspace": "/src/acme",
        "package": "./cmd/api",
        "process_unit": None,
        "args": [],
        "environment": {},
        "build_flags": [],
        "continue": True,
        "log": [],
        "memory": None,
        "tasks": None,
        "cpu_weight": None,
        "state": None,
        "launch_configuration": False,
        # Tests run as root on many machines.
        "allow_root": True,
        "allow_shared_workspace": False,
        "tls": None,
    }
    return {**defaults, **options}


def attached(**options: t.Any) -> Entry:
    return entry(**{"mode": "attach", "workspace": None, "package": ".", "process_unit": "shop.service", **options})


def service(**options: t.Any) -> DebugService:
    """Return the service of one entry, with its real workspace."""
    declared = parse_services([entry(**options)], limits=LIMITS, state="started")[0]
    return declared._replace(real_workspace=os.path.realpath(declared.workspace))
