# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of both protocols arrive whole, however they are cut, and anything else is reported."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.framing import Connection
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def peers():
    one, other = socket.socketpair()
    with one, other:
        yield Connection(one, "the server"), other


json_objects = st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))


@given(messages=st.lists(json_objects, max_size=4), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_what_is_sent_arrives_however_it_is_cut(messages, cuts):
    one, other = socket.socketpair()
    with one, other:
        sender, receiver = Connection(one, "one"), Connection(other, "other")
        for message in messages:
            sender.send(message)
        one.shutdown(socket.SHUT_WR)
        sent = b"".join(iter(lambda: other.recv(65536), b""))
    left, right = socket.socketpair()
    with left, right:
        receiver = Connection(right, "other")
        arrived = []
        while sent:
            cut = cuts[len(sent) % len(cuts)]
            left.sendall(sent[:cut])
            sent = sent[cut:]
            while (message := receiver.receive(0)) is not None:
                arrived.append(message)
    assert arrived == messages


def test_a_message_that_does_not_come_is_waited_for_and_kept(peers):
    connection, other = peers
    other.sendall(b'Content-Length: 7\r\n\r\n{"a"')
    assert connection.receive(0.01) is None
    other.sendall(b":1}")
    assert connection.receive(1) == {"a": 1}


def test_other_headers_and_any_spelling_do(peers):
    connection, other = peers
    other.sendall(b"Content-Type: x\r\ncontent-length:2\r\n\r\n{}")
    assert connection.receive(1) == {}


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "without a usable Content-Length"),
        (b"Content-Length: 99999999999\r\n\r\n", "without a usable Content-Length"),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", "without a usable Content-Length"),
        (b"Content-Length: -1\r\n\r\n", "without a usable Content-Length"),
        (b"Content-Length: 16777217\r\n\r\n", "without a usable Content-Length"),
        (b"Content-Length: 2\r\n\r\n{]", "invalid JSON"),
        (b"Content-Length: 2\r\n\r\n[]", "not an object"),
        (b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000, "invalid JSON"),
        (b"x" * 5000, "no header"),
    ],
)
def test_an_invalid_message_is_reported(peers, sent, message):
    connection, other = peers
    other.sendall(sent)
    other.shutdown(socket.SHUT_WR)
    with pytest.raises(DevserverError, match=f"the server .*{message}"):
        connection.receive(1)


def test_a_peer_that_is_gone_is_reported(peers):
    connection, other = peers
    other.close()
    with pytest.raises(DevserverError, match="closed the connection"):
        connection.send({"a": "b" * 1_000_000})
