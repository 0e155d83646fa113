# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses this host alone reaches."""

from __future__ import annotations

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address, parse_address

LOCAL = ["127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1", "[::1%lo]:1", "[::ffff:127.0.0.1]:1", "unix:/run/s"]
WIDE = [":1", "*:1", "0.0.0.0:1", "[::]:1", "192.0.2.7:1", "[fe80::1%eth0]:1", "[::ffff:192.0.2.7]:1", "example.com:1"]


@pytest.mark.parametrize(("text", "local"), [*((text, True) for text in LOCAL), *((text, False) for text in WIDE)])
def test_only_loopback_addresses_and_sockets_are_local(text: str, local: bool) -> None:
    address = parse_address(text)
    assert address is not None
    assert address.is_local is local


@pytest.mark.parametrize(
    ("host", "ip"),
    [("::ffff:127.0.0.1", "127.0.0.1"), ("::ffff:7f00:1", "127.0.0.1"), ("::1", "::1"), ("::1%lo", "None")],
)
def test_an_ipv4_address_in_the_form_of_ipv6_is_that_ipv4_address(host: str, ip: str) -> None:
    assert str(Address(host).ip) == ip
