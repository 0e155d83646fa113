# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a headless dlv cannot be reached at an address: by the error of the connection, and what listens on this host.

What another host listens on is not visible here: there an error has several possible causes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import typing as t

from ..._core.addresses import Address
from ..._host.procfs import TcpSocket, listening_sockets, process_ids, read_program, socket_inodes

# Another port of a host, where a response proves that the host runs: that of ssh.
_OTHER_PORT = 22
_OTHER_TIMEOUT = 2.0
_TLS_ALERT, _TLS_HANDSHAKE = b"\x15\x03", b"\x16\x03"
# Programs that terminate TLS for another one.
_TLS_SERVERS = ("stunnel", "haproxy", "ghostunnel")
# What forwards a published port of a container.
_FORWARDERS = ("docker-proxy", "rootlessport", "pasta", "slirp4netns")


class ConnectionProblem(t.NamedTuple):
    """A cause with its stable name, what is wrong, and a remedy."""

    cause: str
    message: str
    remedy: str


def explain_error(address: Address, error: OSError) -> ConnectionProblem:
    """Return why a connection to ``address`` failed."""
    text = error.strerror or str(error)
    if isinstance(error, socket.gaierror):
        return ConnectionProblem("name", f"{address.host} is no known name: {text}", "correct the host in address")
    if address.path:
        return ConnectionProblem("not-listening", text, "check the unit of that debugger and its journal")
    if isinstance(error, ConnectionRefusedError):
        return _explain_rejection(address, f"the connection was rejected ({text})")
    if isinstance(error, (socket.timeout, TimeoutError)) or error.errno == errno.ETIMEDOUT:
        return _explain_silence(address, "the connection timed out")
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM):
        return _explain_silence(address, f"no packet arrives there ({text})")
    return ConnectionProblem("not-listening", text, "check the unit of that debugger and its journal")


