# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debug ports in front of the loopback: real handshakes with real certificates, and dlv's own responses behind them."""

from __future__ import annotations

import base64
import contextlib
import datetime
import io
import os
import pathlib
import shutil
import socket
import ssl
import tarfile
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.framing import Connection
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

AUTHORITY = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "debug-tls"
API, SIX = 12345, 12346
ON_HOST = "/etc/gopherops/debug/tls"
HOUR = datetime.timedelta(hours=1)

# A client without any library of this collection, on the host itself: $1 is the port.
REQUEST = """
python3 - "$1" <<'EOF'
import json, socket, sys
request = json.dumps({"seq": 1, "type": "request", "command": "initialize", "arguments": {"adapterID": "go"}}).encode()
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) as stream:
    stream.settimeout(10)
    stream.sendall(b"Content-Length: %d\\r\\n\\r\\n%s" % (len(request), request))
    print(stream.makefile("rb").read(200).decode())
EOF
"""


@pytest.fixture(scope="module")
def address(host):
    """The host's IPv4 address, as others see it."""
    return host.check_output("hostname -I").split()[0]


def pair(name, directory="clients"):
    return AUTHORITY / directory / f"{name}.crt", AUTHORITY / directory / f"{name}.key"


@contextlib.contextmanager
def connected(address, port, certificate=None, version=None):
    """Yield a connection through the TLS port, whose server is verified."""
    context = ssl.create_default_context(cafile=AUTHORITY / "ca.crt")
    if version:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    if certificate:
        context.load_cert_chain(*certificate)
    with (
        socket.create_connection((address, port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as stream,
    ):
        stream.settimeout(10)
        yield stream


def debugged(stream):
    """Attach to the program under dlv, and return the names of the goroutines that it reports."""
    connection = Connection(stream, "dlv")
    requests = {
        "initialize": {"adapterID": "go"},
        "attach": {"mode": "remote"},
        "threads": {},
        "disconnect": {"terminateDebuggee": False},
    }
    responses = {}
    for number, (command, arguments) in enumerate(requests.items(), 1):
        connection.send({"seq": number, "type": "request", "command": command, "arguments": arguments})
        ends = "initialized" if command == "attach" else command
        while ends not in responses:
            message = connection.receive(10)
            responses[message.get("event") or message["command"]] = message
    return [thread["name"] for thread in responses["threads"]["body"]["threads"]]


@pytest.fixture
def rejected(host, address):
    """Expect the server to close a connection before dlv responds, with ``why`` in its journal."""

    def expect(why, port, certificate=None, version=None):
        cursor = host.check_output("journalctl -u debug-tls -n 0 --show-cursor").partition("cursor: ")[2]
        # Which error it is for the client is up to which packet is faster, the server's alert or its end.
        with (
            pytest.raises((ssl.SSLError, ConnectionError)) as error,
            connected(address, port, certificate, version) as stream,
        ):
            # With TLS 1.3 the client's handshake is complete before the server has verified it.
            stream.sendall(b"Content-Length: 2\r\n\r\n{}")
            if not stream.recv(100):
                raise ConnectionResetError
        assert not isinstance(error.value, ssl.SSLCertVerificationError)
        journal = f"journalctl -u debug-tls -o cat --after-cursor='{cursor}'"
        search = f"{journal} | grep -F -- '{why}'"
        wait = f"for n in $(seq 50); do {search} && exit; sleep 0.1; done; exit 1"
        assert host.run(wait).succeeded, host.run(journal)

    return expect


@pytest.fixture
def signed(tmp_path):
    """Sign a client's certificate that ends some hours from now, by the scenario's authority or one of its name."""

    def sign(name, hours=1, *, trusted=True):
        authority = x509.load_pem_x509_certificate((AUTHORITY / "ca.crt").read_bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        signer = serialization.load_pem_private_key((AUTHORITY / "ca.key").read_bytes(), None) if trusted else key
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(authority.subject)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - 48 * HOUR).not_valid_after(now + hours * HOUR)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        files = tmp_path / "client.crt", tmp_path / "client.key"
        files[0].write_bytes(builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
        return files

    return sign


@pytest.mark.parametrize(
    ("port", "client", "version"),
    [
        (API, "alice-laptop", ssl.TLSVersion.TLSv1_2),
        (API, "ci", ssl.TLSVersion.TLSv1_3),
        (SIX, "ci", None),
    ],
)
def test_who_may_come_in_debugs(address, port, client, version):
    with connected(address, port, pair(client), version) as stream:
        assert debugged(stream)


def test_a_certificate_of_the_authority_is_all_it_takes(address, signed):
    with connected(address, API, signed("ci")) as stream:
        assert debugged(stream)


def test_a_client_without_a_certificate_is_rejected(rejected):
    rejected("peer did not return a certificate", API)


def test_idle_connections_keep_no_client_out(address):
    """Without a handshake a connection occupies only a thread, for seconds."""
    with contextlib.ExitStack() as idle:
        for _number in range(300):
            idle.enter_context(socket.create_connection((address, API), 10))
        begin = time.monotonic()
        with connected(address, API, pair("alice-laptop")) as stream:
            assert debugged(stream)
        assert time.monotonic() - begin < 5


def test_another_authority_of_the_same_name_is_not_trusted(rejected, signed):
    rejected("certificate signature failure", API, signed("ci", trusted=False))


def test_an_expired_certificate_is_rejected(rejected, signed):
    rejected("certificate has expired", API, signed("ci", hours=-1))


def test_the_certificate_of_a_host_is_no_client_certificate(rejected, host):
    rejected("unsuitable certificate purpose", API, pair(host.check_output("hostname"), "servers"))


def test_a_client_that_this_port_does_not_admit_is_rejected(rejected, signed):
    rejected("Subject checks failed", SIX, pair("alice-laptop"))
    rejected("Subject checks failed", API, signed("eve"))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_is_rejected(rejected):
    rejected("unsupported protocol", API, pair("ci"), ssl.TLSVersion.TLSv1_1)


@pytest.mark.parametrize("server", ["127.0.0.1", "::1"])
def test_what_a_client_is_given_is_all_it_needs(host, server):
    """A stunnel of the client's, over IPv4 and IPv6; on the host itself, so its port must be another."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(AUTHORITY / "bundles/alice-laptop", "bundle")
    host.check_output(f"echo {base64.b64encode(packed.getvalue()).decode()} | base64 -d | tar -x -C /tmp")
    name = host.check_output("hostname")
    edit = f"s/^accept = .*/accept = 127.0.0.1:22345/; s/^connect = {name}:/connect = {server}:/"
    start = f"cd /tmp/bundle && sed '{edit}' stunnel-{name}.conf > test.conf && exec stunnel test.conf"
    host.check_output(f'systemd-run --quiet --unit=client -p DynamicUser=no sh -c "{start}"')
    try:
        host.check_output("for n in $(seq 50); do ss -ltn | grep -q :22345 && exit; sleep 0.1; done; exit 1")
        assert '"command":"initialize"' in host.check_output(f"set -- 22345; {REQUEST}")
    finally:
        host.check_output("systemctl stop client; rm -rf /tmp/bundle")


def test_nobody_but_the_servers_user_reaches_key_and_relays(host):
    key = host.file(f"{ON_HOST}/server.key")
    assert (key.user, key.mode) == ("gopherops-debug-tls", 0o600)
    for user in ("alice", "bob"):
        assert not host.run(f"runuser -u {user} -- cat {ON_HOST}/server.key").succeeded
        connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/debug-tls/api.sock')"
        assert "Permission denied" in host.run(f'runuser -u {user} -- python3 -c "{connect}"').stderr


def test_the_authoritys_key_stays_on_the_controller(host):
    line = (AUTHORITY / "ca.key").read_text().splitlines()[1]
    assert not host.run(f"grep -rsF -- {line} /etc /var/lib /root /home /tmp").succeeded


def test_the_server_and_the_relays_have_users_of_their_own_and_little_else(host):
    owners = {"debug-tls.service": "gopherops-debug-tls", "debug-tls-api.service": "alice"}
    for unit, user in owners.items():
        assert host.check_output(f"systemctl show --property=User --value {unit}") == user
        assert host.run(f"systemd-analyze security --threshold=15 {unit}").succeeded


def test_a_revoked_client_is_disconnected_for_good_and_certificates_are_renewed(play, address, rejected, tmp_path):
    lost = [shutil.copy(file, tmp_path) for file in pair("lost")]
    served = ssl.get_server_certificate((address, API))
    with connected(address, API, lost) as stream:
        # All that the first run made is due then, and what this one makes is not.
        renewal = {"devserver_tls_renew_before": "+398d", "debugger_tls_lifetime": "+500d"}
        result = play("site", "--tags=debugger", debugger_tls_revoked=["lost"], **renewal)
        assert result.returncode == 0, result.output
        assert "PRIVATE KEY" not in result.output
        assert stream.recv(1) == b""
    rejected("certificate revoked", API, lost)
    assert not (AUTHORITY / "bundles/lost").exists()
    assert not pair("lost")[1].exists()
    assert ssl.get_server_certificate((address, API)) != served
    with connected(address, API, pair("ci")) as stream:
        assert debugged(stream)

    result = play("site", "--tags=debugger")
    assert result.returncode == 0, result.output
    with connected(address, API, pair("lost")) as stream:
        assert debugged(stream)
    rejected("certificate revoked", API, lost)
