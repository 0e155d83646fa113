# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a service for something while it is debugged, so that it comes by its breakpoints."""

from __future__ import annotations

import contextlib
import http.client
import threading
import typing as t
import urllib.request

# Seconds that one answer may take (while the service stands at a breakpoint it gives none), and between two requests.
_PATIENCE = 5.0
_PAUSE = 0.1


@contextlib.contextmanager
def asking(url: str) -> t.Iterator[None]:
    """Ask for ``url`` again and again while the body runs; nothing where there is none.

    A service that does not listen yet, or any more, and one that refuses, are asked again.
    """
    if not url:
        yield
        return
    enough = threading.Event()
    thread = threading.Thread(target=_ask, args=(url, enough), daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()


def _ask(url: str, enough: threading.Event) -> None:
    # Straight to the service: a proxy of the environment is for elsewhere.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while not enough.is_set():
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError), opener.open(url, timeout=_PATIENCE):
            pass
        enough.wait(_PAUSE)
