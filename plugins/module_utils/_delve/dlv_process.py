# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a dlv as a user, for one client on a Unix socket, and leaves neither processes nor breakpoints behind."""

from __future__ import annotations

import contextlib
import os
import subprocess
import typing as t

from .._host.accounts import Account
from .._host.command import start_process
from .._host.output import OutputReader
from .._host.process_tree import end_session
from .._host.user_access import acting_as

# The maximum size in bytes of the output of dlv and the program.
_LONGEST_OUTPUT = 65536


@contextlib.contextmanager
def run_dlv(
    argv: t.Sequence[str],
    account: Account,
    socket: str,
    *,
    env: t.Mapping[str, str],
    cwd: str,
    detach: bool = False,
    exit_timeout: float = 10.0,
) -> t.Iterator[tuple[subprocess.Popen[bytes], OutputReader]]:
    """Run a dlv that listens on ``socket``, in a directory of ``account``, and yield it with the reader of its output.

    At the end it detaches from the program or stops it: when its client has disconnected, or with ``detach`` on a
    signal, whether a client is connected or not. Then only its errors are read. After ``exit_timeout`` seconds it is
    killed.
    """
    # dlv would create its configuration file in the user's home directory.
    env = dict(env, XDG_CONFIG_HOME=os.path.join(os.path.dirname(socket), "config"))
    output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    if not detach:
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    argv = [*argv, f"--listen=unix:{socket}"]
    process = start_process(argv, account, env=env, cwd=cwd, start_new_session=True, stdin=subprocess.DEVNULL, **output)
    reader = OutputReader(t.cast("t.IO[bytes]", process.stdout or process.stderr), _LONGEST_OUTPUT)
    try:
        yield process, reader
    finally:
        if detach:
            process.terminate()
        # A killed dlv would leave its breakpoints in the process that it was attached to.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(exit_timeout)
        end_session(process.pid)
        process.wait()
        reader.close()
        with acting_as(account), contextlib.suppress(FileNotFoundError):
            os.unlink(socket)
