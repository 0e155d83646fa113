# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module dlv_tls, and its plan and application."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import TLS_SERVICE_SPEC
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.endpoints import parse_endpoints
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.install import apply_tls_server, host_paths
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.server import TlsMaterial

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
    """Run the TLS server of the debug services; with ``check`` only plan the changes."""
    endpoints = parse_endpoints(params["services"], params["clients"], params["revoked"])
    material = TlsMaterial(params["authority"], params["certificate"], params["key"], params["revocations"])
    changes = apply_tls_server(endpoints, material, params["minimum"], host_paths(), check=check)
    return Outcome({"ports": {endpoint.name: str(endpoint.address) for endpoint in endpoints}, **changes.result()})
