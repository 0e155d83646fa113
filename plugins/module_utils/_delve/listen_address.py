# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a headless dlv may listen: on the host's own loopback, or on a unix socket in a folder of its user alone.

dlv has no TLS and asks nobody for a password; ``--only-same-user`` looks at connections over the loopback only.
"""

from __future__ import annotations

import os
import re

from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address, address_in
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError

# systemd makes it for each unit, for the unit's user alone; dlv's sockets are open to whoever gets there.
RUNTIME = "/run/dlv"
_PORTS = range(1024, 65536)
_EXPECTED = "127.0.0.1:PORT, [::1]:PORT, or a unix socket in {folder}"


def listen_from(text: str, name: str) -> Address:
    """Return where the debug service ``name`` listens; raise DevserverError for what others could reach."""
    where = address_in(text)
    if where is None:
        raise _refused(text, name, "is no address and port", "write IPv6 addresses in brackets, and always a port")
    if where.path:
        return _socket(text, name, where)
    if where.port not in _PORTS:
        raise _refused(text, name, f"has the port {where.port}", "take one from 1024 to 65535, which the user may open")
    return _loopback(text, name, where)


def _loopback(text: str, name: str, where: Address) -> Address:
    # dlv gets the address: what the name leads to is a file's to say.
    if where.host == "localhost":
        return where._replace(host="127.0.0.1")
    if where.ip is None:
        what = f"has {where.host!r}, which is no address" if where.host else "would listen on every address"
        raise _refused(text, name, what, "write an address: what a name leads to can change")
    if not where.is_local:
        raise _refused(
            text,
            name,
            f"would listen on {where.host}, where others can reach it: dlv asks nobody who they are, and has no TLS",
            "listen on the loopback, and declare tls for connections from elsewhere, or use a tunnel of ssh",
        )
    return where._replace(host=str(where.ip))


def _socket(text: str, name: str, where: Address) -> Address:
    folder, (above, socket) = runtime_folder(name), os.path.split(where.path)
    if above != folder or not re.fullmatch(r"[\w-][\w.-]*", socket, re.ASCII):
        what = f"would be open to everybody who reaches {above or 'it'}"
        raise _refused(text, name, what, f"put it into {folder}, which only the service's user can enter")
    return where


def runtime_folder(name: str) -> str:
    """Return the folder that exists while the debug service ``name`` runs."""
    return os.path.join(RUNTIME, name)


def _refused(text: str, name: str, what: str, remedy: str) -> DevserverError:
    return DevserverError(
        f"debug service {name}: listen {text!r} {what}",
        expected=_EXPECTED.format(folder=runtime_folder(name)),
        remedy=remedy,
        service=name,
    )
