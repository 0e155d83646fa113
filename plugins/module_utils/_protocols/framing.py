# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON messages with a ``Content-Length`` header, the base of the Language Server and Debug Adapter Protocols.

Sources: the "base protocol" sections of both specifications.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import Account
from .._host.user_access import acting_as

_END_OF_HEADER = b"\r\n\r\n"
_CHUNK = 65536
# Bytes; a peer that announces more is not a server of these protocols.
_LONGEST_HEADER = 4096
_GREETING = 32
_LONGEST_BODY = 16 * 1024 * 1024
# What a client keeps of one session, in messages and bytes: the peer is a program of a user, the memory is root's.
_MOST_KEPT = 10_000
_MOST_KEPT_BYTES = 16 * 1024 * 1024
# Python converts no number of thousands of digits.
_NUMBER = re.compile(rb"[0-9]{1,12}")

Message = t.Dict[str, t.Any]


class ConnectionClosed(DevserverError):
    """The peer has closed the connection."""


class Connection:
    """One peer at the other end of a connected ``stream``; ``peer`` names it in errors.

    ``greeting`` are the first bytes that it sent, which show what kind of server it is.
    """

    def __init__(self, stream: socket.socket, peer: str) -> None:
        self.peer = peer
        self.greeting = b""
        self._stream = stream
        self._received = bytearray()
        self._last_length = 0
        self._kept = 0
        self._kept_bytes = 0

    def send(self, message: Message, timeout: float = 10) -> None:
        """Send ``message``; raise DevserverError if the peer does not receive it within ``timeout`` seconds."""
        body = json.dumps(message).encode()
        self._stream.settimeout(timeout)
        try:
            self._stream.sendall(b"Content-Length: %d" % len(body) + _END_OF_HEADER + body)
        except OSError as error:
            raise self._error(f"closed the connection: {error}", ConnectionClosed) from error

    def receive(self, timeout: float) -> Message | None:
        """Return the next message, or None if it is incomplete after ``timeout`` seconds; the next call continues it.

        Raises DevserverError if the peer closes the connection or sends something else.
        """
        deadline = time.monotonic() + timeout
        while True:
            message = self._pop_message()
            if message is not None:
                return message
            if not self._read_more(max(0, deadline - time.monotonic())):
                return None

    def count_kept(self) -> None:
        """Count the last message as one that the client keeps; raise DevserverError if those exceed the limits."""
        self._kept += 1
        self._kept_bytes += self._last_length
        if self._kept > _MOST_KEPT or self._kept_bytes > _MOST_KEPT_BYTES:
            limits = f"{_MOST_KEPT} messages, or {_MOST_KEPT_BYTES >> 20} MiB,"
            raise self._error(f"sent more than the {limits} that a client keeps of one session")

    def close(self) -> None:
        self._stream.close()

    def _read_more(self, timeout: float) -> bool:
        self._stream.settimeout(timeout)
        try:
            data = self._stream.recv(_CHUNK)
        # A timeout has another type in Python 3.8, with a timeout of 0, and with TLS.
        except (socket.timeout, TimeoutError, BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError as error:
            raise self._error(f"closed the connection: {error}", ConnectionClosed) from error
        if not data:
            raise self._error("closed the connection", ConnectionClosed)
        self.greeting = self.greeting or data[:_GREETING]
        self._received += data
        return True

    def _pop_message(self) -> Message | None:
        header, separator, rest = bytes(self._received).partition(_END_OF_HEADER)
        if not separator:
            if len(header) > _LONGEST_HEADER:
                raise self._error("sent no header")
            return None
        length = self._parse_length(header)
        if len(rest) < length:
            return None
        self._received, self._last_length = bytearray(rest[length:]), length
        return self._parse(rest[:length])

    def _parse_length(self, header: bytes) -> int:
        for line in header.split(b"\r\n"):
            name, _colon, value = line.partition(b":")
            if name.strip().lower() == b"content-length" and _NUMBER.fullmatch(value.strip()):
                length = int(value)
                if length <= _LONGEST_BODY:
                    return length
        raise self._error(f"sent a header without a usable Content-Length: {header[:80]!r}")

    def _parse(self, body: bytes) -> Message:
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._error(f"sent invalid JSON: {error}") from error
        if not isinstance(message, dict):
            raise self._error("sent JSON that is not an object")
        return message

    def _error(self, problem: str, kind: type[DevserverError] = DevserverError) -> DevserverError:
        return kind(
            f"{self.peer} {problem}",
            expected="messages of the Language Server or Debug Adapter Protocol",
            remedy="look at the log of that program, and check that no other program listens there",
        )


def as_dict(value: t.Any) -> dict[str, t.Any]:
    """Return an object; empty for another type, because a peer may send any JSON where an object is specified."""
    return value if isinstance(value, dict) else {}


def as_list(value: t.Any) -> list[t.Any]:
    """Return an array like ``as_dict``."""
    return value if isinstance(value, list) else []


def as_dicts(value: t.Any) -> list[dict[str, t.Any]]:
    """Return an array of objects like ``as_dict``."""
    return list(map(as_dict, as_list(value)))


def as_number(value: t.Any, default: int = 0) -> int:
    """Return an integer; ``default`` for another type."""
    return value if isinstance(value, int) else default


def connect_unix(path: str, account: Account, timeout: float | None = None) -> socket.socket:
    """Connect to a unix socket with the rights of ``account``, in the main thread only; raise OSError if it fails."""
    stream = socket.socket(socket.AF_UNIX)
    try:
        stream.settimeout(timeout)
        with acting_as(account):
            stream.connect(path)
    except OSError:
        stream.close()
        raise
    return stream
