# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends requests to a service while it is debugged, so that it reaches its breakpoints."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
import typing as t
import urllib.request

from ..._host.http_limits import LimitedHandler, ResponseLimits

# The time limit in seconds of one response (a stopped service sends none), and the interval between two requests.
_TIMEOUT = 5.0
_INTERVAL = 0.1
# The maximum size in bytes of a response's body; urllib reads the body of a redirection into memory.
_LARGEST = 1 << 20


@contextlib.contextmanager
def repeat_requests(url: str) -> t.Iterator[None]:
    """Request ``url`` repeatedly while the body runs; without a URL do nothing.

    Failed connections and error responses are retried.
    """
    if not url:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_send_requests, args=(url, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()


def _send_requests(url: str, stop: threading.Event) -> None:
    while not stop.is_set():
        limits = ResponseLimits(_TIMEOUT, time.monotonic() + _TIMEOUT, _LARGEST)
        # A direct connection: the proxy of the environment is for other hosts.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), LimitedHandler(limits))
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError), opener.open(url, timeout=_TIMEOUT):
            pass
        stop.wait(_INTERVAL)
