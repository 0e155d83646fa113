# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads that are broken, and a server whose certificate is not valid by the host's clock."""

from __future__ import annotations

import datetime
import pathlib
import random
import ssl
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.install import (
    install_toolchains,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.request import ToolchainRequest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.faults.toolchain.conftest import NEW, OLD, ToolchainHost
from tests.support.http_server import Server, send
from tests.support.toolchains import HERE, Toolchain

Make = t.Callable[..., ToolchainRequest]
CHANCE = random.Random(4)


def flipped(body: bytes, place: int) -> bytes:
    return body[:place] + bytes([body[place] ^ 1 << CHANCE.randrange(8)]) + body[place + 1 :]


def assert_old_then_new(
    toolchain_host: ToolchainHost, request: ToolchainRequest, server: Server, routes: dict[str, t.Any]
) -> None:
    assert toolchain_host.version() == OLD
    assert toolchain_host.names() == toolchain_host.expected_names(OLD)
    server.routes = routes
    install_toolchains(request, HERE, check=False)
    assert toolchain_host.version() == NEW
    assert toolchain_host.names() == toolchain_host.expected_names(OLD, NEW)


# Not a longer zip: it is read from its end, and holds the same files.
@pytest.mark.parametrize(
    ("kind", "harm"),
    [*((kind, harm) for kind in ("tar", "zip") for harm in ("truncated", "flipped", "empty")), ("tar", "longer")],
)
def test_a_broken_file_has_the_wrong_digest(
    toolchain_host: ToolchainHost, make_request: Make, server: Server, new: Toolchain, kind: str, harm: str
) -> None:
    body = getattr(new, kind)
    path = f"/{new.tar_name}" if kind == "tar" else new.zip_path
    source, pin = ("mirror", new.sha256) if kind == "tar" else ("goproxy", new.h1)
    request = make_request(NEW, **{source: server.url}, checksums={NEW: {HERE.archive: pin}})
    bodies = {
        "truncated": [body[:size] for size in (1, 100, len(body) // 2, len(body) - 1)],
        # In a zip, the first bytes of its members' names and data: all that a digest of its content can see.
        "flipped": [flipped(body, place) for place in (0, 30, 31, len(body) // 2, len(body) // 3)],
        "longer": [body + body, body + b"x"],
        "empty": [b""],
    }[harm]
    for broken in bodies:
        server.routes = {path: broken}
        with pytest.raises(DevserverError, match=f"from {source} .* has the wrong digest"):
            install_toolchains(request, HERE, check=False)
        assert toolchain_host.names() == toolchain_host.expected_names(OLD)
    assert_old_then_new(toolchain_host, request, server, {path: body})


def test_any_flipped_bit_of_a_module_is_rejected_or_without_effect(
    toolchain_host: ToolchainHost, make_request: Make, server: Server, new: Toolchain, tmp_path: pathlib.Path
) -> None:
    image = toolchain_host.directory.rename(tmp_path / "image")
    request = make_request(NEW, goproxy=server.url, checksums={NEW: {HERE.archive: new.h1}})
    # The names, times and sizes at both ends, where a reader can be led astray.
    ends = [*range(60), *range(len(new.zip) - 900, len(new.zip))]
    for place in CHANCE.sample(ends, 30):
        toolchain_host.reset(image)
        server.routes = {new.zip_path: flipped(new.zip, place)}
        try:
            install_toolchains(request, HERE, check=False)
        except DevserverError as error:
            assert "wrong digest" in str(error) or "cannot be unpacked" in str(error)
        assert toolchain_host.version() in (OLD, NEW)


def test_a_length_that_is_wrong_is_out_of_reach(
    toolchain_host: ToolchainHost, make_request: Make, server: Server, new: Toolchain
) -> None:
    path = f"/{new.tar_name}"
    request = make_request(NEW, mirror=server.url)
    server.routes = {path: lambda handler: send(handler, new.tar, len(new.tar) + 1)}
    with pytest.raises(DevserverError, match="the transfer ended after"):
        install_toolchains(request, HERE, check=False)
    server.routes = {path: lambda handler: send(handler, new.tar, len(new.tar) - 1)}
    with pytest.raises(DevserverError, match="wrong digest"):
        install_toolchains(request, HERE, check=False)
    assert_old_then_new(toolchain_host, request, server, {path: new.tar})


def certificate(directory: pathlib.Path, start: datetime.timedelta, end: datetime.timedelta) -> pathlib.Path:
    """Write a self-signed certificate for 127.0.0.1, valid from ``start`` to ``end`` from now, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "clock")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now + start, now + end)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / "clock.pem"
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(("start", "end", "message"), [(1, 2, "not yet valid"), (-2, -1, "has expired")])
def test_a_clock_that_is_wrong_is_named(
    toolchain_host: ToolchainHost,
    make_request: Make,
    new: Toolchain,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    start: int,
    end: int,
    message: str,
) -> None:
    pem = certificate(tmp_path, datetime.timedelta(days=start), datetime.timedelta(days=end))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    monkeypatch.setenv("NO_PROXY", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    tls_server = Server(context)
    try:
        tls_server.routes[f"/{new.tar_name}"] = new.tar
        with pytest.raises(DevserverError, match=f"{message}.*this host's clock.*set the host's clock"):
            install_toolchains(make_request(NEW, mirror=f"https://localhost:{tls_server.port}"), HERE, check=False)
    finally:
        tls_server.close()
    assert toolchain_host.version() == OLD
    assert toolchain_host.names() == toolchain_host.expected_names(OLD)
