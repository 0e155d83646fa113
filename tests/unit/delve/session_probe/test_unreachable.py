# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The causes of a connection that fails, with real sockets; firewalls are in network namespaces of the test."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import (
    Breakpoint,
    DebugProbePlan,
    TlsFiles,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.probe import probe
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

# Connects to each address, and prints the cause and the message of its failure.
EXPLAIN = """
import json, socket, sys
from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import parse_address
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe import unreachable
for text in sys.argv[1:]:
    address = parse_address(text)
    try:
        socket.create_connection((address.host, address.port), 0.5).close()
        print(json.dumps(["connected", ""]))
    except OSError as error:
        print(json.dumps(unreachable.explain_error(address, error)))
"""
NAMESPACE = """
set -e
ip link set lo up
ip address add 192.0.2.1/32 dev lo
ip route add 192.0.2.9 dev lo
{rules}
{python} -c 'import socket, time
sockets = [socket.create_server(("0.0.0.0", port)) for port in (5001, 5002, 5003, 5004)]
sockets.append(socket.create_server(("127.0.0.1", 5005)))
print("ready", flush=True)
time.sleep(60)' > ready &
until [ -s ready ]; do sleep 0.05; done
{python} -c "$EXPLAIN" "$@"
kill $!
"""
RULES = """
iptables -A OUTPUT -d 192.0.2.9 -j DROP
iptables -A INPUT -p tcp --dport 5002 -j DROP
iptables -A INPUT -p tcp --dport 5003 -j REJECT --reject-with tcp-reset
iptables -A INPUT -p tcp --dport 5004 -j REJECT --reject-with icmp-host-prohibited
"""


def may_make_namespaces() -> bool:
    return (
        bool(shutil.which("iptables"))
        and not subprocess.run(["unshare", "-n", "iptables", "-S"], capture_output=True, check=False).returncode
    )


def explain(*addresses: str, prefix: t.Sequence[str] = (), cwd: pathlib.Path | None = None) -> list[list[str]]:
    argv = [*prefix] if prefix else [sys.executable, "-c", EXPLAIN]
    env = {**os.environ, "EXPLAIN": EXPLAIN}
    completed = subprocess.run(
        [*argv, *addresses], env=env, cwd=cwd, check=False, capture_output=True, text=True, timeout=60
    )
    assert completed.returncode == 0, completed.stderr
    return [json.loads(line) for line in completed.stdout.splitlines()]


@pytest.mark.skipif(os.geteuid() != 0 or not may_make_namespaces(), reason="only root has namespaces and iptables")
def test_firewalls_and_addresses_in_a_namespace(tmp_path: pathlib.Path) -> None:
    script = NAMESPACE.format(rules=RULES, python=sys.executable)
    prefix = ["unshare", "-n", "sh", "-c", script, "sh"]
    expected = {
        "127.0.0.1:5001": ("connected", ""),
        "127.0.0.1:5002": ("firewall", "timed out"),
        "127.0.0.1:5003": ("firewall", "although a program listens there"),
        "127.0.0.1:5004": ("firewall", "drops or rejects"),
        "192.0.2.1:5005": ("loopback-only", "listens on 127.0.0.1:5005 only"),
        "192.0.2.1:5006": ("not-listening", "nothing listens"),
        "192.0.2.9:5001": ("no-response", "port 22 does not respond either"),
        "203.0.113.1:5001": ("no-response", "unreachable"),
    }
    found = explain(*expected, prefix=prefix, cwd=tmp_path)
    assert [cause for cause, *_rest in found] == [cause for cause, _part in expected.values()]
    for reason, (_cause, part) in zip(found, expected.values(), strict=True):
        assert part in reason[1]


@pytest.mark.skipif(os.geteuid() != 0 or not may_make_namespaces(), reason="only root has namespaces")
def test_a_container_that_does_not_publish_its_port(tmp_path: pathlib.Path) -> None:
    program = "import socket; s = socket.create_server(('', 0)); print(s.getsockname()[1], flush=True); input()"
    argv = ["unshare", "-n", sys.executable, "-c", program]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as container:
        assert container.stdout
        port = int(container.stdout.readline())
        [[cause, message, remedy]] = explain(f"127.0.0.1:{port}")
        assert (cause, str(port) in remedy) == ("not-published", True)
        assert "in another network namespace" in message
        container.kill()


def test_names_and_ports_without_a_listener() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        causes = explain(f"127.0.0.1:{port}", "localhost.invalid:1")
    assert [cause for cause, *_rest in causes] == ["not-listening", "name"]
    assert "the connection was rejected" in causes[0][1]


@contextlib.contextmanager
def server(respond: t.Callable[[socket.socket], None]) -> t.Iterator[Address]:
    """Run a server that handles each connection with ``respond``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    stream, _address = listener.accept()
                    with contextlib.suppress(OSError), stream:
                        respond(stream)

        threading.Thread(target=serve, daemon=True).start()
        yield Address("127.0.0.1", listener.getsockname()[1])
        # accept() does not end with the descriptor.
        listener.shutdown(socket.SHUT_RDWR)


def probe_at(address: Address, directory: pathlib.Path, tls: TlsFiles | None = None) -> DevserverError:
    (directory / "main.go").write_text("package main\n\nfunc main() {\n\tprintln()\n}\n")
    account = find_account(getpass.getuser())
    plan = DebugProbePlan(
        "/bin/false", account, {}, "attach", "remote", [Breakpoint("one", str(directory / "main.go"), 4, {}, [])],
        address=address, tls=tls, runs=1, timeout=2, scratch=str(directory),
    )  # fmt: skip
    with pytest.raises(DevserverError) as error:
        probe(plan)
    return error.value


# This test listens itself, so the name of the program shows that it is no dlv.
@pytest.mark.parametrize(
    ("greeting", "cause", "part"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "wrong-port", "no headless dlv"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "wrong-port", "no headless dlv"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "tls-expected", "expects TLS"),
        (b"", "wrong-port", "no headless dlv"),
    ],
    ids=["ssh", "http", "tls", "silent"],
)
def test_another_server_listens(short_directory: pathlib.Path, greeting: bytes, cause: str, part: str) -> None:
    with server(lambda stream: stream.sendall(greeting)) as address:
        error = probe_at(address, short_directory)
    assert error.details["cause"] == cause
    assert part in error.problem


def test_tls_to_a_server_without_it(short_directory: pathlib.Path, certificates: pathlib.Path) -> None:
    names = ("a.crt", "client-a.crt", "client-a.key")
    tls = TlsFiles(*(str(certificates / name) for name in names), "dlv.example")
    with server(lambda stream: stream.sendall(b"Content-Length: 2\r\n\r\n{}")) as address:
        error = probe_at(address, short_directory, tls)
    assert error.details["cause"] == "no-tls"
    with server(lambda stream: stream.close()) as address:
        assert probe_at(address, short_directory, tls).details["cause"] == "no-tls"


def test_a_tls_server_gets_plain_text(short_directory: pathlib.Path, certificates: pathlib.Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server-a.crt", certificates / "server-a.key")

    def respond(stream: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError):
            context.wrap_socket(stream, server_side=True)

    with server(respond) as address:
        assert probe_at(address, short_directory).details["cause"] == "tls-expected"
