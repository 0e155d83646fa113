# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What debug services are declared with."""

from __future__ import annotations

import getpass
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import Limits, Service, services_from

LIMITS = Limits(2 << 30, 512, 50)
Entry = dict[str, t.Any]


def entry(**given: t.Any) -> Entry:
    """Return an entry as the module's argument spec hands it on."""
    standard: Entry = {
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
        # Tests run as root on many a machine.
        "allow_root": True,
        "tls": None,
    }
    return {**standard, **given}


def attached(**given: t.Any) -> Entry:
    return entry(**{"mode": "attach", "workspace": None, "package": ".", "process_unit": "shop.service", **given})


def service(**given: t.Any) -> Service:
    """Return the only service of an entry."""
    return services_from([entry(**given)], limits=LIMITS, state="started")[0]
