# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module dlv_tls does: its options, and how it plans and applies."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import TLS_SERVICE_SPEC
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.endpoints import doors_of
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.install import install, places_of_host
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.server import Material

ARGUMENT_SPEC: dict[str, t.Any] = {
    "services": {"type": "list", "elements": "dict", "default": [], "options": TLS_SERVICE_SPEC},
    "clients": {"type": "list", "elements": "str", "default": []},
    "revoked": {"type": "list", "elements": "str", "default": []},
    "minimum": {"type": "str", "choices": ["TLSv1.2", "TLSv1.3"], "default": "TLSv1.2"},
    "authority": {"type": "str", "default": ""},
    "certificate": {"type": "str", "default": ""},
    "key": {"type": "str", "default": "", "no_log": True},
    "revocations": {"type": "str", "default": ""},
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Put mutual TLS in front of debug services; with ``check`` only plan it."""
    doors = doors_of(params["services"], params["clients"], params["revoked"])
    material = Material(params["authority"], params["certificate"], params["key"], params["revocations"])
    changes = install(doors, material, params["minimum"], places_of_host(), check=check)
    return Outcome({"ports": {door.name: str(door.address) for door in doors}, **changes.result()})
