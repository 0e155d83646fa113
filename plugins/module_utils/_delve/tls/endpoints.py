# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doors to debuggers: which address takes TLS for which debug service, and who is let in there."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address, address_in
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.listen_address import parse_listen_address

# What is a label of DNS can be compared by TLS libraries, stand in a unit's name and in a file's.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
# The server runs as nobody in particular, who may open no port below.
_FIRST_PORT = 1024

_FORM = "an IP address and a port of 1024 to 65535, such as 0.0.0.0:12345, or [::]:12345 for IPv4 and IPv6 at once"


class Door(t.NamedTuple):
    """The way from ``address`` to the debugger ``name``, which listens at ``target`` as ``user``.

    ``target`` is an address or the path of a Unix socket. ``clients`` are the names that are let in, ``local_port`` is
    the port at which a client's machine offers it, ``workspace`` the folder of its sources on the host.
    """

    name: str
    user: str
    target: str
    address: Address
    clients: t.Sequence[str]
    local_port: int
    workspace: str = ""


def doors_of(
    services: t.Sequence[t.Mapping[str, t.Any]], clients: t.Sequence[str], revoked: t.Sequence[str]
) -> list[Door]:
    """Return the doors of those ``services`` that have one and somebody who may pass.

    ``services`` are entries of the variable ``debugger_services``, ``clients`` all names that there are. Raises
    DevserverError for an address that cannot be listened at, an unknown client and two that are in each other's way.
    """
    for name in (*clients, *revoked):
        _refuse_unless(_NAME.match(name), f"{name!r} cannot be the name of a client", "letters, digits and dashes")
    found = [_door(service, clients, revoked) for service in services if service.get("tls")]
    _refuse_clashes(found, [str(service.get("listen", "")) for service in services])
    # Without a name to compare, the server would let in whomever the authority has ever signed for.
    return [door for door in found if door.clients]


def parse_address(text: str, whose: str) -> Address:
    """Return the address that ``text`` says; raises DevserverError, in the name of ``whose``, for any other form."""
    where = address_in(text)
    if where is None or where.ip is None or not _FIRST_PORT <= where.port < 65536:
        raise _refused(f"{whose} is {text!r}", _FORM)
    return where._replace(host=str(where.ip))


def _door(service: t.Mapping[str, t.Any], clients: t.Sequence[str], revoked: t.Sequence[str]) -> Door:
    name, tls = str(service["name"]), service["tls"]
    _refuse_unless(_SERVICE.match(name), f"{name!r} cannot be the name of a debug service", "letters, digits, - _ .")
    wanted = tls.get("clients") or clients
    unknown = sorted({*wanted} - {*clients, *revoked})
    _refuse_unless(
        wanted and not unknown,
        f"nobody can come through the TLS port of {name}: {', '.join(unknown) or 'no client'} is declared",
        "names that stand in debugger_tls_clients",
    )
    address = parse_address(str(tls.get("listen", "")), f"tls.listen of {name}")
    admitted = [client for client in wanted if client not in revoked]
    local = int(tls.get("client_port") or address.port)
    _refuse_unless(0 < local < 65536, f"tls.client_port of {name} is {local}", "a port of 1 to 65535")
    folder = str(service.get("workspace") or "")
    return Door(
        name, service["user"], parse_listen_address(str(service["listen"]), name).bare, address, admitted, local, folder
    )


def _refuse_clashes(doors: t.Sequence[Door], plain: t.Sequence[str]) -> None:
    taken = {listen.rpartition(":")[2]: f"the debugger itself ({listen})" for listen in plain if ":" in listen}
    for door in doors:
        port = str(door.address.port)
        _refuse_unless(
            port not in taken,
            f"tls.listen of {door.name} is {door.address}, whose port is taken by {taken.get(port)}",
            "a port of its own for each debug service",
        )
        taken[port] = f"tls.listen of {door.name}"
    _refuse_clashes_of_clients(doors)


def _refuse_clashes_of_clients(doors: t.Sequence[Door]) -> None:
    """Refuse that two doors are offered at one port of a client's machine; what is not for one client may be."""
    taken: dict[tuple[str, int], str] = {}
    for door in doors:
        for client in door.clients:
            other = taken.setdefault((client, door.local_port), door.name)
            _refuse_unless(
                other == door.name,
                f"tls.client_port of {other} and of {door.name} is {door.local_port}, and {client} may use both",
                "a port of its own on the client's machine for each debug service",
            )


def _refuse_unless(fits: t.Any, what: str, expected: str) -> None:
    if not fits:
        raise _refused(what, expected)


def _refused(what: str, expected: str) -> DevserverError:
    return DevserverError(what, expected=expected, remedy="correct debugger_services or debugger_tls_clients")
