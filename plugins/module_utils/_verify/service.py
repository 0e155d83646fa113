# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the service during a step: starts it as the user, waits for its health, and ends all that it started."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import socket
import subprocess
import sys
import time
import typing as t

from .._core.addresses import Address
from .._core.errors import DevserverError
from .._host.accounts import Account
from .._host.command import start_process
from .._host.files import open_nonblocking
from .._host.http_limits import ResponseLimits, limit_responses
from .._host.process_tree import end_session, orphans_ended, session_processes
from .._host.procfs import listening_sockets, socket_inodes
from .._host.user_access import acting_as
from .plan import ADDRESS, VerificationPlan
from .user_sandbox import UserSandbox

# Seconds: between two requests, for one response, and for a service to exit after SIGTERM.
_PAUSE = 0.05
_RESPONSE_TIMEOUT = 5.0
_EXIT_TIMEOUT = 0.4
# Characters of the log in a message, and bytes that are read for them.
_MAX_EXCERPT = 300
_MAX_READ = 65536
# Free ports to try. With the last one the kernel chooses when the service listens, so that no process can be faster.
_PORTS = 3
_WILDCARDS = (ipaddress.ip_address("0.0.0.0"), ipaddress.ip_address("::"))
_IN_USE = "address already in use"
_T = t.TypeVar("_T")


def find_free_address(plan: VerificationPlan) -> Address:
    """Return where the service can listen; raise DevserverError if its port is in use."""
    family = socket.AF_INET6 if ":" in plan.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do, to ignore closed connections of an earlier one.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((plan.host, plan.port))
            probe.listen()
        except OSError as error:
            raise DevserverError(
                f"cannot listen at {Address(plan.host, plan.port)}: {error.strerror}",
                expected="a free port of the loopback",
                remedy=f"stop the process that 'ss -ltnp sport = :{plan.port}' shows, or set port to 0",
            ) from error
        return Address(plan.host, probe.getsockname()[1])


def with_free_address(plan: VerificationPlan, use: t.Callable[[Address], _T]) -> _T:
    """Return the result of ``use`` for a free address, or for another one if a process takes the port meanwhile.

    Any user can read the address in the arguments of the service before it listens there.
    """
    for _attempt in range(_PORTS - 1):
        address = find_free_address(plan)
        try:
            return use(address)
        except DevserverError as error:
            if _IN_USE not in str(error) and _is_free(plan._replace(port=address.port)):
                raise
    return use(find_free_address(plan) if plan.port else Address(plan.host))


def _is_free(plan: VerificationPlan) -> bool:
    try:
        return bool(find_free_address(plan))
    except DevserverError:
        return False


def fill_address(plan: VerificationPlan, address: Address) -> list[str]:
    """Return the service's arguments to listen at ``address``."""
    return [word.replace(ADDRESS, str(address)) for word in plan.args]


@contextlib.contextmanager
def run_service(sandbox: UserSandbox, *argv: str) -> t.Iterator[tuple[int, Address]]:
    """Run ``argv`` with the service's arguments until the block ends.

    Yields the process number and the service's address once all health paths return 200. Raises DevserverError, with
    the end of the log, if that takes too long or the process exits by itself.
    """
    log = sandbox.path_to("service.log")

    def start(address: Address) -> tuple[contextlib.ExitStack, subprocess.Popen[bytes], Address]:
        with contextlib.ExitStack() as stack:
            command = [*argv, *fill_address(sandbox.plan, address)]
            process = stack.enter_context(_start(sandbox, command, log))
            served = _await_health(sandbox, process, address, log)
            return stack.pop_all(), process, served

    running, process, served = with_free_address(sandbox.plan, start)
    with running:
        yield process.pid, served
        _require_running(sandbox, process, log)


@contextlib.contextmanager
def _start(sandbox: UserSandbox, argv: t.Sequence[str], log: str) -> t.Iterator[subprocess.Popen[bytes]]:
    with acting_as(sandbox.account):
        # A previous step has its log there. A pipe of the user in its place would block without O_EXCL.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(log)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with orphans_ended():
        try:
            streams = {"stdin": subprocess.DEVNULL, "stdout": descriptor, "stderr": subprocess.STDOUT}
            options: dict[str, t.Any] = {"env": dict(sandbox.environment), "cwd": "/", "start_new_session": True}
            process = start_process(argv, sandbox.account, **streams, **options)
        finally:
            os.close(descriptor)
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_EXIT_TIMEOUT)
            end_session(process.pid)
            process.wait()


