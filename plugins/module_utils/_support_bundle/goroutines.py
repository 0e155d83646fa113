# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps the goroutines of a running program with a dlv that attaches, queries them, and detaches.

dlv uses JSON-RPC: github.com/go-delve/delve/service/rpc2. The program is stopped during the dump. It continues at the
end or after the time limit, and the dump contains the stacks until then.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import typing as t

from .._core.errors import DevserverError
from .._delve.dlv_process import run_dlv
from .._environment.go_command import without_traces
from .._host.accounts import Account
from .._host.output import OutputReader
from .._host.process_tree import orphans_ended
from .._host.procfs import tracer_of
from .._protocols.framing import connect_unix

_MAXIMUM_GOROUTINES = 1000
_DEPTH = 50
# Seconds between two attempts to connect.
_POLL_INTERVAL = 0.02
# The maximum size in bytes of a response: a thousand goroutines have about 2 MB.
_MAXIMUM_RESPONSE = 64 * 1024 * 1024
_MORE_TIME = "increase hold, or create the bundle when the host is less busy"

_Json = t.Dict[str, t.Any]


class DlvOptions(t.NamedTuple):
    """The options of dlv: its path, user and environment. The program is stopped for at most ``timeout`` seconds.

    Only the user may enter ``directory``.
    """

    dlv: str
    account: Account
    env: t.Mapping[str, str]
    directory: str
    timeout: float


def dump_goroutines(pid: int, options: DlvOptions) -> str:
    """Return the stacks of at most 1000 goroutines of process ``pid``. Raises DevserverError if there are none."""
    tracer = tracer_of(pid)
    if tracer:
        raise DevserverError(
            f"process {tracer} already debugs process {pid}", remedy="end that debug session, and run the play again"
        )
    path = os.path.join(options.directory, "dump.sock")
    argv = [options.dlv, "attach", str(pid), "--headless", "--api-version=2"]
    dlv = run_dlv(argv, options.account, path, env=without_traces(options.env), cwd="/", detach=True)
    with orphans_ended(), dlv as (process, listener):
        deadline = time.monotonic() + options.timeout
        with contextlib.closing(_Rpc(_connect(path, process, listener, options, deadline), deadline)) as rpc:
            return _format_goroutines(rpc)


def _connect(
    path: str, process: subprocess.Popen[bytes], listener: OutputReader, options: DlvOptions, deadline: float
) -> socket.socket:
    while True:
        with contextlib.suppress(OSError):
            return connect_unix(path, options.account, options.timeout)
        if process.poll() is not None:
            listener.close()
            output = listener.text().split("\n")
            raise DevserverError(
                f"dlv did not attach: {output[0] or f'it exited with status {process.returncode}'}",
                remedy=f"attach to the process with {options.dlv} as {options.account.name}, and fix its error",
            )
        if time.monotonic() > deadline:
            raise DevserverError(f"dlv did not attach within {options.timeout:g} seconds", remedy=_MORE_TIME)
        time.sleep(_POLL_INTERVAL)


def _format_goroutines(rpc: _Rpc) -> str:
    listed = rpc.call("ListGoroutines", Start=0, Count=_MAXIMUM_GOROUTINES)
    entries = listed.get("Goroutines") or []
    texts = [f"{len(entries)} goroutines{', and more' if (listed.get('Nextg') or -1) > 0 else ''}"]
    for entry in entries:
        try:
            stack = rpc.call("Stacktrace", Id=entry["id"], Depth=_DEPTH)
        except DevserverError as error:
            texts.append(f"the other stacks are missing: {error.problem}")
            break
        texts.append(
            "\n".join([_goroutine_line(entry), *(_frame_lines(frame) for frame in stack.get("Locations") or [])])
        )
    with contextlib.suppress(DevserverError):
        rpc.call("Detach", Kill=False)
    return "\n\n".join(texts) + "\n"


def _goroutine_line(goroutine: _Json) -> str:
    began = goroutine.get("goStatementLoc") or {}
    wait = goroutine.get("waitReason")
    reason = f", wait reason {wait}" if wait else ""
    return f"goroutine {goroutine['id']}{reason}, started at {began.get('file', '?')}:{began.get('line', 0)}"


def _frame_lines(frame: _Json) -> str:
    function = (frame.get("function") or {}).get("name", "?")
    return f"    {function}\n        {frame.get('file', '?')}:{frame.get('line', 0)} (pc {frame.get('pc', 0):#x})"


class _Rpc:
    """Calls over a connection, each within the deadline (of the monotonic clock)."""

    def __init__(self, stream: socket.socket, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._buffer = b""
        self._number = 0

    def close(self) -> None:
        self._stream.close()

    def call(self, method: str, **arguments: t.Any) -> _Json:
        """Return the result of a method. Raises DevserverError if dlv rejects it, disconnects or times out."""
        self._number += 1
        request = {"method": f"RPCServer.{method}", "params": [arguments], "id": self._number}
        try:
            self._stream.sendall(json.dumps(request).encode() + b"\n")
            response = json.loads(self._read_line())
        except (OSError, ValueError, RecursionError) as error:
            raise DevserverError(
                f"dlv does not respond to {method}: {error or type(error).__name__}", remedy=_MORE_TIME
            ) from error
        if not isinstance(response, dict):
            raise DevserverError(f"dlv responds to {method} with {str(response)[:80]}", remedy="install another dlv")
        if response.get("error"):
            raise DevserverError(
                f"dlv rejects {method}: {response['error']}",
                remedy="install a dlv that supports the Go version of the program, which 'go version' shows",
            )
        return t.cast(_Json, response.get("result") or {})

    def _read_line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._stream.settimeout(max(0.01, self._deadline - time.monotonic()))
            data = self._stream.recv(1 << 16)
            if not data or len(self._buffer) > _MAXIMUM_RESPONSE:
                raise OSError("it closed the connection" if not data else "the response is too long")
            self._buffer += data
        line, _newline, self._buffer = self._buffer.partition(b"\n")
        return line
