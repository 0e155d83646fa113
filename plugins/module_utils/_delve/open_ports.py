# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether somebody listens, read from the kernel's tables: a connection would be taken for a debugger's client."""

from __future__ import annotations

import socket
import sys

from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import is_socket, read_text

_LISTENING = "0A"


def listens(where: Address) -> bool:
    """Return whether somebody listens there on this host."""
    if where.path:
        return is_socket(where.path)
    table = "/proc/net/tcp6" if ":" in where.host else "/proc/net/tcp"
    wanted = _entry(where)
    lines = (line.split() for line in (read_text(table) or "").splitlines()[1:])
    return any(words[1] == wanted and words[3] == _LISTENING for words in lines)


def _entry(where: Address) -> str:
    """Return the address as the kernel writes it: each 32 bits as a number of this machine."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in where.host else socket.AF_INET, where.host)
    numbers = (int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4))
    return "".join(f"{number:08X}" for number in numbers) + f":{where.port:04X}"
