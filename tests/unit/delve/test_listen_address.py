# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses dlv may listen on, and whether somebody does, asked of the real kernel."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.listen_address import listen_from
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.open_ports import listens
from hypothesis import given
from hypothesis import strategies as st

REFUSED = {
    "0.0.0.0:2345": "others can reach it",
    "192.0.2.7:2345": "others can reach it",
    "[::]:2345": "others can reach it",
    "[2001:db8::1]:2345": "others can reach it",
    "[::ffff:127.0.0.1]:2345": "others can reach it",
    ":2345": "would listen on every address",
    "[]:2345": "no address and port",
    "*:2345": "which is no address",
    "dev.example.com:2345": "what a name leads to can change",
    "LOCALHOST:2345": "what a name leads to can change",
    "[localhost]:2345": "no address and port",
    "[127.0.0.1]:2345": "no address and port",
    "127.1:2345": "which is no address",
    "2130706433:2345": "which is no address",
    "[::1%lo]:2345": "which is no address",
    "::1:2345": "write IPv6 addresses in brackets",
    "::1": "write IPv6 addresses in brackets",
    "127.0.0.1": "always a port",
    "127.0.0.1:": "always a port",
    "127.0.0.1:٢٣٤٥": "always a port",
    "127.0.0.1:2345\n": "always a port",
    "127.0.0.1:2345 --log": "always a port",
    "127.0.0.1:0": "from 1024 to 65535",
    "127.0.0.1:22": "from 1024 to 65535",
    "127.0.0.1:65536": "from 1024 to 65535",
    "": "no address and port",
    "unix:": "no address and port",
    "unix:dlv.sock": "put it into /run/dlv/api",
    "/tmp/dlv.sock": "put it into /run/dlv/api",
    "/run/dlv/other/dlv.sock": "put it into /run/dlv/api",
    "/run/dlv/api/../other/dlv.sock": "put it into /run/dlv/api",
    "/run/dlv/api/..": "put it into /run/dlv/api",
    "/run/dlv/api/a b": "put it into /run/dlv/api",
    "/run/dlv/api/": "put it into /run/dlv/api",
}
TAKEN = {
    "127.0.0.1:2345": "127.0.0.1:2345",
    "127.0.0.2:1024": "127.0.0.2:1024",
    "localhost:65535": "127.0.0.1:65535",
    "[::1]:2345": "[::1]:2345",
    "[0:0:0:0:0:0:0:1]:2345": "[::1]:2345",
    "/run/dlv/api/dlv.sock": "unix:/run/dlv/api/dlv.sock",
    "unix:/run/dlv/api/dlv.sock": "unix:/run/dlv/api/dlv.sock",
}


@pytest.mark.parametrize(("text", "words"), REFUSED.items())
def test_what_others_could_reach_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(DevserverError, match=words) as error:
        listen_from(text, "api")
    assert error.value.remedy and "127.0.0.1:PORT" in error.value.expected


@pytest.mark.parametrize(("text", "argument"), TAKEN.items())
def test_what_is_taken_is_told_to_dlv_as_an_address(text: str, argument: str) -> None:
    assert str(listen_from(text, "api")) == argument


@given(st.text(st.sampled_from("0127.:[]f%xunix/ *")) | st.text())
def test_nothing_else_than_the_loopback_comes_through(text: str) -> None:
    with contextlib.suppress(DevserverError):
        where = listen_from(text, "api")
        assert where.host.startswith("127.") or where.host == "::1" or os.path.dirname(where.path) == "/run/dlv/api"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_who_listens_is_seen(host: str) -> None:
    with contextlib.ExitStack() as stack:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = stack.enter_context(socket.socket(family))
        try:
            server.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        port = server.getsockname()[1]
        assert not listens(Address(host, port))
        server.listen()
        assert listens(Address(host, port))
        assert not listens(Address("127.0.0.3", port))
        client = stack.enter_context(socket.create_connection((host, port)))
        assert not listens(Address(host, client.getsockname()[1]))
    assert not listens(Address(host, port))


def test_and_so_is_a_socket(tmp_path: pathlib.Path, monkeypatch: t.Any) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        assert not listens(Address(path=str(tmp_path / "s")))
        server.bind("s")
        assert listens(Address(path=str(tmp_path / "s")))
    (tmp_path / "file").touch()
    assert not listens(Address(path=str(tmp_path / "file")))


def test_a_socket_that_goes_while_it_is_looked_at_is_none(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "exists", lambda _path: True)
    assert not listens(Address(path=str(tmp_path / "gone")))
