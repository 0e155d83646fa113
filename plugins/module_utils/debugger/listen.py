# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a headless dlv may listen: on the host's own loopback, or on a unix socket in a folder of its user alone.

dlv has no TLS and asks nobody for a password; ``--only-same-user`` looks at connections over the loopback only.
"""

from __future__ import annotations

import ipaddress
import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError

# systemd makes it for each unit, for the unit's user alone; dlv's sockets are open to whoever gets there.
RUNTIME = "/run/dlv"
_UNIX = "unix:"
# An address in brackets, or one without a colon; then the port.
_ADDRESS = re.compile(r"(?:\[([^][]*)\]|([^][:]*)):([0-9]{1,5})", re.ASCII)
_PORTS = range(1024, 65536)
_EXPECTED = "127.0.0.1:PORT, [::1]:PORT, or a unix socket in {folder}"


class Listen(t.NamedTuple):
    """An address of the loopback and a port, or the ``path`` of a unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        """Return it as dlv's option ``--listen`` takes it."""
        if self.path:
            return _UNIX + self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen_from(text: str, name: str) -> Listen:
    """Return where the debug service ``name`` listens; raise DevserverError for what others could reach."""
    if text.startswith(("/", _UNIX)):
        return _socket(text, name)
    match = _ADDRESS.fullmatch(text)
    if not match:
        raise _refused(text, name, "is no address and port", "write IPv6 addresses in brackets, and always a port")
    bracketed, plain, port = match.groups()
    if int(port) not in _PORTS:
        raise _refused(text, name, f"has the port {port}", "take one from 1024 to 65535, which the user may open")
    return Listen(_loopback(text, name, bracketed, plain), int(port))


def _loopback(text: str, name: str, bracketed: str | None, plain: str) -> str:
    host = plain if bracketed is None else bracketed
    # dlv gets the address: what the name leads to is a file's to say.
    if host == "localhost" and bracketed is None:
        return "127.0.0.1"
    try:
        if "%" in host:  # Later versions of Python than 3.8 take a zone.
            raise ValueError(host)
        address = (ipaddress.IPv4Address if bracketed is None else ipaddress.IPv6Address)(host)
    except ValueError:
        what = "would listen on every address" if not host else f"has {host!r}, which is no address"
        raise _refused(text, name, what, "write an address: what a name leads to can change") from None
    if not address.is_loopback:
        raise _refused(
            text,
            name,
            f"would listen on {host}, where others can reach it: dlv asks nobody who they are, and has no TLS",
            "listen on the loopback, and declare tls for connections from elsewhere, or use a tunnel of ssh",
        )
    return str(address)


def _socket(text: str, name: str) -> Listen:
    path = text[len(_UNIX) :] if text.startswith(_UNIX) else text
    folder = runtime_folder(name)
    if os.path.dirname(path) != folder or not re.fullmatch(r"[\w-][\w.-]*", os.path.basename(path), re.ASCII):
        what = f"would be open to everybody who reaches {os.path.dirname(path) or 'it'}"
        raise _refused(text, name, what, f"put it into {folder}, which only the service's user can enter")
    return Listen(path=path)


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
