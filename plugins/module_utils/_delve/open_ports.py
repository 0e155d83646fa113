# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process listens on an address, by the kernel's tables: dlv would treat a connection as its client."""

from __future__ import annotations

import ipaddress

from .._core.addresses import Address
from .._host.files import is_socket
from .._host.procfs import listening_sockets


def is_listening(address: Address) -> bool:
    """Return whether a process of this host listens on ``address``."""
    if address.path:
        return is_socket(address.path)
    # An IPv6 address has several notations; the kernel's table is read in the shortest one.
    expected = address._replace(host=str(ipaddress.ip_address(address.host)))
    return any(socket.address == expected for socket in listening_sockets())
