# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process listens on an address, by the kernel's tables: dlv would treat a connection as its client."""

from __future__ import annotations

import socket
import sys

from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import is_socket, read_text

_LISTENING = "0A"


def is_listening(address: Address) -> bool:
    """Return whether a process of this host listens on ``address``."""
    if address.path:
        return is_socket(address.path)
    table = "/proc/net/tcp6" if ":" in address.host else "/proc/net/tcp"
    entry = _table_entry(address)
    rows = (line.split() for line in (read_text(table) or "").splitlines()[1:])
    return any(row[1] == entry and row[3] == _LISTENING for row in rows)


def _table_entry(address: Address) -> str:
    """Return an address in the kernel's format: each 32 bits as a number in host byte order."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address.host else socket.AF_INET, address.host)
    numbers = (int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4))
    return "".join(f"{number:08X}" for number in numbers) + f":{address.port:04X}"
