# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process listens on an address, by the kernel's tables: dlv would treat a connection as its client."""

from __future__ import annotations

import ipaddress

from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import is_socket
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import listening_sockets


def is_listening(address: Address) -> bool:
    """Return whether a process of this host listens on ``address``."""
    if address.path:
        return is_socket(address.path)
    # An IPv6 address has several notations; the kernel's table is read in the shortest one.
    expected = address._replace(host=str(ipaddress.ip_address(address.host)))
    return any(socket.address == expected for socket in listening_sockets())
