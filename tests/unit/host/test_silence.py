# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that waits for a silent server is ended; one that receives or computes is not."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed, run

LIMIT = 0.7
# Reads all from the port, or computes with a silent connection, in a child of its own.
PROGRAM = """
import os, socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
if os.fork():
    os.wait()
    sys.exit()
end = time.monotonic() + 3 * float(sys.argv[3])
while sys.argv[2] == "compute" and time.monotonic() < end:
    pass
# With read(2), as go does.
while sys.argv[2] == "read" and os.read(connection.fileno(), 65536):
    pass
"""


@contextlib.contextmanager
def server(size: int) -> t.Iterator[int]:
    """Yield the port of a server that sends ``size`` bytes ten times a second for three limits; none means silence."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection, contextlib.suppress(OSError):
                for _tenth in range(int(30 * LIMIT)):
                    time.sleep(0.1)
                    connection.sendall(b"x" * size)
                time.sleep(0 if size else 60)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def follow(port: int, action: str, account: str = "") -> Completed:
    argv = [sys.executable, "-c", PROGRAM, str(port), action, str(LIMIT)]
    return run(argv, env={}, account=find_account(account) if account else None, timeout=20, silence=LIMIT)


@pytest.mark.parametrize("size", [0, 1], ids=["silent", "a byte now and then"])
def test_a_program_that_waits_for_a_silent_server_is_ended(size: int) -> None:
    with server(size) as port:
        completed = follow(port, "read")
    assert completed.silent_sources == [f"127.0.0.1:{port}"]
    assert (completed.returncode, completed.seconds < 2.5 * LIMIT) == (None, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a program as another user")
def test_a_program_of_another_user_is_watched() -> None:
    with server(0) as port:
        argv = ["perl", "-MIO::Socket", "-e", f'my $s = IO::Socket::INET->new("127.0.0.1:{port}"); sysread $s, $_, 9']
        completed = run(argv, env={}, account=find_account("nobody"), timeout=20, silence=LIMIT)
    assert completed.silent_sources == [f"127.0.0.1:{port}"]


@pytest.mark.parametrize(("size", "action"), [(4096, "read"), (0, "compute")])
def test_a_program_that_receives_or_computes_is_not(size: int, action: str) -> None:
    with server(size) as port:
        completed = follow(port, action)
    assert (completed.returncode, completed.silent_sources) == (0, [])
    assert completed.seconds > 2.5 * LIMIT


def test_a_program_without_a_connection_is_not() -> None:
    completed = run(["sleep", str(2 * LIMIT)], env={"PATH": "/usr/bin:/bin"}, timeout=20, silence=LIMIT)
    assert (completed.returncode, completed.silent_sources) == (0, [])
