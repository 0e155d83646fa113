# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TLS endpoints of debug services: their addresses and the clients that each of them admits."""

from __future__ import annotations

import re
import typing as t

from ..._core.addresses import Address, parse_address
from ..._core.errors import DevserverError
from ..listen_address import parse_listen_address

# TLS libraries can compare DNS labels, and these characters are safe in the names of units and files.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
# The TLS server runs as an unprivileged user, who cannot open lower ports.
_FIRST_PORT = 1024

_FORMAT = "an IP address and a port of 1024 to 65535, such as 0.0.0.0:12345, or [::]:12345 for IPv4 and IPv6 at once"


class TlsEndpoint(t.NamedTuple):
    """The TLS port at ``address`` of the debug service ``name``, which listens on ``target`` as ``user``.

    ``target`` is an address or the path of a Unix socket. ``clients`` are the names of the admitted clients,
    ``local_port`` is the port of the tunnel on a client's machine, ``workspace`` is the directory of the sources on the
    host.
    """

    name: str
    user: str
    target: str
    address: Address
    clients: t.Sequence[str]
    local_port: int
    workspace: str = ""


def parse_endpoints(
    services: t.Sequence[t.Mapping[str, t.Any]], clients: t.Sequence[str], revoked: t.Sequence[str]
) -> list[TlsEndpoint]:
    """Return the endpoints of the ``services`` that declare one and admit at least one client.

    ``services`` are entries of the variable ``debugger_services``, ``clients`` are all declared names. Raises
    DevserverError for an invalid address, an unknown client, and endpoints that conflict.
    """
    for name in (*clients, *revoked):
        expected = "letters, digits and dashes, at most 63"
        _require(_NAME.match(name), f"the client name {name!r} is invalid", expected, "rename this client")
    services = [service for service in services if service.get("state") != "absent"]
    endpoints = [_parse_endpoint(service, clients, revoked) for service in services if service.get("tls")]
    _reject_port_conflicts(endpoints, [str(service.get("listen", "")) for service in services])
    # Without a name to compare, the server would admit every client with a certificate of the authority.
    return [endpoint for endpoint in endpoints if endpoint.clients]


def parse_endpoint_address(text: str, option: str) -> Address:
    """Return the address in ``text``. Raises DevserverError, with the name of ``option``, for any other format."""
    address = parse_address(text)
    if address is None or address.ip is None or not _FIRST_PORT <= address.port < 65536:
        raise DevserverError(f"{option} is {text!r}", expected=_FORMAT, remedy=f"write {option} in this format")
    return address._replace(host=str(address.ip))


def _parse_endpoint(service: t.Mapping[str, t.Any], clients: t.Sequence[str], revoked: t.Sequence[str]) -> TlsEndpoint:
    name, tls = str(service["name"]), service["tls"]
    expected = "letters, digits, -, _ and ., at most 63"
    _require(_SERVICE.match(name), f"the name {name!r} of a debug service is invalid", expected, "rename this service")
    requested = tls.get("clients") or clients
    _reject_unknown_clients(name, requested, {*clients, *revoked})
    address = parse_endpoint_address(str(tls.get("listen", "")), f"tls.listen of {name}")
    admitted = [client for client in requested if client not in revoked]
    port = int(tls.get("client_port") or address.port)
    remedy = "set tls.client_port to a port in this range"
    _require(0 < port < 65536, f"tls.client_port of {name} is {port}", "a port of 1 to 65535", remedy)
    workspace = str(service.get("workspace") or "")
    target = parse_listen_address(str(service["listen"]), name).bare
    return TlsEndpoint(name, service["user"], target, address, admitted, port, workspace)


def _reject_unknown_clients(name: str, requested: t.Sequence[str], known: t.Collection[str]) -> None:
    unknown = ", ".join(sorted({*requested} - {*known}))
    expected, remedy = "names from debugger_tls_clients", "add the client to debugger_tls_clients"
    _require(requested, f"the TLS port of {name} admits no client", expected, remedy)
    _require(not unknown, f"tls.clients of {name} contains undeclared names: {unknown}", expected, remedy)


def _reject_port_conflicts(endpoints: t.Sequence[TlsEndpoint], listen: t.Sequence[str]) -> None:
    used = {text.rpartition(":")[2]: f"the debugger itself ({text})" for text in listen if ":" in text}
    for endpoint in endpoints:
        port = str(endpoint.address.port)
        _require(
            port not in used,
            f"tls.listen of {endpoint.name} is {endpoint.address}, whose port is in use by {used.get(port)}",
            "a separate port for each debug service",
            f"change the port in tls.listen of {endpoint.name}",
        )
        used[port] = f"tls.listen of {endpoint.name}"
    _reject_client_port_conflicts(endpoints)


def _reject_client_port_conflicts(endpoints: t.Sequence[TlsEndpoint]) -> None:
    """Reject endpoints with the same port on one client's machine. Different clients may use the same port."""
    used: dict[tuple[str, int], str] = {}
    for endpoint in endpoints:
        for client in endpoint.clients:
            other = used.setdefault((client, endpoint.local_port), endpoint.name)
            _require(
                other == endpoint.name,
                f"tls.client_port of {other} and of {endpoint.name} is {endpoint.local_port}, and {client} uses both",
                "a separate port on the client's machine for each debug service",
                f"change tls.client_port of {endpoint.name}",
            )


def _require(valid: t.Any, problem: str, expected: str, remedy: str) -> None:
    if not valid:
        raise DevserverError(problem, expected=expected, remedy=remedy)
