# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connects to gopls in the two ways of an editor: to the running daemon, or to a process that it starts."""

from __future__ import annotations

import abc
import contextlib
import os
import socket
import struct
import subprocess
import time
import typing as t

from ..._core.errors import DevserverError
from ..._host.accounts import Account
from ..._host.command import start_process
from ..._host.output import OutputReader
from ..._host.process_tree import end_session, orphans_ended
from ..._host.procfs import read_command_line
from ..._protocols.framing import connect_unix
from ..._systemd.systemctl import manager_runs, properties_of
from ..memory import Memory, read_memory

# Seconds; a unix socket accepts at once.
_CONNECT_TIMEOUT = 10
_SETTLING = 0.3
# The results of a unit that a memory limit killed; cgroup v1 does not distinguish it from other signals.
_KILLED = ("oom-kill", "signal")
_DAEMON = "daemon"
_CREDENTIALS = struct.Struct("3i")
# The properties of a unit in a result, by their names there.
_STATES = {"active": "ActiveState", "result": "Result", "restarts": "NRestarts", "pid": "MainPID"}
# Bytes of stderr that are kept.
_MAX_STDERR = 8192


class ServerConnection(abc.ABC):
    """A connection to a language server."""

    # How errors name the server.
    name: str
    stream: socket.socket
    # Whether the server outlives this session, which must be shut down by the protocol then.
    shared: bool
    _unit: str

    @property
    @abc.abstractmethod
    def mode(self) -> str:
        """Return daemon or per-editor, by the process that does the work."""

    @abc.abstractmethod
    def _pid(self) -> int:
        """Return the number of the process that does the work, 0 if unknown."""

    @abc.abstractmethod
    def explain_failure(self) -> str:
        """Return a sentence on the state of the server after a failure; empty if unknown."""

    def memory(self) -> Memory:
        """Return the peak memory of the server so far."""
        pid = self._pid()
        return read_memory(pid, self._unit) if pid else Memory()

    def unit(self) -> dict[str, str]:
        """Return the state of the server's unit; empty without a unit."""
        return _read_state(self._unit) if self.mode == _DAEMON else {}

    def close(self) -> None:
        """Close the connection, and end the processes that were started for it."""
        self.stream.close()


class DaemonConnection(ServerConnection):
    """A connection to the daemon at a unix socket; ``unit`` is its systemd service, if any."""

    shared = True

    mode = _DAEMON

    def __init__(self, path: str, unit: str, account: Account) -> None:
        """Connect with the rights of ``account``, in the main thread only; raise DevserverError if that fails."""
        self.name = f"the gopls at {path}"
        self._unit = unit
        try:
            self.stream = connect_unix(path, account, _CONNECT_TIMEOUT)
        except OSError as error:
            raise _connection_error(path, unit, account, error) from error

    def explain_failure(self) -> str:
        unit = self.unit()
        if unit.get("result") == "success":
            # The closed connection is visible before systemd updates the unit's result.
            time.sleep(_SETTLING)
            unit = self.unit()
        if not unit:
            return ""
        state = "Its unit {name} is {active} with the result {result}, after {restarts} restarts".format(**unit)
        limit = "; a memory limit has this effect: increase language_server_memory" if unit["result"] in _KILLED else ""
        return f"{state}{limit}."

    def _pid(self) -> int:
        # The socket's credentials do not name it if systemd listens, or a process outside of this container.
        size = _CREDENTIALS.size
        pid = int(_CREDENTIALS.unpack(self.stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0])
        return pid if pid > 1 else _pid_of(self._unit)


class StartedServer(ServerConnection):
    """A process that is started for this session, as an editor does; it may forward to the daemon of ``unit``."""

    shared = False

    def __init__(self, command: str, unit: str, *, env: t.Mapping[str, str], workspace: str, account: Account) -> None:
        """Start ``command`` as ``account``; raise DevserverError if it cannot be started."""
        self.name = command
        self._unit = unit
        with contextlib.ExitStack() as held:
            # Until the session ends: a command that runs at the same time would end this process as a leftover.
            held.enter_context(orphans_ended())
            self.stream, theirs = socket.socketpair()
            held.callback(self.stream.close)
            with theirs:
                streams = {"stdin": theirs, "stdout": theirs, "stderr": subprocess.PIPE}
                options: dict[str, t.Any] = {"env": dict(env), "cwd": workspace, "start_new_session": True}
                self._process = start_process([command, "serve"], account, **streams, **options)
            self._stderr = OutputReader(t.cast("t.IO[bytes]", self._process.stderr), _MAX_STDERR, last=True)
            held.callback(self._stderr.close)
            held.callback(self._end)
            self._held = held.pop_all()

    @property
    def mode(self) -> str:
        # A gopls with this flag only forwards to a daemon.
        words = read_command_line(self._process.pid)
        return _DAEMON if any(word.startswith(("-remote=", "--remote=")) for word in words) else "per-editor"

    def _pid(self) -> int:
        return _pid_of(self._unit) if self.mode == _DAEMON else self._process.pid

    def explain_failure(self) -> str:
        self._end()
        self._stderr.close()
        lines = self._stderr.text().strip().splitlines()
        return f"Last line of stderr: {lines[-1]}." if lines else ""

    def close(self) -> None:
        self._held.close()

    def _end(self) -> None:
        end_session(self._process.pid)
        self._process.wait()


def _read_state(unit: str) -> dict[str, str]:
    if not manager_runs():
        return {}
    properties = properties_of([unit], list(_STATES.values()))[unit]
    return {"name": unit, **{name: properties.get(key, "") for name, key in _STATES.items()}}


def _pid_of(unit: str) -> int:
    return int(_read_state(unit).get("pid") or 0)


def _connection_error(path: str, unit: str, account: Account, error: OSError) -> DevserverError:
    if isinstance(error, FileNotFoundError):
        problem = f"socket {path} does not exist"
        remedy = "run the role language_server; on a host without systemd set gopls to a command instead"
    elif isinstance(error, ConnectionRefusedError):
        problem = f"no server listens at {path}"
        remedy = f"restart the socket of {unit} as root, and check 'journalctl -u {unit}'"
    elif isinstance(error, PermissionError):
        problem = f"user {account.name} has no permission to connect to {path}"
        remedy = f"give {os.path.dirname(path)} to this user with mode 0700, or correct socket"
    else:
        problem = f"cannot connect to {path}: {error}"
        remedy = f"check 'ls -l {path}' and 'journalctl -u {unit}', or correct socket"
    return DevserverError(problem, expected="the socket of this user's gopls daemon", remedy=remedy, socket=path)