def explain_handshake(address: Address, error: OSError) -> ConnectionProblem:
    """Return why the TLS handshake failed, after the connection was made."""
    reason = str(getattr(error, "reason", "") or "")
    program = _listening_program(address)
    plain = any(word in reason for word in ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER"))
    if plain or program.startswith("dlv"):
        listener = f"{program} listens" if program else "a program listens"
        message = f"{listener} there without TLS: {error}"
        return ConnectionProblem(
            "no-tls", message, "use the port of the TLS server of that debug service, or remove tls"
        )
    if isinstance(error, (ssl.SSLEOFError, ConnectionError, socket.timeout, TimeoutError)):
        message = f"the server did not finish the TLS handshake: {error}"
        remedy = "check that a TLS server listens on that port, and look at its log"
        return ConnectionProblem("no-tls", message, remedy)
    remedy = "compare the names, dates and authorities of both certificates"
    return ConnectionProblem("certificate", str(error), remedy)


def explain_peer(address: Address, greeting: bytes) -> ConnectionProblem | None:
    """Return why a server that accepted the connection does not respond like dlv; None if nothing shows that.

    ``greeting`` are the first bytes that it sent.
    """
    if address.path:
        return None
    program = _listening_program(address)
    silent = not greeting and not program.startswith("dlv")
    alert = greeting.startswith((_TLS_ALERT, _TLS_HANDSHAKE))
    if alert or program.startswith(_TLS_SERVERS) or (silent and _speaks_tls(address)):
        message = f"{address} expects TLS" + (f": {program} listens there" if program else "")
        return ConnectionProblem("tls-expected", message, "set tls, or use the loopback address of dlv itself")
    if program in _FORWARDERS:
        message = f"{program} forwards {address} to a container, in which no dlv accepts connections on that port"
        remedy = "let dlv listen on 0.0.0.0 in the container, and publish the port on 127.0.0.1 only"
        return ConnectionProblem("not-published", message, remedy)
    known = {b"SSH-": "an SSH server", b"HTTP/": "an HTTP server"}
    sent = next((name for start, name in known.items() if greeting.startswith(start)), "another program")
    if (greeting and not greeting.startswith(b"Content-Length")) or (program and not program.startswith("dlv")):
        message = f"{program or sent} listens on {address}, which is no headless dlv"
        return ConnectionProblem("wrong-port", message, f"correct the port in address{_elsewhere(address)}")
    return None


def _explain_rejection(address: Address, problem: str) -> ConnectionProblem:
    addresses = _own_addresses(address)
    if not addresses:
        remedy = f"on that host, run: ss -ltnp 'sport = :{address.port}'"
        message = (
            f"{problem}: the host runs, and no program accepts connections there. It is not started, listens on the"
            " loopback address only, is in a container that does not publish the port, or a firewall rejects"
        )
        return ConnectionProblem("not-listening", message, remedy)
    sockets = [item for item in listening_sockets() if item.address.port == address.port]
    if any(_accepts(item, addresses) for item in sockets):
        message = f"{problem}, although a program listens there: a firewall of this host rejects connections"
        return ConnectionProblem("firewall", message, _firewall_remedy(address))
    if sockets:
        message = f"{problem}: on this port a program listens on {sockets[0].address} only"
        return ConnectionProblem(
            "loopback-only", message, f"set address to {sockets[0].address}, or use tls or ssh from outside"
        )
    container = _listening_elsewhere(address.port)
    if container:
        message = f"{problem}: process {container} listens on this port in another network namespace, as in a container"
        remedy = (
            "publish the port, such as with --publish 127.0.0.1:{0}:{0}, and let dlv listen on 0.0.0.0 in the container"
        )
        return ConnectionProblem("not-published", message, remedy.format(address.port))
    elsewhere = _elsewhere(address)
    if elsewhere:
        return ConnectionProblem(
            "wrong-port", f"{problem}: nothing listens on this port", f"correct address{elsewhere}"
        )
    remedy = "check the unit of that debugger and its journal, and start it"
    return ConnectionProblem("not-listening", f"{problem}: nothing listens on this port", remedy)


def _explain_silence(address: Address, problem: str) -> ConnectionProblem:
    addresses = _own_addresses(address)
    if addresses or _responds(address):
        listens = any(_accepts(item, addresses) for item in listening_sockets() if item.address.port == address.port)
        state = " and a program listens there" if addresses and listens else ""
        message = f"{problem}, but the host runs{state}: a firewall drops or rejects packets to this port"
        return ConnectionProblem("firewall", message, _firewall_remedy(address))
    message = (
        f"{problem}, and port {_OTHER_PORT} does not respond either: the host is off, has another address, or drops all"
    )
    return ConnectionProblem("no-response", message, "check the address, the route and the firewalls on the way")


def _firewall_remedy(address: Address) -> str:
    return (
        f"allow TCP port {address.port} where 'nft list ruleset' or 'iptables -S' shows a rule, or forward it over ssh"
    )


def _own_addresses(address: Address) -> set[str]:
    """Return the addresses of this host that a host leads to; empty for those of another host."""
    addresses = set()
    with contextlib.suppress(OSError, UnicodeError):
        for family, _kind, _protocol, _name, place in socket.getaddrinfo(address.host, 0, type=socket.SOCK_STREAM):
            with contextlib.suppress(OSError), socket.socket(family) as stream:
                stream.bind(place)
                addresses.add(str(place[0]))
    return addresses


def _accepts(listener: TcpSocket, addresses: t.Collection[str]) -> bool:
    ip = listener.address.ip
    return bool(ip and (ip.is_unspecified or str(ip) in addresses))


def _responds(address: Address) -> bool:
    """Return whether the host of ``address`` accepts or rejects a connection to another port."""
    try:
        with socket.create_connection((address.host, _OTHER_PORT), _OTHER_TIMEOUT):
            return True
    except OSError as error:
        return isinstance(error, ConnectionRefusedError)


def _speaks_tls(address: Address) -> bool:
    """Return whether a server takes part in a TLS handshake; who it is does not matter, because nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((address.host, address.port), _OTHER_TIMEOUT) as stream:
            context.wrap_socket(stream).close()
    except ssl.SSLError as error:
        return "ALERT" in str(error.reason)
    except OSError:
        return False
    return True


def _listening_program(address: Address) -> str:
    """Return the name of the program that accepts connections to an address of this host; empty if not known."""
    addresses = _own_addresses(address) if not address.path else set()
    sockets = (item for item in listening_sockets() if item.address.port == address.port)
    inodes = {item.inode for item in sockets if _accepts(item, addresses)}
    return next((os.path.basename(read_program(pid)) for pid in _owners(inodes)), "")


def _owners(inodes: t.Collection[str]) -> t.Iterator[int]:
    for pid in process_ids() if inodes else ():
        with contextlib.suppress(OSError):
            if socket_inodes(pid) & set(inodes):
                yield pid


def _elsewhere(address: Address) -> str:
    """Return a hint at the addresses on which dlv listens on this host; empty if there is none."""
    if not _own_addresses(address):
        return ""
    inodes = {item.inode: str(item.address) for item in listening_sockets()}
    listening = []
    for pid in process_ids():
        if os.path.basename(read_program(pid)).startswith("dlv"):
            with contextlib.suppress(OSError):
                listening += [inodes[inode] for inode in socket_inodes(pid) if inode in inodes]
    return f": dlv listens on {', '.join(sorted(listening))}" if listening else ""


def _listening_elsewhere(port: int) -> int:
    """Return a process of another network namespace, in which a program listens on the port; 0 for none."""
    namespaces = {_namespace("self")}
    for pid in process_ids():
        namespace = _namespace(str(pid))
        if namespace and namespace not in namespaces:
            namespaces.add(namespace)
            if any(item.address.port == port for item in listening_sockets(f"/proc/{pid}")):
                return pid
    return 0


def _namespace(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""
