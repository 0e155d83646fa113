# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP responses within limits of time and size, which urllib and http.client lack.

Their ``timeout`` is only for one read: a server that sends one byte a minute, or one interim response after another,
keeps them reading for ever. All bytes of a response pass through one reader here: headers, interim responses, the
framing of chunks, trailers and the response to a proxy's CONNECT.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import time
import typing as t
import urllib.request

# The maximum size in bytes of a response's header, with all interim responses before it.
LARGEST_HEADER = 1 << 20
# Bytes a second; a response that is slower than this for longer than the time limit counts as hanging.
_SLOWEST = 4096


class LimitExceeded(OSError):
    """A response is too slow, or takes too long."""


class TooLarge(LimitExceeded):
    """A response has too many bytes."""


class ResponseLimits(t.NamedTuple):
    """Limits of a response.

    A server may stay silent for ``silence`` seconds. The response must end before ``deadline`` of the monotonic clock.
    Its body may have ``largest`` bytes as they are sent.
    """

    silence: float
    deadline: float
    largest: int


class _Incoming(io.RawIOBase):
    """The bytes that a server sends; raises LimitExceeded for a server that exceeds the limits."""

    def __init__(self, stream: io.RawIOBase, connection: socket.socket, limits: ResponseLimits) -> None:
        self._stream = stream
        self._connection = connection
        self._limits = limits
        self.expect(LARGEST_HEADER)

    def expect(self, largest: int) -> None:
        """Begin the next part of the response, with at most ``largest`` bytes."""
        self._largest = largest
        self._size = 0
        self._start = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int | None:
        self._connection.settimeout(min(self._limits.silence, self._remaining()))
        try:
            count = self._stream.readinto(buffer)
        except socket.timeout:
            self._remaining()
            raise
        self._check(count or 0)
        return count

    def _remaining(self) -> float:
        seconds = self._limits.deadline - time.monotonic()
        if seconds <= 0:
            raise LimitExceeded("the response takes too long")
        return seconds

    def _check(self, count: int) -> None:
        # From the first byte on: a server may stay silent before it.
        self._start = self._start or time.monotonic()
        self._size += count
        seconds = time.monotonic() - self._start
        if self._size > self._largest:
            raise TooLarge(f"the response has more than {self._largest} bytes")
        if count and seconds > self._limits.silence and self._size < seconds * _SLOWEST:
            raise LimitExceeded(f"only {self._size} bytes arrived in {seconds:.0f} seconds")

    def close(self) -> None:
        self._stream.close()
        super().close()


class _LimitedResponse(http.client.HTTPResponse):
    def __init__(self, limits: ResponseLimits, sock: socket.socket, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(sock, *arguments, **options)
        self._limits = limits
        self._incoming = _Incoming(self.fp.detach(), sock, limits)
        self.fp = io.BufferedReader(self._incoming)

    def begin(self) -> None:
        super().begin()
        if (self.length or 0) > self._limits.largest:
            raise TooLarge(f"the response has {self.length} bytes, more than {self._limits.largest}")
        self._incoming.expect(self._limits.largest)


def limit_responses(connection: http.client.HTTPConnection, limits: ResponseLimits) -> http.client.HTTPConnection:
    """Return ``connection``, whose responses raise LimitExceeded if they exceed ``limits``."""
    connection.response_class = t.cast("t.Any", functools.partial(_LimitedResponse, limits))
    return connection


class LimitedHandler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """The handler of http and https for an opener of urllib, with limits for each response."""

    def __init__(self, limits: ResponseLimits, **options: t.Any) -> None:
        urllib.request.HTTPSHandler.__init__(self, **options)
        self._limits = limits

    def do_open(self, http_class: t.Any, req: urllib.request.Request, **options: t.Any) -> http.client.HTTPResponse:
        def connect(host: str, **options: t.Any) -> http.client.HTTPConnection:
            return limit_responses(http_class(host, **options), self._limits)

        return super().do_open(t.cast("t.Any", connect), req, **options)
