# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where something listens, as options and dlv write it: 127.0.0.1:2345, [::1]:2345, unix:/run/dlv/api/dlv.sock."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import typing as t

_UNIX = "unix:"
# What has a colon in brackets, what has none without; then the port.
_FORM = re.compile(r"(?:\[([\w.%-]*:[\w:.%-]*)\]|([\w.*-]*)):([0-9]{1,5})", re.ASCII)


class Address(t.NamedTuple):
    """A host, without brackets, and a port; or the ``path`` of a unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return _UNIX + self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def bare(self) -> str:
        """As stunnel and systemd-socket-proxyd write it: what follows the last colon is the port."""
        return self.path or f"{self.host}:{self.port}"

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host as an IP address, an IPv4 address in the form of IPv6 as IPv4; None for a name, and for a zone."""
        with contextlib.suppress(ValueError):
            # Python 3.8 does not know zones.
            address = None if "%" in self.host else ipaddress.ip_address(self.host)
            return getattr(address, "ipv4_mapped", None) or address
        return None

    @property
    def is_local(self) -> bool:
        """Whether this host alone surely reaches it; what another name than localhost leads to is not known."""
        ip = self._replace(host=self.host.partition("%")[0]).ip
        return bool(self.path) or self.host == "localhost" or bool(ip and ip.is_loopback)


def parse_address(text: str) -> Address | None:
    """Return the address that has the form of one, with any host and port; None for any other text.

    A path is that of a unix socket, with ``unix:`` or, if it begins with /, without.
    """
    if text.startswith((_UNIX, "/")):
        path = text[len(_UNIX) :] if text.startswith(_UNIX) else text
        return Address(path=path) if path else None
    match = _FORM.fullmatch(text)
    return Address(match.group(1) or match.group(2), int(match.group(3))) if match else None
