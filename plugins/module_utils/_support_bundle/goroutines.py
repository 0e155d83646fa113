# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stacks of a running program's goroutines, by a dlv that attaches, asks, and lets go of the program again.

dlv speaks JSON-RPC there: github.com/go-delve/delve/service/rpc2. The program stands still while it is asked; it runs
on at the end, or when the time is up, with what was learnt until then.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.go_command import without_traces
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import begin
from ansible_collections.gopherops.devserver.plugins.module_utils._host.output import Heard
from ansible_collections.gopherops.devserver.plugins.module_utils._host.process_tree import end_session, nothing_left
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import tracer_of

_MOST = 1000
_DEPTH = 50
# Seconds that dlv may take to let go, and between two looks at whether it listens.
_GRACE = 10.0
_PAUSE = 0.02
# Bytes of what dlv prints that are kept.
_LONGEST_OUTPUT = 4096
# Bytes of an answer: a thousand goroutines have about 2 MB.
_LARGEST = 64 * 1024 * 1024

_Json = t.Dict[str, t.Any]


class Asked(t.NamedTuple):
    """How to ask: ``dlv`` is started as ``account`` with ``env``; the program is held for ``timeout`` seconds at most.

    ``folder`` is one that the user alone may enter.
    """

    dlv: str
    account: Account
    env: t.Mapping[str, str]
    folder: str
    timeout: float


def goroutines(pid: int, asked: Asked) -> str:
    """Return the stacks of at most 1000 goroutines of process ``pid``; raise DevserverError where none can be got."""
    tracer = tracer_of(pid)
    if tracer:
        raise DevserverError(
            f"process {pid} is under the debugger {tracer} already", remedy="ask that one, or end its session"
        )
    path = os.path.join(asked.folder, "dump.sock")
    with nothing_left(), _attached(pid, path, asked) as (process, heard):
        deadline = time.monotonic() + asked.timeout
        with contextlib.closing(_Rpc(_connected(path, process, heard, asked, deadline), deadline)) as rpc:
            return _dump(rpc)


@contextlib.contextmanager
def _attached(pid: int, path: str, asked: Asked) -> t.Iterator[tuple[subprocess.Popen[bytes], Heard]]:
    argv = [asked.dlv, "attach", str(pid), "--headless", "--api-version=2", f"--listen=unix:{path}"]
    # dlv would make a configuration file of its own in the user's home.
    env = dict(without_traces(asked.env), XDG_CONFIG_HOME=os.path.join(asked.folder, "config"))
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = begin(argv, asked.account, env=env, cwd="/", start_new_session=True, **streams)
    heard = Heard(t.cast("t.IO[bytes]", process.stderr), _LONGEST_OUTPUT)
    try:
        yield process, heard
    finally:
        # On this signal it takes its breakpoints out of the program and lets go of it; killed, it would leave them.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        end_session(process.pid)
        process.wait()
        heard.close()
        with acting_as(asked.account), contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _connected(
    path: str, process: subprocess.Popen[bytes], heard: Heard, asked: Asked, deadline: float
) -> socket.socket:
    while True:
        stream = socket.socket(socket.AF_UNIX)
        try:
            with acting_as(asked.account):
                stream.connect(path)
            return stream
        except OSError:
            stream.close()
        if process.poll() is not None:
            heard.close()
            said = heard.text().split("\n")
            raise DevserverError(f"dlv did not attach: {said[0] or f'it ended with {process.returncode}'}")
        if time.monotonic() > deadline:
            raise DevserverError(f"dlv did not attach within {asked.timeout:g} seconds")
        time.sleep(_PAUSE)


def _dump(rpc: _Rpc) -> str:
    listed = rpc.call("ListGoroutines", Start=0, Count=_MOST)
    found = listed.get("Goroutines") or []
    texts = [f"{len(found)} goroutines{', and more' if (listed.get('Nextg') or -1) > 0 else ''}"]
    for one in found:
        try:
            told = rpc.call("Stacktrace", Id=one["id"], Depth=_DEPTH)
        except DevserverError as error:
            texts.append(f"the rest is missing: {error.what}")
            break
        texts.append("\n".join([_head(one), *(_frame(frame) for frame in told.get("Locations") or [])]))
    with contextlib.suppress(DevserverError):
        rpc.call("Detach", Kill=False)
    return "\n\n".join(texts) + "\n"


def _head(goroutine: _Json) -> str:
    began = goroutine.get("goStatementLoc") or {}
    wait = goroutine.get("waitReason")
    reason = f", wait reason {wait}" if wait else ""
    return f"goroutine {goroutine['id']}{reason}, started at {began.get('file', '?')}:{began.get('line', 0)}"


def _frame(frame: _Json) -> str:
    function = (frame.get("function") or {}).get("name", "?")
    return f"    {function}\n        {frame.get('file', '?')}:{frame.get('line', 0)} (pc {frame.get('pc', 0):#x})"


class _Rpc:
    """Calls over a connection, each within the deadline (of the monotonic clock)."""

    def __init__(self, stream: socket.socket, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._rest = b""
        self._number = 0

    def close(self) -> None:
        self._stream.close()

    def call(self, method: str, **arguments: t.Any) -> _Json:
        """Return the result of a method; raise DevserverError where dlv refuses, hangs up or takes too long."""
        self._number += 1
        request = {"method": f"RPCServer.{method}", "params": [arguments], "id": self._number}
        try:
            self._stream.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(self._line())
        except (OSError, ValueError) as error:
            raise DevserverError(f"dlv does not answer {method}: {error or type(error).__name__}") from error
        if answer.get("error"):
            raise DevserverError(f"dlv refuses {method}: {answer['error']}")
        return t.cast(_Json, answer.get("result") or {})

    def _line(self) -> bytes:
        while b"\n" not in self._rest:
            self._stream.settimeout(max(0.01, self._deadline - time.monotonic()))
            more = self._stream.recv(1 << 16)
            if not more or len(self._rest) > _LARGEST:
                raise OSError("it hung up" if not more else "it does not come to an end")
            self._rest += more
        line, _newline, self._rest = self._rest.partition(b"\n")
        return line
