# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that dlv may listen on, and which of them are in use, by the real kernel."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.listen_address import (
    is_listening,
    parse_listen_address,
)
from hypothesis import given
from hypothesis import strategies as st

INVALID = {
    "0.0.0.0:2345": "other hosts can reach",
    "192.0.2.7:2345": "other hosts can reach",
    "[::]:2345": "other hosts can reach",
    "[2001:db8::1]:2345": "other hosts can reach",
    "[::ffff:192.0.2.7]:2345": "other hosts can reach",
    ":2345": "includes every address",
    "[]:2345": "not an address and a port",
    "*:2345": "which is not an IP address",
    "dev.example.com:2345": "may resolve to another",
    "LOCALHOST:2345": "may resolve to another",
    "[localhost]:2345": "not an address and a port",
    "[127.0.0.1]:2345": "not an address and a port",
    "127.1:2345": "which is not an IP address",
    "2130706433:2345": "which is not an IP address",
    "[::1%lo]:2345": "which is not an IP address",
    "::1:2345": "put an IPv6 address in brackets",
    "::1": "put an IPv6 address in brackets",
    "127.0.0.1": "write an address and a port",
    "127.0.0.1:": "write an address and a port",
    "127.0.0.1:٢٣٤٥": "write an address and a port",
    "127.0.0.1:2345\n": "write an address and a port",
    "127.0.0.1:2345 --log": "write an address and a port",
    "127.0.0.1:0": "from 1024 to 65535",
    "127.0.0.1:22": "from 1024 to 65535",
    "127.0.0.1:65536": "from 1024 to 65535",
    "": "not an address and a port",
    "unix:": "not an address and a port",
    "unix:dlv.sock": "move it to /run/dlv/api",
    "/tmp/dlv.sock": "move it to /run/dlv/api",
    "/run/dlv/other/dlv.sock": "move it to /run/dlv/api",
    "/run/dlv/api/../other/dlv.sock": "move it to /run/dlv/api",
    "/run/dlv/api/..": "move it to /run/dlv/api",
    "/run/dlv/api/a b": "move it to /run/dlv/api",
    "/run/dlv/api/": "move it to /run/dlv/api",
}
VALID = {
    "127.0.0.1:2345": "127.0.0.1:2345",
    "127.0.0.2:1024": "127.0.0.2:1024",
    "localhost:65535": "127.0.0.1:65535",
    "[::1]:2345": "[::1]:2345",
    "[::ffff:127.0.0.1]:2345": "127.0.0.1:2345",
    "[0:0:0:0:0:0:0:1]:2345": "[::1]:2345",
    "/run/dlv/api/dlv.sock": "unix:/run/dlv/api/dlv.sock",
    "unix:/run/dlv/api/dlv.sock": "unix:/run/dlv/api/dlv.sock",
}


@pytest.mark.parametrize(("text", "message"), INVALID.items())
def test_invalid_addresses_are_rejected(text: str, message: str) -> None:
    with pytest.raises(DevserverError, match=message) as error:
        parse_listen_address(text, "api")
    assert error.value.remedy and "127.0.0.1:PORT" in error.value.expected


@pytest.mark.parametrize(("text", "argument"), VALID.items())
def test_dlv_gets_an_ip_address_or_a_socket(text: str, argument: str) -> None:
    assert str(parse_listen_address(text, "api")) == argument


@given(st.text(st.sampled_from("0127.:[]f%xunix/ *")) | st.text())
def test_no_other_address_is_accepted(text: str) -> None:
    with contextlib.suppress(DevserverError):
        address = parse_listen_address(text, "api")
        assert (
            address.host.startswith("127.") or address.host == "::1" or os.path.dirname(address.path) == "/run/dlv/api"
        )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_a_listening_process_is_found(host: str) -> None:
    with contextlib.ExitStack() as stack:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = stack.enter_context(socket.socket(family))
        try:
            server.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        port = server.getsockname()[1]
        assert not is_listening(Address(host, port))
        server.listen()
        assert is_listening(Address(host, port))
        assert not is_listening(Address("127.0.0.3", port))
        client = stack.enter_context(socket.create_connection((host, port)))
        assert not is_listening(Address(host, client.getsockname()[1]))
    assert not is_listening(Address(host, port))


def test_a_listening_socket_is_found(tmp_path: pathlib.Path, monkeypatch: t.Any) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        assert not is_listening(Address(path=str(tmp_path / "s")))
        server.bind("s")
        assert is_listening(Address(path=str(tmp_path / "s")))
    (tmp_path / "file").touch()
    assert not is_listening(Address(path=str(tmp_path / "file")))


def test_a_socket_that_disappears_is_not_an_error(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "exists", lambda _path: True)
    assert not is_listening(Address(path=str(tmp_path / "gone")))
