# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module dlv_tls, and its plan and application."""

from __future__ import annotations

import typing as t

from ..._core.result import Outcome
from ..services import TLS_MODULE_SPEC
from .endpoints import parse_endpoints
from .install import apply_tls_server, host_paths, remove_server_account
from .server import TlsMaterial

ARGUMENT_SPEC: dict[str, t.Any] = {
    **TLS_MODULE_SPEC,
    "authority": {"type": "str", "default": ""},
    "certificate": {"type": "str", "default": ""},
    "key": {"type": "str", "default": "", "no_log": True},
    "revocations": {"type": "str", "default": ""},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Run the TLS server of the debug services; with ``check`` only plan the changes."""
    purge = params["state"] == "absent"
    services = [] if purge else params["services"]
    endpoints = parse_endpoints(services, params["clients"], params["revoked"])
    material = TlsMaterial(params["authority"], params["certificate"], params["key"], params["revocations"])
    listed = {service["name"] for service in params["services"]}
    changes = apply_tls_server(
        endpoints,
        material,
        params["minimum"],
        host_paths(),
        lambda name: purge or params["exclusive"] or name in listed,
        check=check,
    )
    if purge:
        remove_server_account(host_paths(), changes, check=check)
    return Outcome({"ports": {endpoint.name: str(endpoint.address) for endpoint in endpoints}, **changes.result()})
