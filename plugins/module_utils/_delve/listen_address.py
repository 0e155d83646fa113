# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that a headless dlv may listen on: loopback, or a Unix socket in a directory of its user.

dlv has neither TLS nor a password, and ``--only-same-user`` checks only connections on loopback addresses.
"""

from __future__ import annotations

import ipaddress
import os
import re

from .._core.addresses import Address, parse_address
from .._core.errors import DevserverError
from .._host.files import is_socket
from .._host.procfs import listening_sockets

# systemd creates a directory in it for each unit, which only the unit's user may enter. dlv's sockets have no mode.
RUNTIME = "/run/dlv"
_PORTS = range(1024, 65536)
_EXPECTED = "127.0.0.1:PORT, [::1]:PORT, or a Unix socket in {directory}"


def parse_listen_address(text: str, name: str) -> Address:
    """Return the listen address of the debug service ``name``. Raises DevserverError if other users could reach it."""
    address = parse_address(text)
    if address is None:
        remedy = "write an address and a port, and put an IPv6 address in brackets"
        raise _address_error(text, name, "is not an address and a port", remedy)
    if address.path:
        return _parse_socket(text, name, address)
    if address.port not in _PORTS:
        raise _address_error(text, name, f"has port {address.port}", "choose a port from 1024 to 65535")
    return _parse_loopback(text, name, address)


def _parse_loopback(text: str, name: str, address: Address) -> Address:
    # dlv gets an address: a file decides what the name resolves to.
    if address.host == "localhost":
        return address._replace(host="127.0.0.1")
    if address.ip is None:
        problem = f"has {address.host!r}, which is not an IP address" if address.host else "includes every address"
        raise _address_error(text, name, problem, "write an IP address: a name may resolve to another one later")
    if not address.is_local:
        raise _address_error(
            text,
            name,
            f"includes {address.host}, which other hosts can reach: dlv has neither TLS nor a password",
            "use a loopback address, and declare tls for connections from other machines, or use an SSH tunnel",
        )
    return address._replace(host=str(address.ip))


def _parse_socket(text: str, name: str, address: Address) -> Address:
    directory, (parent, socket) = runtime_directory(name), os.path.split(address.path)
    if parent != directory or not re.fullmatch(r"[\w-][\w.-]*", socket, re.ASCII):
        problem = f"is open to every user who can enter {parent or 'its directory'}"
        raise _address_error(text, name, problem, f"move it to {directory}, which only the service's user can enter")
    return address


def runtime_directory(name: str) -> str:
    """Return the directory that exists while the debug service ``name`` runs."""
    return os.path.join(RUNTIME, name)


def is_listening(address: Address) -> bool:
    """Return whether a process listens on ``address``, by the kernel: dlv would treat a connection as its client."""
    if address.path:
        return is_socket(address.path)
    # An IPv6 address has several notations; the kernel's table is read in the shortest one.
    expected = address._replace(host=str(ipaddress.ip_address(address.host)))
    return any(socket.address == expected for socket in listening_sockets())


def _address_error(text: str, name: str, problem: str, remedy: str) -> DevserverError:
    return DevserverError(
        f"debug service {name}: listen {text!r} {problem}",
        expected=_EXPECTED.format(directory=runtime_directory(name)),
        remedy=remedy,
        service=name,
    )
