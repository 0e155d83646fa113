# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host is given for TLS in front of its debuggers: one stunnel, and a relay behind it for each debugger.

dlv takes connections over the loopback address from processes of its own user alone. A TLS server that ran as that user
would show its key to whatever the user debugs. So the server runs as a user of its own; what it lets in goes through a
Unix socket, which no other user may open, to a relay that runs as the debugger's user and knows no secret.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.managed_header import managed_header
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.endpoints import Door
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.hardening import SANDBOX

USER = "gopherops-debug-tls"
STUNNEL = "/usr/bin/stunnel"
FOLDER = "/etc/gopherops/debug/tls"
FILES = ("ca.crt", "server.crt", "server.key", "crl.pem", "stunnel.conf")
# Not dlv-…: those are the debuggers' own.
SERVER = "debug-tls.service"
RELAYS = "debug-tls-*"

_HARDENING = f"""\
{SANDBOX}MemoryDenyWriteExecute=yes
PrivateTmp=yes
ProcSubset=pid
ProtectHome=yes
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallFilter=~@privileged
UMask=0077
"""
_HEADER = managed_header("dlv_tls")


class Material(t.NamedTuple):
    """Certificates, key and revocation list as PEM texts; all empty where they are still to be made."""

    authority: str
    certificate: str
    key: str
    revocations: str


class Wanted(t.NamedTuple):
    """What a file holds, and whether it is for the server's user alone."""

    text: str
    secret: bool = False


def relay_socket(door: Door) -> str:
    """Return the path through which the TLS server reaches the relay of a door."""
    return f"/run/debug-tls/{door.name}.sock"


def files_of(doors: t.Sequence[Door], material: Material, minimum: str, folder: str = FOLDER) -> dict[str, Wanted]:
    """Return the files of the TLS server itself by path; ``minimum`` is the oldest version of TLS, such as TLSv1.2."""
    if not doors:
        return {}
    return {
        os.path.join(folder, "ca.crt"): Wanted(material.authority),
        os.path.join(folder, "server.crt"): Wanted(material.certificate),
        os.path.join(folder, "server.key"): Wanted(material.key, secret=True),
        os.path.join(folder, "crl.pem"): Wanted(material.revocations),
        os.path.join(folder, "stunnel.conf"): Wanted(configuration(doors, minimum, folder)),
    }


def units_of(doors: t.Sequence[Door], folder: str = FOLDER) -> dict[str, str]:
    """Return the text of each unit by its name."""
    if not doors:
        return {}
    units = {SERVER: _server(folder)}
    for door in doors:
        units[f"debug-tls-{door.name}.socket"] = _socket(door)
        units[f"debug-tls-{door.name}.service"] = _relay(door)
    return units


def configuration(doors: t.Sequence[Door], minimum: str, folder: str = FOLDER) -> str:
    """Return stunnel's configuration. What is asked of a client is said for each door: nothing is inherited there."""
    head = f"""\
foreground = yes
pid =
syslog = no
debug = notice
sslVersionMin = {minimum}
options = NO_RENEGOTIATION
cert = {folder}/server.crt
key = {folder}/server.key
TIMEOUTbusy = 30
TIMEOUTclose = 0
socket = l:TCP_NODELAY=1
"""
    return managed_header("dlv_tls", comment=";") + head + "".join(_section(door, folder) for door in doors)


def _section(door: Door, folder: str) -> str:
    admitted = "".join(f"checkHost = {client}\n" for client in door.clients)
    return f"""
[{door.name}]
accept = {door.address.bare}
connect = {relay_socket(door)}
verifyChain = yes
requireCert = yes
CAfile = {folder}/ca.crt
CRLfile = {folder}/crl.pem
{admitted}"""


def _server(folder: str) -> str:
    return f"""{_HEADER}[Unit]
Description=TLS in front of the debuggers
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User={USER}
ExecStart={STUNNEL} {folder}/stunnel.conf
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
MemoryMax=256M
TasksMax=256
{_HARDENING}
[Install]
WantedBy=multi-user.target
"""


def _socket(door: Door) -> str:
    return f"""{_HEADER}[Unit]
Description=Where the TLS server hands over connections to the debugger {door.name}

[Socket]
ListenStream={relay_socket(door)}
SocketUser={USER}
SocketMode=0600
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""


def _relay(door: Door) -> str:
    return f"""{_HEADER}[Unit]
Description=Relay to the debugger {door.name}, as its user
After=dlv-{door.name}.service

[Service]
User={door.user}
ExecStart=/lib/systemd/systemd-socket-proxyd --exit-idle-time=60s {door.target}
MemoryMax=64M
TasksMax=32
{_HARDENING}"""
