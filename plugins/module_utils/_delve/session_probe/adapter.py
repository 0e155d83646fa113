# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a client to a debug adapter: one started for the occasion, or a headless dlv that is there already."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import Plan, Tls
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import start_process
from ansible_collections.gopherops.devserver.plugins.module_utils._host.output import OutputReader
from ansible_collections.gopherops.devserver.plugins.module_utils._host.process_tree import end_session
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.dap import Client
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.framing import Connection, connect_unix

# Bytes of what dlv and the debuggee print that are kept.
_LONGEST_OUTPUT = 65536
# Seconds that dlv may take to end by itself after its client has gone, and between two looks at whether it listens.
_PATIENCE = 10.0
_PAUSE = 0.01
# A unix socket's address has 108 bytes.
_LONGEST_SOCKET = 107


class Unreachable(DevserverError):
    """Nobody listens where the debugger should."""


class Adapter(t.NamedTuple):
    """A client of an adapter; ``pid`` is that of the dlv that was started for it, ``said`` returns what it printed."""

    client: Client
    pid: int | None
    said: t.Callable[[], str]


@contextlib.contextmanager
def adapter(plan: Plan, folder: str, deadline: float) -> t.Iterator[Adapter]:
    """Yield what speaks to the adapter of ``plan``; end whatever was started for it."""
    if plan.remote:
        with contextlib.closing(Client(_connected(plan.address, plan.tls, plan.account, deadline))) as client:
            yield Adapter(client, None, lambda: "")
        return
    path = os.path.join(folder, "dap.sock")
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise DevserverError(f"{path} is too long for a socket", remedy="name a shorter temporary_folder")
    with _running_dlv(plan, path, folder) as (process, heard):
        client = Client(_once_it_listens(plan, path, process, heard, deadline))
        try:
            yield Adapter(client, process.pid, heard.text)
        finally:
            # Before dlv is waited for: it ends when its client has gone.
            client.close()


@contextlib.contextmanager
def _running_dlv(plan: Plan, path: str, folder: str) -> t.Iterator[tuple[subprocess.Popen[bytes], OutputReader]]:
    # dlv would make a configuration file of its own in the user's home.
    env = dict(plan.environment, XDG_CONFIG_HOME=os.path.join(folder, "config"))
    argv = [plan.dlv, "dap", f"--listen=unix:{path}"]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = start_process(argv, plan.account, env=env, cwd=folder, start_new_session=True, **streams)
    heard = OutputReader(t.cast("t.IO[bytes]", process.stdout), _LONGEST_OUTPUT)
    try:
        yield process, heard
    finally:
        # It detaches, or ends what it has launched, when its client has gone: killed, it would leave its breakpoints
        # in a process that it was attached to.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
        end_session(process.pid)
        process.wait()
        heard.close()
        with acting_as(plan.account), contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _once_it_listens(
    plan: Plan, path: str, process: subprocess.Popen[bytes], heard: OutputReader, deadline: float
) -> Connection:
    while True:
        ended = process.poll()
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return Connection(connect_unix(path, plan.account, max(_PAUSE, deadline - time.monotonic())), "dlv")
        if ended is not None or time.monotonic() > deadline:
            # Without a client there is nothing that it would have to bring in order first.
            end_session(process.pid)
            raise _not_listening(ended, heard)
        time.sleep(_PAUSE)


def _not_listening(ended: int | None, heard: OutputReader) -> DevserverError:
    heard.close()
    how = "did not begin to listen in time" if ended is None else f"ended with {ended}"
    said = heard.text().strip().splitlines()
    return DevserverError(
        f"dlv dap {how}: {said[0] if said else 'it said nothing'}",
        expected="a dlv that knows 'dlv dap --listen=unix:...'",
        remedy="run it by hand as the same user, or install it anew by the role tools",
    )


def _connected(address: Address, tls: Tls | None, account: Account, deadline: float) -> Connection:
    """Connect as the user: dlv asks the kernel whose the other end is and lets in its own user alone."""
    try:
        context = _context(tls) if tls else None
        timeout = max(0.1, deadline - time.monotonic())
        if address.path:
            stream = connect_unix(address.path, account, timeout)
        else:
            with acting_as(account):
                stream = socket.create_connection((address.host, address.port), timeout)
        if context and tls:
            stream = context.wrap_socket(stream, server_hostname=tls.server_name or address.host)
    except OSError as error:
        raise _unreachable(address, tls, error) from error
    return Connection(stream, f"dlv at {address}")


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca)
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def _unreachable(address: Address, tls: Tls | None, error: OSError) -> DevserverError:
    if isinstance(error, ssl.SSLError):
        files = f"{tls.ca} and {tls.certificate}" if tls else ""
        return DevserverError(
            f"TLS to {address} failed: {error}",
            expected=f"a server and a client whose certificates fit {files}",
            remedy="compare names, dates and authorities of both certificates",
        )
    return Unreachable(
        f"no debugger answers at {address}: {error.strerror or error}",
        expected="a headless dlv, started with --accept-multiclient so that it outlives its first client",
        remedy="look at the unit of that debugger and its journal",
    )
