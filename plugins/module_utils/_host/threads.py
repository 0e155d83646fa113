# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rejects changes of the whole process while other threads work."""

from __future__ import annotations

import threading


def assert_single_thread(action: str) -> None:
    """Raise RuntimeError if ``action``, which affects all threads, would disturb one.

    It has to be called in the main thread. Daemon threads may run, because in this collection they only copy between
    pipes and sockets that are open already; threads of a pool or with other work may not.
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    if threading.current_thread() is not threading.main_thread() or others:
        names = ", ".join(thread.name for thread in others) or "none"
        raise RuntimeError(f"{action} outside of the main thread or beside other threads ({names})")
