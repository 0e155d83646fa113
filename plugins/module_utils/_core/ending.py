# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a module when the controller no longer waits for its result: its connection has closed, or it gets a signal.

Otherwise a build, its lock and the programs it started would outlive a controller that was killed.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import sys
import threading
import typing as t

_STDOUT = 1
_PAYLOAD = re.compile(r"ansible_[\w.]+_payload_")
_CLEANUPS: list[t.Callable[[], None]] = []


def clean_up_with(function: t.Callable[[], None]) -> t.Callable[[], None]:
    """Call ``function`` before this process is ended; a decorator. It must not wait for other threads."""
    _CLEANUPS.append(function)
    return function


def end_with_connection() -> None:
    """End this process at SIGTERM and SIGHUP, and when the reader of its standard output is gone.

    sshd and sudo close it with the connection. The Docker engine keeps it open when ``docker exec`` is killed.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_module)
    threading.Thread(target=_watch, name="connection", daemon=True).start()


def _watch() -> None:
    output = select.poll()
    # Without events only errors and the end of the connection are reported; neither happens to files.
    output.register(_STDOUT, 0)
    output.poll()
    os.kill(os.getpid(), signal.SIGTERM)


def end(number: int, _frame: t.Any) -> None:
    """Exit at once, because threads would wait for the programs they began; a handler of signals."""
    _clean_up()
    os._exit(128 + number)


def _end_module(number: int, _frame: t.Any) -> None:
    _clean_up()
    _remove_payload()
    os._exit(128 + number)


def _clean_up() -> None:
    # The main thread may be acting as a user, who cannot end another user's programs. The call waits for all threads,
    # of which one may read from a file system that hangs.
    if os.geteuid() != os.getuid():
        os.seteuid(os.getuid())
    for clean_up in _CLEANUPS:
        clean_up()


def _remove_payload() -> None:
    """Remove the directory with the archive of this module, as ansible does at the end of a module."""
    directory = os.path.dirname(getattr(sys.modules[__name__].__loader__, "archive", ""))
    if _PAYLOAD.match(os.path.basename(directory)):
        shutil.rmtree(directory, ignore_errors=True)
