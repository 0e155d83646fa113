# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that runs during a step: started as the user, asked over HTTP, and ended with all that it has started."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import begin
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import open_at_once
from ansible_collections.gopherops.devserver.plugins.module_utils._host.process_tree import end_session, nothing_left
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.plan import ADDRESS, Service
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.user_sandbox import Site

# Seconds: between two questions, that one answer may take, and that a program may take to end by itself.
_PAUSE = 0.05
_ANSWER = 5.0
_GRACE = 5.0
# Characters of the log that stand in a message.
_LAST_WORDS = 300
# Bytes that these are looked for in.
_MOST_READ = 65536


def free_address(service: Service) -> Address:
    """Return where the service can listen; raise DevserverError where its port is taken."""
    family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: what an earlier one left waiting is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((service.host, service.port))
            probe.listen()
        except OSError as error:
            raise DevserverError(
                f"{Address(service.host, service.port)} cannot be listened at: {error.strerror}",
                expected="a free port of the loopback",
                remedy=f"end what 'ss -ltnp sport = :{service.port}' names, or leave the port to be chosen (0)",
            ) from error
        return Address(service.host, probe.getsockname()[1])


def arguments(service: Service, address: Address) -> list[str]:
    """Return the service's arguments for listening at ``address``."""
    return [word.replace(ADDRESS, str(address)) for word in service.args]


@contextlib.contextmanager
def serving(site: Site, argv: t.Sequence[str], address: Address) -> t.Iterator[int]:
    """Run ``argv`` until the block ends; yield its process number once all health paths answer 200.

    Raises DevserverError, with what it printed last, where they do not in time, or where it has ended by itself.
    """
    with _running(site, argv) as (process, said):
        _await_health(site, process, address, said)
        yield process.pid
        if process.poll() is not None:
            raise _ended(argv, process, said)


@contextlib.contextmanager
def _running(site: Site, argv: t.Sequence[str]) -> t.Iterator[tuple[subprocess.Popen[bytes], t.Callable[[], str]]]:
    log = os.path.join(site.folder, "service.log")
    with acting_as(site.account):
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with nothing_left():
        try:
            streams = {"stdin": subprocess.DEVNULL, "stdout": descriptor, "stderr": subprocess.STDOUT}
            process = begin(argv, site.account, env=dict(site.env), cwd="/", start_new_session=True, **streams)
        finally:
            os.close(descriptor)
        try:
            yield process, lambda: last_words(site.account, log)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            end_session(process.pid)
            process.wait()


def _await_health(site: Site, process: subprocess.Popen[bytes], address: Address, said: t.Callable[[], str]) -> None:
    deadline = time.monotonic() + site.plan.service.ready
    for path in site.plan.service.health or ["/"]:
        while True:
            answer = _answer(address, path)
            if process.poll() is not None:
                raise _ended(t.cast("t.Sequence[str]", process.args), process, said)
            # Without paths to ask for, whatever answers is there.
            if answer == "200" or (answer.isdigit() and not site.plan.service.health):
                break
            if time.monotonic() > deadline:
                raise DevserverError(
                    f"http://{address}{path} answers {answer}",
                    expected=f"200 within {site.plan.service.ready:g} seconds",
                    remedy=f"run it by hand as {site.account.name}; it said last: {said() or 'nothing'}",
                )
            time.sleep(_PAUSE)


def _answer(address: Address, path: str) -> str:
    """Return the status of an answer, or in words why there is none. No proxy is asked."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=_ANSWER)
    try:
        connection.request("GET", path)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return f"nothing ({error or type(error).__name__})"
    finally:
        connection.close()


def _ended(argv: t.Sequence[str], process: subprocess.Popen[bytes], said: t.Callable[[], str]) -> DevserverError:
    return DevserverError(
        f"{os.path.basename(argv[0])} ended with {process.returncode}: {said() or 'it said nothing'}",
        expected="a service that runs until it is ended",
        remedy="mend what it says",
    )


def last_words(account: Account, log: str) -> str:
    """Return the end of what was printed to a file, in one line; nothing where ``account`` cannot read it.

    With the user's rights, for the folder is the user's: a link in the log's place leads to what the user may read.
    """
    try:
        with acting_as(account), open(log, "rb", opener=open_at_once) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_READ))
            text = file.read(_MOST_READ).decode("utf-8", "replace")
    except OSError:
        return ""
    return " / ".join(line.strip() for line in text.splitlines() if line.strip())[-_LAST_WORDS:]
