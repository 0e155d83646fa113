# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the files and units of the TLS server: one stunnel, and a relay behind it for each debug service.

dlv accepts connections on loopback addresses only from processes of its own user. A TLS server of that user would
expose its key to every program that the user debugs. Therefore the server has a separate user. It forwards admitted
connections through a Unix socket, which no other user can open, to a relay of the debugger's user without secrets.
"""

from __future__ import annotations

import os
import re
import typing as t

from ..._core.managed_header import managed_header
from ..._systemd.back_off import START_DELAY
from ..._systemd.edits import sealed
from ..._systemd.hardening import SANDBOX
from .endpoints import TlsEndpoint

USER = "gopherops-debug-tls"
STUNNEL = "/usr/bin/stunnel"
DIRECTORY = "/etc/gopherops/debug/tls"
# Those of TlsMaterial, in its order, and the configuration.
CONFIGURATION = "stunnel.conf"
FILES = ("ca.crt", "server.crt", "server.key", "crl.pem", CONFIGURATION)
# Not dlv-*: these are the names of debug services.
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


class TlsMaterial(t.NamedTuple):
    """The certificates, key and revocation list as PEM texts; empty before they are created."""

    authority: str
    certificate: str
    key: str
    revocations: str


class ServerFile(t.NamedTuple):
    """The content of a file, and whether only the server's user may read it."""

    text: str
    secret: bool = False


def relay_socket(endpoint: TlsEndpoint) -> str:
    """Return the path of the socket between the TLS server and the relay of an endpoint."""
    return f"/run/debug-tls/{endpoint.name}.sock"


def server_files(
    endpoints: t.Sequence[TlsEndpoint], material: TlsMaterial, minimum: str, directory: str = DIRECTORY
) -> dict[str, ServerFile]:
    """Return the files of the TLS server by path; ``minimum`` is the minimum TLS version, such as TLSv1.2."""
    if not endpoints:
        return {}
    texts = (*material, render_stunnel_configuration(endpoints, minimum, directory))
    return {
        os.path.join(directory, name): ServerFile(text, secret=name.endswith(".key"))
        for name, text in zip(FILES, texts)
    }


def server_units(
    endpoints: t.Sequence[TlsEndpoint], directory: str = DIRECTORY, *, kept: bool = False
) -> dict[str, str]:
    """Return the text of each unit, by its name; with ``kept`` the server also serves endpoints of earlier runs."""
    units = {SERVER: _render_server_unit(directory)} if endpoints or kept else {}
    for endpoint in endpoints:
        units[f"debug-tls-{endpoint.name}.socket"] = _render_socket_unit(endpoint)
        units[f"debug-tls-{endpoint.name}.service"] = _render_relay_unit(endpoint)
    return {name: sealed(text) for name, text in units.items()}


def render_stunnel_configuration(endpoints: t.Sequence[TlsEndpoint], minimum: str, directory: str = DIRECTORY) -> str:
    """Return stunnel's configuration. Each section repeats the verification options: it inherits none."""
    head = f"""\
foreground = yes
pid =
syslog = no
debug = notice
sslVersionMin = {minimum}
options = NO_RENEGOTIATION
cert = {directory}/server.crt
key = {directory}/server.key
TIMEOUTbusy = 5
TIMEOUTclose = 0
socket = l:TCP_NODELAY=1
"""
    sections = "".join(_render_stunnel_section(endpoint, directory) for endpoint in endpoints)
    return managed_header("dlv_tls", comment=";") + head + sections


def split_sections(configuration: str) -> tuple[str, dict[str, str]]:
    """Return the head of a stunnel configuration, and the text of its sections by their names."""
    head, *sections = re.split(r"^(?=\[)", configuration, flags=re.MULTILINE)
    return head, {section[1:].partition("]")[0]: section for section in sections}


def join_sections(head: str, sections: t.Mapping[str, str]) -> str:
    """Return a stunnel configuration; its sections are sorted, so that plays with other services keep their order."""
    return "\n".join(text.strip("\n") + "\n" for text in (head, *(sections[name] for name in sorted(sections))))


def _render_stunnel_section(endpoint: TlsEndpoint, directory: str) -> str:
    admitted = "".join(f"checkHost = {client}\n" for client in endpoint.clients)
    return f"""
[{endpoint.name}]
accept = {endpoint.address.bare}
connect = {relay_socket(endpoint)}
verifyChain = yes
requireCert = yes
CAfile = {directory}/ca.crt
CRLfile = {directory}/crl.pem
{admitted}"""


def _render_server_unit(directory: str) -> str:
    return f"""{_HEADER}[Unit]
Description=TLS server of the debug services
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User={USER}
{START_DELAY}ExecStart={STUNNEL} {directory}/stunnel.conf
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
MemoryMax=256M
# Each connection is a thread until its handshake: an idle one must not keep others out before TIMEOUTbusy.
TasksMax=4096
LimitNOFILE=16384
{_HARDENING}
[Install]
WantedBy=multi-user.target
"""


def _render_socket_unit(endpoint: TlsEndpoint) -> str:
    return f"""{_HEADER}[Unit]
Description=Socket between the TLS server and the relay to the debug service {endpoint.name}

[Socket]
ListenStream={relay_socket(endpoint)}
SocketUser={USER}
SocketMode=0600
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""


def _render_relay_unit(endpoint: TlsEndpoint) -> str:
    return f"""{_HEADER}[Unit]
Description=Relay to the debug service {endpoint.name}, as its user
After=dlv-{endpoint.name}.service

[Service]
User={endpoint.user}
ExecStart=/lib/systemd/systemd-socket-proxyd --exit-idle-time=60s {endpoint.target}
MemoryMax=64M
TasksMax=32
{_HARDENING}"""