def _await_health(sandbox: UserSandbox, process: subprocess.Popen[bytes], address: Address, log: str) -> Address:
    """Return where the service listens, when all health paths have returned 200."""
    health, ready = sandbox.plan.health, min(sandbox.plan.ready, sandbox.seconds_left())
    deadline, served = time.monotonic() + ready, address
    for path in health or ["/"]:
        while True:
            listener = _find_listener(sandbox, process.pid, address)
            served, status, problem = address, 0, "is not served by a process of the service"
            if listener:
                served, (status, problem) = listener, _request_status(listener, path)
            _require_running(sandbox, process, log)
            # Without health paths any response shows that the service listens.
            if status == 200 or (status and not health):
                break
            if time.monotonic() > deadline:
                output = read_log_end(sandbox.account, log) or "empty"
                raise DevserverError(
                    f"http://{served}{path} {problem}; the log of the service is: {output}",
                    expected=f"status 200 within {ready:.3g} seconds",
                    remedy=f"run the service as {sandbox.account.name}, and fix the cause, or increase ready",
                )
            time.sleep(_PAUSE)
    return served


def _find_listener(sandbox: UserSandbox, leader: int, address: Address) -> Address | None:
    """Return ``address``, with the actual port for port 0, if connections to it reach a process of the service."""
    host = Address(address.host).ip
    # The kernel prefers the socket with the most specific address.
    places = [ip for ip in (host, *_WILDCARDS) if host and ip and ip.version >= host.version]
    order: dict[object, int] = {ip: number for number, ip in enumerate(places)}
    listeners = [entry for entry in listening_sockets() if entry.address.ip in order]
    listeners = [entry for entry in listeners if address.port in (0, entry.address.port)]
    inodes = _session_inodes(sandbox.account, leader) if listeners else set()
    if not address.port:
        listeners = [entry for entry in listeners if entry.inode in inodes]
    reached = min(listeners, key=lambda entry: order[entry.address.ip], default=None)
    return address._replace(port=reached.address.port) if reached and reached.inode in inodes else None


def _session_inodes(account: Account, leader: int) -> set[str]:
    inodes: set[str] = set()
    for pid in session_processes(leader):
        # Root may inspect every process, but in a container only its own; there the user may inspect those of the user.
        for reader in (None, account):
            with contextlib.suppress(OSError), acting_as(reader):
                inodes |= socket_inodes(pid)
                break
    return inodes


def _request_status(address: Address, path: str) -> tuple[int, str]:
    """Return the status, 0 without a response, and a description of it. The request goes through no proxy."""
    limits = ResponseLimits(_RESPONSE_TIMEOUT, time.monotonic() + _RESPONSE_TIMEOUT, largest=sys.maxsize)
    connection = http.client.HTTPConnection(address.host, address.port, timeout=_RESPONSE_TIMEOUT)
    limit_responses(connection, limits)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
        return status, f"returned status {status}"
    except (OSError, http.client.HTTPException) as error:
        return 0, f"did not respond ({error or type(error).__name__})"
    finally:
        connection.close()


def _require_running(sandbox: UserSandbox, process: subprocess.Popen[bytes], log: str) -> None:
    if process.poll() is not None:
        program = os.path.basename(t.cast("t.Sequence[str]", process.args)[0])
        output = read_log_end(sandbox.account, log) or "no output"
        raise DevserverError(
            f"{program} exited with {process.returncode}: {output}",
            expected="a service that runs until it is stopped",
            remedy=f"run the service as {sandbox.account.name}, and fix the cause of this exit",
        )


def read_log_end(account: Account, log: str) -> str:
    """Return the end of a log in one line; empty if ``account`` cannot read it.

    It is read with the rights of the user, who could replace it with a link to another file.
    """
    try:
        with acting_as(account), open(log, "rb", opener=open_nonblocking) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _MAX_READ))
            text = file.read(_MAX_READ).decode("utf-8", "replace")
    except OSError:
        return ""
    return " / ".join(line.strip() for line in text.splitlines() if line.strip())[-_MAX_EXCERPT:]
