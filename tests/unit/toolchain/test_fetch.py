# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as out of reach, and what ends everything."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import os
import pathlib
import socket
import threading
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain import fetch as fetch_module
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.fetch import Unreachable, fetch

BODY = os.urandom(3_000_000)
Handler = http.server.BaseHTTPRequestHandler
Get = t.Callable[..., bytes]


@pytest.fixture
def get(tmp_path: pathlib.Path) -> Get:
    """Fetch a location and return what was written, after comparing it with the returned size and digest."""

    def get(location: str, timeout: float = 5) -> bytes:
        copied = fetch(location, str(tmp_path / "got"), timeout=timeout)
        content = (tmp_path / "got").read_bytes()
        assert (copied.size, copied.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        return content

    return get


def sends(body: bytes, length: int) -> t.Callable[[Handler], None]:
    def respond(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def fails(code: int) -> t.Callable[[Handler], None]:
    return lambda handler: handler.send_error(code)


def redirects(to: str) -> t.Callable[[Handler], None]:
    def respond(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return respond


def test_http(server, get: Get) -> None:
    server.routes["/f"] = BODY
    assert get(server.url + "/f") == BODY


def test_chunked(server, get: Get) -> None:
    def respond(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    server.routes["/f"] = respond
    assert get(server.url + "/f") == b"abcde"


def test_https_with_an_authority_that_the_host_trusts(tls_server, get: Get) -> None:
    tls_server.routes["/f"] = BODY
    assert get(tls_server.url + "/f") == BODY


def test_https_with_a_foreign_authority_is_an_error(
    tls_server, get: Get, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "none.pem").write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    tls_server.routes["/f"] = BODY
    with pytest.raises(DevserverError, match=r"is not trusted.*certificate"):
        get(tls_server.url + "/f")
    assert tls_server.requests == []


def test_https_for_another_host_is_an_error(tls_server, get: Get) -> None:
    with pytest.raises(DevserverError, match="is not trusted"):
        get(tls_server.url.replace("127.0.0.1", "localhost") + "/f")


def test_a_redirection_is_followed(server, tls_server, get: Get) -> None:
    tls_server.routes["/f"] = BODY
    server.routes["/f"] = redirects(tls_server.url + "/f")
    assert get(server.url + "/f") == BODY


@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_a_redirection_away_from_https_is_an_error(server, tls_server, get: Get, scheme: str) -> None:
    server.routes["/f"] = BODY
    tls_server.routes["/f"] = redirects(server.url.replace("http", scheme) + "/f")
    with pytest.raises(DevserverError, match=f"redirects from https to {scheme}"):
        get(tls_server.url + "/f")
    assert server.requests == []


def test_a_redirection_to_a_file_is_an_error(server, get: Get) -> None:
    server.routes["/f"] = redirects("file:///etc/passwd")
    with pytest.raises(DevserverError, match="not allowed"):
        get(server.url + "/f")


def test_an_endless_redirection_is_an_error(server, get: Get) -> None:
    server.routes["/f"] = redirects("/f")
    with pytest.raises(DevserverError, match="infinite loop"):
        get(server.url + "/f")


def test_a_password_goes_to_its_own_server_and_to_no_other(server, tls_server, get: Get) -> None:
    tls_server.routes["/f"] = redirects(tls_server.url + "/g")
    tls_server.routes["/g"] = BODY
    assert get(tls_server.url.replace("//", "//me:s%40crt@") + "/f") == BODY
    headers = [headers for _path, headers in tls_server.requests]
    assert headers[0]["Authorization"] == "Basic " + base64.b64encode(b"me:s@crt").decode()
    assert "Authorization" not in headers[1]


@pytest.mark.parametrize(("code", "attempts"), [(404, 1), (410, 1), (500, 3), (502, 3), (503, 3), (429, 3)])
def test_status_codes_after_which_the_next_source_is_tried(server, get: Get, code: int, attempts: int) -> None:
    server.routes["/f"] = fails(code)
    with pytest.raises(Unreachable, match=f"HTTP {code}"):
        get(server.url + "/f")
    assert len(server.requests) == attempts


@pytest.mark.parametrize("code", [400, 401, 403, 407])
def test_status_codes_that_raise_an_error(server, get: Get, code: int) -> None:
    server.routes["/f"] = fails(code)
    with pytest.raises(DevserverError, match=rf"HTTP {code}.*credentials"):
        get(server.url + "/f")
    assert len(server.requests) == 1


def test_a_server_that_recovers_serves(server, get: Get) -> None:
    server.routes["/f"] = lambda handler: fails(503)(handler) if len(server.requests) < 3 else sends(b"ok", 2)(handler)
    assert get(server.url + "/f") == b"ok"


@pytest.mark.parametrize("length", [len(BODY) + 1, 10 * len(BODY)])
def test_a_transfer_that_is_truncated_is_unreachable(server, get: Get, length: int) -> None:
    server.routes["/f"] = sends(BODY, length)
    with pytest.raises(Unreachable, match=f"ended after {len(BODY)} of {length} bytes"):
        get(server.url + "/f")
    assert len(server.requests) == 3


def test_a_connection_that_is_reset_is_unreachable(server, get: Get) -> None:
    def respond(handler: Handler) -> None:
        sends(BODY[:100_000], len(BODY))(handler)
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    server.routes["/f"] = respond
    with pytest.raises(Unreachable, match=r"transfer (failed|ended)"):
        get(server.url + "/f")


@pytest.mark.parametrize("head", [b"", b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nabc"], ids=["silent", "stalled"])
def test_a_server_that_stalls_is_unreachable(server, get: Get, head: bytes) -> None:
    over = threading.Event()

    def respond(handler: Handler) -> None:
        handler.wfile.write(head)
        over.wait(30)

    server.routes["/f"] = respond
    with pytest.raises(Unreachable, match="timed out"):
        get(server.url + "/f", timeout=0.2)
    over.set()
    assert len(server.requests) == 3


def test_a_server_that_trickles_is_unreachable(server, get: Get) -> None:
    over = threading.Event()

    def respond(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        while not over.wait(0.05):
            handler.wfile.write(b"x")

    server.routes["/f"] = respond
    with pytest.raises(Unreachable, match=r"only \d+ bytes"):
        get(server.url + "/f", timeout=0.3)
    over.set()


def repeats(head: bytes, part: bytes, pause: float = 0) -> t.Callable[[Handler], None]:
    """Send ``head``, and ``part`` again and again until the client closes the connection, or for ten seconds."""

    def respond(handler: Handler) -> None:
        end = time.monotonic() + 10
        with contextlib.suppress(OSError):
            handler.wfile.write(head)
            while time.monotonic() < end:
                handler.wfile.write(part)
                time.sleep(pause)

    return respond


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOW_RESPONSES = {
    "header": (b"HTTP/1.0 200 OK\r\n", b"X-Part: y\r\n"),
    "header line": (b"HTTP/1.0 200 OK\r\nX-Part: ", b"y"),
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "size of a chunk": (CHUNKED + b"1", b" "),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"X-Part: y\r\n"),
}


@pytest.mark.parametrize(("head", "part"), SLOW_RESPONSES.values(), ids=SLOW_RESPONSES)
def test_a_response_that_trickles_anywhere_is_unreachable(server, get: Get, head: bytes, part: bytes) -> None:
    server.routes["/f"] = repeats(head, part, 0.05)
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"only \d+ bytes arrived"):
        get(server.url + "/f", timeout=0.3)
    assert time.monotonic() - start < 5
    assert len(server.requests) == 3


def test_a_proxy_whose_response_trickles_is_unreachable(
    server, tls_server, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.url)
    monkeypatch.setenv("NO_PROXY", "")
    server.connect = repeats(b"HTTP/1.0 200 OK\r\nX-Part: ", b"y", 0.05)
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"only \d+ bytes arrived"):
        get(tls_server.url + "/f", timeout=0.3)
    assert time.monotonic() - start < 5


def test_endless_interim_responses_are_unreachable(server, get: Get) -> None:
    server.routes["/f"] = repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
    start = time.monotonic()
    with pytest.raises(Unreachable, match="more than 1048576 bytes"):
        get(server.url + "/f")
    assert time.monotonic() - start < 5
    assert len(server.requests) == 1


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", b""], ids=["body", "interim responses"])
def test_a_response_that_is_just_fast_enough_ends_at_the_total_time(
    server, get: Get, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "LONGEST", 0.7)
    server.routes["/f"] = repeats(head, b"HTTP/1.1 100 Continue\r\n\r\n" * 20, 0.05)
    start = time.monotonic()
    with pytest.raises(Unreachable, match="takes too long"):
        get(server.url + "/f", timeout=0.3)
    assert time.monotonic() - start < 5
    assert len(server.requests) == 1


def test_a_slow_body_that_ends_in_time_is_accepted(server, get: Get) -> None:
    def respond(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        for _number in range(20):
            handler.wfile.write(b"x" * 500)
            time.sleep(0.05)

    server.routes["/f"] = respond
    assert get(server.url + "/f", timeout=0.3) == b"x" * 10_000


LARGE_HEADS = {
    "declared": b"HTTP/1.0 200 OK\r\nContent-Length: 100000000\r\n\r\n",
    "undeclared": b"HTTP/1.0 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("head", LARGE_HEADS.values(), ids=LARGE_HEADS)
def test_a_body_that_is_too_large_is_unreachable_at_once(
    server, get: Get, head: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(fetch_module, "LARGEST", len(BODY))
    server.routes["/f"] = repeats(head, BODY[:100_000])
    with pytest.raises(Unreachable, match=f"more than {len(BODY)}"):
        get(server.url + "/f")
    assert len(server.requests) == 1
    assert not (tmp_path / "got").exists() or (tmp_path / "got").stat().st_size <= len(BODY)


def test_a_file_of_the_maximum_size_is_accepted(server, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "LARGEST", len(BODY))
    server.routes["/f"] = BODY
    assert get(server.url + "/f") == BODY


def test_the_body_of_a_redirection_is_not_read(server, get: Get) -> None:
    server.routes["/f"] = repeats(b"HTTP/1.0 302 Found\r\nLocation: /g\r\n\r\n", BODY)
    server.routes["/g"] = BODY
    start = time.monotonic()
    assert get(server.url + "/f") == BODY
    assert time.monotonic() - start < 5


def test_a_local_file_that_is_too_large_is_not_copied(
    tmp_path: pathlib.Path, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "LARGEST", 3 << 20)
    with (tmp_path / "f").open("wb") as file:
        file.truncate(64 << 20)
    with pytest.raises(Unreachable, match=f"more than {3 << 20} bytes"):
        get(str(tmp_path / "f"))
    assert (tmp_path / "got").stat().st_size <= 3 << 20


def test_a_port_where_nobody_listens_is_unreachable(get: Get) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match="Connection refused"):
            get(f"http://127.0.0.1:{taken.getsockname()[1]}/f")


def test_a_name_that_does_not_resolve_is_unreachable(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(Unreachable):
        get("http://nowhere.invalid/f")


@pytest.mark.parametrize("url", [f"http://{'x' * 64}.invalid/f", "http://h\u00f6st..invalid/f", "http://x/\u00e4"])
def test_an_invalid_url_is_an_error(get: Get, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(DevserverError, match="is invalid"):
        get(url)


@pytest.mark.parametrize("length", ["abc", "-1"])
def test_an_invalid_content_length_raises_no_other_error(server, get: Get, length: str) -> None:
    head = f"HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n"
    server.routes["/f"] = lambda handler: handler.wfile.write(head.encode() + b"whole") and None
    with pytest.raises(Unreachable, match=r"transfer (failed|ended)"):
        get(f"{server.url}/f")


def test_a_server_that_speaks_no_http_is_unreachable(server, get: Get) -> None:
    server.routes["/f"] = lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n") and None
    with pytest.raises(Unreachable):
        get(server.url + "/f")


def test_the_environments_proxy_is_used(server, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    server.routes["http://go.example/f"] = BODY
    assert get("http://go.example/f") == BODY


def test_a_local_file(tmp_path: pathlib.Path, get: Get) -> None:
    (tmp_path / "f").write_bytes(BODY)
    assert get(str(tmp_path / "f")) == BODY


@pytest.mark.parametrize("path", ["missing", "f/x"])
def test_a_local_file_that_is_not_there_is_unreachable(tmp_path: pathlib.Path, get: Get, path: str) -> None:
    (tmp_path / "f").write_bytes(BODY)
    with pytest.raises(Unreachable, match="no such file"):
        get(str(tmp_path / path))


def test_a_pipe_in_place_of_a_file_does_not_block(tmp_path: pathlib.Path, get: Get) -> None:
    os.mkfifo(tmp_path / "f")
    with pytest.raises(DevserverError, match="not a regular file"):
        get(str(tmp_path / "f"))


def test_a_directory_in_a_files_place_is_named(tmp_path: pathlib.Path, get: Get) -> None:
    with pytest.raises(DevserverError, match=f"cannot read {tmp_path}: Is a directory"):
        get(str(tmp_path))


def test_a_full_disk_is_not_reported_as_an_unreachable_source(server, tmp_path: pathlib.Path) -> None:
    server.routes["/f"] = BODY
    with pytest.raises(OSError, match="No space"):
        fetch(server.url + "/f", "/dev/full", timeout=5)
