# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a service of a user end, even if its response does not."""

from __future__ import annotations

import contextlib
import http.server
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe import trigger
from ansible_collections.gopherops.devserver.plugins.module_utils._verify import service

from tests.support.http_server import Server

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
REDIRECTION = b"HTTP/1.0 302 Found\r\nLocation: /other\r\n\r\n"


@pytest.fixture
def server() -> t.Iterator[Server]:
    running = Server()
    yield running
    running.close()


def repeats(head: bytes, part: bytes) -> t.Callable[[http.server.BaseHTTPRequestHandler], None]:
    """Send ``head``, and ``part`` again and again until the client closes the connection, or for ten seconds."""

    def respond(handler: http.server.BaseHTTPRequestHandler) -> None:
        end = time.monotonic() + 10
        with contextlib.suppress(OSError):
            handler.wfile.write(head)
            while time.monotonic() < end:
                handler.wfile.write(part)
                time.sleep(0.01)

    return respond


@pytest.mark.parametrize("part", [b"y", INTERIM, INTERIM * 2000], ids=["slow", "interim", "fast"])
def test_a_health_check_without_a_complete_response_ends(
    server: Server, monkeypatch: pytest.MonkeyPatch, part: bytes
) -> None:
    monkeypatch.setattr(service, "_RESPONSE_TIMEOUT", 0.5)
    server.routes["/healthz"] = repeats(b"" if INTERIM in part else b"HTTP/1.0 200 OK\r\nX-Part: ", part)
    start = time.monotonic()
    status, problem = service._request_status(Address("127.0.0.1", server.port), "/healthz")
    assert status == 0
    assert "did not respond" in problem
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(("head", "part"), [(b"", INTERIM), (REDIRECTION, b"x" * 100_000)], ids=["interim", "body"])
def test_a_trigger_continues_after_an_endless_response(
    server: Server, monkeypatch: pytest.MonkeyPatch, head: bytes, part: bytes
) -> None:
    monkeypatch.setattr(trigger, "_TIMEOUT", 0.5)
    server.routes["/hello"] = repeats(head, part)
    end = time.monotonic() + 5
    with trigger.repeat_requests(f"{server.url}/hello"):
        while server.paths.count("/hello") < 2 and time.monotonic() < end:
            time.sleep(0.05)
    assert server.paths.count("/hello") >= 2
