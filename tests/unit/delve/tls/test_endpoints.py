# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The valid addresses of TLS endpoints, and the clients that they admit."""

from __future__ import annotations

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.endpoints import (
    parse_endpoint_address,
    parse_endpoints,
)
from hypothesis import given
from hypothesis import strategies as st


def service(name="api", debugger="127.0.0.1:2345", **tls):
    return {"name": name, "user": "alice", "listen": debugger, "tls": {"listen": "0.0.0.0:12345", **tls}}


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("0.0.0.0:12345", "0.0.0.0:12345"),
        ("192.0.2.7:1024", "192.0.2.7:1024"),
        ("[::]:65535", ":::65535"),
        ("[2001:db8:0:0::1]:12345", "2001:db8::1:12345"),
    ],
)
def test_addresses_have_the_format_of_stunnel(text, bare):
    assert parse_endpoint_address(text, "it").bare == bare


@pytest.mark.parametrize(
    "text",
    [
        *("", "12345", ":12345", "*:12345", "localhost:12345", "::12345", "[::]", "0.0.0.0:1023", "0.0.0.0:65536"),
        *("[0.0.0.0]:12345", "0.0.0.0:12345\nclient = yes", "[fe80::1%eth0]:12345", "1.2.3.4:١٢٣٤٥", "0:12345"),
    ],
)
def test_other_formats_are_rejected(text):
    with pytest.raises(DevserverError, match=r"tls.listen of api.*\[::\]:12345 for IPv4 and IPv6"):
        parse_endpoints([service(listen=text)], ["ci"], [])


@given(st.text())
def test_a_valid_text_is_one_address_and_can_be_parsed_again(text):
    try:
        address = parse_endpoint_address(text, "it")
    except DevserverError:
        return
    assert parse_endpoint_address(str(address), "it") == address
    assert not set(address.bare) - set("0123456789abcdef.:")


@pytest.mark.parametrize(
    ("listen", "target"),
    [
        ("127.0.0.1:2345", "127.0.0.1:2345"),
        ("localhost:2345", "127.0.0.1:2345"),
        ("[::1]:2345", "::1:2345"),
        ("/run/dlv/api/dlv.sock", "/run/dlv/api/dlv.sock"),
        ("unix:/run/dlv/api/dlv.sock", "/run/dlv/api/dlv.sock"),
    ],
)
def test_the_target_is_the_address_of_the_debugger(listen, target):
    assert parse_endpoints([service(debugger=listen)], ["ci"], [])[0].target == target


def test_an_endpoint_admits_all_clients_or_only_the_listed_ones():
    services = [service(), service("web", "127.0.0.1:2346", listen="0.0.0.0:12346", clients=["ci"])]
    first, second = parse_endpoints(services, ["alice-laptop", "ci"], [])
    assert first.clients == ["alice-laptop", "ci"]
    assert second.clients == ["ci"]


def test_revoked_clients_are_not_admitted_and_an_endpoint_without_clients_is_removed():
    endpoint, *others = parse_endpoints([service()], ["alice-laptop", "ci"], ["ci"])
    assert (endpoint.clients, others) == (["alice-laptop"], [])
    assert parse_endpoints([service()], ["ci"], ["ci"]) == []


@pytest.mark.parametrize(
    ("services", "clients", "message"),
    [
        ([service()], [], "the TLS port of api admits no client"),
        ([service(clients=["eve"])], ["ci"], "tls.clients of api contains undeclared names: eve"),
        ([service()], ["*"], r"the client name '\*' is invalid"),
        ([service()], ["a.b"], "the client name 'a.b' is invalid"),
        ([service()], ["ci\nverifyChain = no"], "the client name .* is invalid"),
        ([service("a/b")], ["ci"], "the name 'a/b' of a debug service is invalid"),
        ([service(), service("web", "127.0.0.1:2346")], ["ci"], "in use by tls.listen of api"),
        ([service(client_port=0x10000)], ["ci"], "client_port of api is 65536"),
        (
            [service(client_port=99), service("web", "127.0.0.1:2346", listen="0.0.0.0:12346", client_port=99)],
            ["ci"],
            "client_port of api and of web is 99, and ci uses both",
        ),
        ([service(debugger="127.0.0.1:12345")], ["ci"], r"in use by the debugger itself \(127.0.0.1:12345\)"),
    ],
)
def test_invalid_declarations_are_rejected(services, clients, message):
    with pytest.raises(DevserverError, match=message):
        parse_endpoints(services, clients, [])


def test_different_clients_may_use_the_same_local_port():
    one = service(client_port=99, clients=["ci"])
    two = service("web", "127.0.0.1:2346", listen="0.0.0.0:12346", client_port=99, clients=["alice-laptop"])
    assert [endpoint.local_port for endpoint in parse_endpoints([one, two], ["alice-laptop", "ci"], [])] == [99, 99]


def test_services_without_tls_have_no_endpoint():
    plain = {"name": "api", "user": "alice", "listen": "127.0.0.1:2345"}
    assert parse_endpoints([plain, plain | {"tls": None}], ["ci"], []) == []
