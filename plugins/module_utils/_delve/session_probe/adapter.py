# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connects a client to a debug adapter: a dlv that the probe starts, or a headless dlv that is running."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import time
import typing as t

from ..._core.addresses import Address
from ..._core.errors import DevserverError
from ..._host.accounts import Account
from ..._host.output import OutputReader
from ..._host.process_tree import end_session
from ..._host.user_access import acting_as
from ..._protocols.dap import DapClient
from ..._protocols.framing import Connection, connect_unix
from ..dlv_process import run_dlv
from .plan import DebugProbePlan, TlsFiles
from .unreachable import ConnectionProblem, explain_error, explain_handshake

# Seconds between two attempts to connect.
_POLL_INTERVAL = 0.01
# The address of a Unix socket has 108 bytes.
_LONGEST_SOCKET = 107


class DebuggerUnreachable(DevserverError):
    """No debugger listens on the address."""


class Adapter(t.NamedTuple):
    """A client of an adapter; ``pid`` is that of the started dlv, ``output`` returns its output."""

    client: DapClient
    pid: int | None
    output: t.Callable[[], str]


@contextlib.contextmanager
def connect_adapter(plan: DebugProbePlan, directory: str, deadline: float) -> t.Iterator[Adapter]:
    """Yield a client of the adapter of ``plan``, and stop the processes that were started for it."""
    if plan.remote:
        with contextlib.closing(DapClient(_connect_remote(plan.address, plan.tls, plan.account, deadline))) as client:
            yield Adapter(client, None, lambda: "")
        return
    path = os.path.join(directory, "dap.sock")
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise DevserverError(
            f"the socket path {path} is too long",
            expected=f"at most {_LONGEST_SOCKET} bytes",
            remedy="set temporary_directory to a shorter path",
        )
    argv, env = [plan.dlv, "dap"], plan.environment
    running = run_dlv(argv, plan.account, path, env=env, cwd=directory, exit_timeout=plan.end_timeout)
    with running as (process, listener):
        client = DapClient(_connect_when_listening(plan, path, process, listener, deadline))
        try:
            yield Adapter(client, process.pid, listener.text)
        finally:
            # Before the wait for dlv, which exits after its client.
            client.close()


def _connect_when_listening(
    plan: DebugProbePlan, path: str, process: subprocess.Popen[bytes], listener: OutputReader, deadline: float
) -> Connection:
    while True:
        exit_code = process.poll()
        timeout = max(_POLL_INTERVAL, deadline - time.monotonic())
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return Connection(connect_unix(path, plan.account, timeout), "dlv")
        if exit_code is not None or time.monotonic() > deadline:
            # Without a client, dlv has no breakpoints to remove.
            end_session(process.pid)
            raise _listen_error(exit_code, listener)
        time.sleep(_POLL_INTERVAL)


def _listen_error(exit_code: int | None, listener: OutputReader) -> DevserverError:
    listener.close()
    problem = "did not listen within the time limit" if exit_code is None else f"exited with status {exit_code}"
    output = listener.text().strip().splitlines()
    return DevserverError(
        f"dlv dap {problem}: {output[0] if output else 'no output'}",
        expected="a dlv that supports 'dlv dap --listen=unix:...'",
        remedy="run this command by hand as the same user, or reinstall dlv with the role tools",
    )


def _connect_remote(address: Address, tls: TlsFiles | None, account: Account, deadline: float) -> Connection:
    """Connect as the user: dlv queries the kernel for the owner of the connection, and admits only its own user."""
    timeout = max(0.1, deadline - time.monotonic())
    try:
        context = _tls_context(tls) if tls else None
    except OSError as error:
        raise DevserverError(
            f"TLS to {address} failed: its files cannot be read, or do not match: {error}",
            expected="certificates and a key in the PEM format, which match",
            remedy="correct the paths in tls, and who may read these files",
        ) from error
    try:
        if address.path:
            stream = connect_unix(address.path, account, timeout)
        else:
            with acting_as(account):
                stream = socket.create_connection((address.host, address.port), timeout)
    except OSError as error:
        raise _unreachable(address, explain_error(address, error)) from error
    try:
        if context and tls:
            stream = context.wrap_socket(stream, server_hostname=tls.server_name or address.host)
    except OSError as error:
        stream.close()
        raise _unreachable(address, explain_handshake(address, error)) from error
    return Connection(stream, f"dlv at {address}")


def _tls_context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca)
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def _unreachable(address: Address, reason: ConnectionProblem) -> DevserverError:
    if reason.cause == "certificate":
        problem, expected = f"TLS to {address} failed", "certificates that match those of the other side"
    else:
        listens = "listens on" if reason.cause == "not-listening" else "can be reached at"
        problem = f"no debugger {listens} {address}"
        expected = "a headless dlv with --accept-multiclient, which continues after its first client"
    # Only without a listener can a later attempt succeed.
    kind = DebuggerUnreachable if reason.cause == "not-listening" else DevserverError
    return kind(f"{problem}: {reason.message}", expected=expected, remedy=reason.remedy, cause=reason.cause)
