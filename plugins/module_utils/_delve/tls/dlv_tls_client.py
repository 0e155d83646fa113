# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module dlv_tls_client, and its plan and application."""

from __future__ import annotations

import os
import typing as t

from ..._core.result import Outcome
from ..services import TLS_MODULE_SPEC
from .client_bundle import DebugHost, remove_host, write_bundles
from .endpoints import parse_endpoints

ARGUMENT_SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "required": True},
    "source": {"type": "path", "required": True},
    "host": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    **TLS_MODULE_SPEC,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Write the bundles of the clients, or remove a host from them; with ``check`` only plan the changes."""
    clients, revoked, directory = params["clients"], params["revoked"], params["directory"]
    if params["state"] == "absent":
        changes = remove_host(params["host"], source=params["source"], directory=directory, check=check)
        return Outcome({"bundles": {}, **changes.result()})
    endpoints = parse_endpoints(params["services"], clients, revoked)
    listed = {service["name"] for service in params["services"]}
    host = DebugHost(
        params["host"],
        params["address"],
        endpoints,
        params["minimum"],
        lambda name: params["exclusive"] or name in listed,
    )
    changes = write_bundles(host, clients, revoked, source=params["source"], directory=directory, check=check)
    bundles = {client: os.path.join(directory, client) for client in clients if client not in revoked}
    return Outcome({"bundles": bundles, **changes.result()})
