# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which TLS addresses may stand in front of debuggers, and who is let in."""

from __future__ import annotations

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.endpoints import doors_of, parse_address
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
def test_an_address_is_told_as_stunnel_takes_it(text, bare):
    assert parse_address(text, "it").bare == bare


@pytest.mark.parametrize(
    "text",
    [
        *("", "12345", ":12345", "*:12345", "localhost:12345", "::12345", "[::]", "0.0.0.0:1023", "0.0.0.0:65536"),
        *("[0.0.0.0]:12345", "0.0.0.0:12345\nclient = yes", "[fe80::1%eth0]:12345", "1.2.3.4:١٢٣٤٥", "0:12345"),
    ],
)
def test_any_other_form_is_refused(text):
    with pytest.raises(DevserverError, match=r"tls.listen of api.*\[::\]:12345 for IPv4 and IPv6"):
        doors_of([service(listen=text)], ["ci"], [])


@given(st.text())
def test_what_is_taken_is_one_address_and_port_and_says_itself_again(text):
    try:
        address = parse_address(text, "it")
    except DevserverError:
        return
    assert parse_address(str(address), "it") == address
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
def test_the_relay_goes_where_the_debugger_listens(listen, target):
    assert doors_of([service(debugger=listen)], ["ci"], [])[0].target == target


def test_all_clients_come_in_where_none_is_named_and_the_named_alone_elsewhere():
    services = [service(), service("web", "127.0.0.1:2346", listen="0.0.0.0:12346", clients=["ci"])]
    everybody, one = doors_of(services, ["alice-laptop", "ci"], [])
    assert everybody.clients == ["alice-laptop", "ci"]
    assert one.clients == ["ci"]


def test_nobody_revoked_comes_in_and_a_door_for_nobody_stays_shut():
    open_door, *others = doors_of([service()], ["alice-laptop", "ci"], ["ci"])
    assert (open_door.clients, others) == (["alice-laptop"], [])
    assert doors_of([service()], ["ci"], ["ci"]) == []


@pytest.mark.parametrize(
    ("services", "clients", "message"),
    [
        ([service()], [], "nobody can come through the TLS port of api: no client"),
        ([service(clients=["eve"])], ["ci"], "nobody can come through the TLS port of api: eve"),
        ([service()], ["*"], r"'\*' cannot be the name of a client"),
        ([service()], ["a.b"], "'a.b' cannot be the name"),
        ([service()], ["ci\nverifyChain = no"], "cannot be the name of a client"),
        ([service("a/b")], ["ci"], "'a/b' cannot be the name of a debug service"),
        ([service(), service("web", "127.0.0.1:2346")], ["ci"], "taken by tls.listen of api"),
        ([service(client_port=0x10000)], ["ci"], "client_port of api is 65536"),
        (
            [service(client_port=99), service("web", "127.0.0.1:2346", listen="0.0.0.0:12346", client_port=99)],
            ["ci"],
            "client_port of api and of web is 99, and ci may use both",
        ),
        ([service(debugger="127.0.0.1:12345")], ["ci"], r"taken by the debugger itself \(127.0.0.1:12345\)"),
    ],
)
def test_what_cannot_be_is_refused_with_words(services, clients, message):
    with pytest.raises(DevserverError, match=message):
        doors_of(services, clients, [])


def test_what_is_not_for_one_client_may_be_offered_at_one_port():
    one = service(client_port=99, clients=["ci"])
    two = service("web", "127.0.0.1:2346", listen="0.0.0.0:12346", client_port=99, clients=["alice-laptop"])
    assert [door.local_port for door in doors_of([one, two], ["alice-laptop", "ci"], [])] == [99, 99]


def test_services_without_tls_have_no_door():
    plain = {"name": "api", "user": "alice", "listen": "127.0.0.1:2345"}
    assert doors_of([plain, plain | {"tls": None}], ["ci"], []) == []
