# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways in which an editor gets its gopls: a daemon that is there already, or a process that it starts."""

from __future__ import annotations

import abc
import contextlib
import os
import socket
import struct
import subprocess
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.memory import Memory, memory_of
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import begin
from ansible_collections.gopherops.devserver.plugins.module_utils._host.output import Heard
from ansible_collections.gopherops.devserver.plugins.module_utils._host.process_tree import end_session, nothing_left
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.systemctl import manager_runs, properties_of

# Seconds; a unix socket accepts at once.
_PATIENCE = 10
_SETTLING = 0.3
# What systemd calls it where a limit on memory has ended a unit; the first version of control groups tells no better.
_KILLED = ("oom-kill", "signal")
_DAEMON = "daemon"
_CREDENTIALS = struct.Struct("3i")
# What systemd knows of a unit, by the name that it has in a result.
_STATES = {"active": "ActiveState", "result": "Result", "restarts": "NRestarts", "pid": "MainPID"}
# Bytes of complaints that are kept.
_MOST_SAID = 8192


class Peer(abc.ABC):
    """A language server that this process is connected to."""

    # Names it in errors.
    name: str
    stream: socket.socket
    # Whether it goes on without this session, which must be ended properly then.
    shared: bool

    @property
    @abc.abstractmethod
    def mode(self) -> str:
        """Return daemon or per-editor, by whose memory the work is done in."""

    @abc.abstractmethod
    def memory(self) -> Memory:
        """Return how much memory it has had so far."""

    @abc.abstractmethod
    def fate(self) -> str:
        """Say in a sentence what has become of it, after it failed; empty where nothing is known."""

    def unit(self) -> dict[str, str]:
        """Return the state of its unit; nothing where it has none."""
        return {}

    def close(self) -> None:
        """Hang up, and end what was started for it."""
        self.stream.close()


class Daemon(Peer):
    """What listens at a unix socket; ``unit`` is the service that systemd runs it as, if it does."""

    shared = True

    def __init__(self, path: str, unit: str, account: Account) -> None:
        """Connect with the rights of ``account``. Not for threads. Raises DevserverError where nobody answers."""
        self.name = f"the gopls at {path}"
        self._unit = unit
        self.stream = _connected(path, unit, account)

    @property
    def mode(self) -> str:
        return _DAEMON

    def memory(self) -> Memory:
        pid = self._pid()
        return memory_of(pid, self._unit) if pid else Memory()

    def unit(self) -> dict[str, str]:
        return _state_of(self._unit)

    def fate(self) -> str:
        unit = self.unit()
        if unit.get("result") == "success":
            # Who hangs up is known here before systemd has looked at why.
            time.sleep(_SETTLING)
            unit = self.unit()
        if not unit:
            return ""
        told = "Its unit {name} is {active}, the result {result}, and it was restarted {restarts} times".format(**unit)
        limit = "; a memory limit does that: raise language_server_memory" if unit["result"] in _KILLED else ""
        return f"{told}{limit}."

    def _pid(self) -> int:
        """Return the number of its process, 0 where it is not known.

        Where systemd listens in its place, or nobody of this container, the socket's own answer does not tell.
        """
        size = _CREDENTIALS.size
        pid = int(_CREDENTIALS.unpack(self.stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0])
        return pid if pid > 1 else _pid_of(self._unit)


class Own(Peer):
    """A process that was started for this session, as an editor does; it may hand on to the daemon of ``unit``."""

    shared = False

    def __init__(self, command: str, unit: str, *, env: t.Mapping[str, str], workspace: str, account: Account) -> None:
        """Start ``command`` as ``account``. Raises DevserverError where that cannot be started."""
        self.name = command
        self._unit = unit
        with contextlib.ExitStack() as held:
            # To its end, or a command that is run at the same time would take it for something left over.
            held.enter_context(nothing_left())
            self.stream, theirs = socket.socketpair()
            held.callback(self.stream.close)
            with theirs:
                streams = {"stdin": theirs, "stdout": theirs, "stderr": subprocess.PIPE}
                options: dict[str, t.Any] = {"env": dict(env), "cwd": workspace, "start_new_session": True}
                self._process = begin([command, "serve"], account, **streams, **options)
            self._heard = Heard(t.cast("t.IO[bytes]", self._process.stderr), _MOST_SAID, last=True)
            held.callback(self._heard.close)
            held.callback(self._end)
            self._held = held.pop_all()

    @property
    def mode(self) -> str:
        return _DAEMON if self._hands_on() else "per-editor"

    def memory(self) -> Memory:
        pid = _pid_of(self._unit) if self._hands_on() else self._process.pid
        return memory_of(pid, self._unit) if pid else Memory()

    def unit(self) -> dict[str, str]:
        return _state_of(self._unit) if self._hands_on() else {}

    def _hands_on(self) -> bool:
        """Return whether it is a gopls that only connects to a daemon."""
        with contextlib.suppress(OSError), open(f"/proc/{self._process.pid}/cmdline", "rb") as file:
            return any(word.startswith((b"-remote=", b"--remote=")) for word in file.read().split(b"\0"))
        return False

    def fate(self) -> str:
        self._end()
        self._heard.close()
        said = self._heard.text().strip().splitlines()
        return f"It said last: {said[-1]}." if said else ""

    def close(self) -> None:
        self._held.close()

    def _end(self) -> None:
        end_session(self._process.pid)
        self._process.wait()


def _state_of(unit: str) -> dict[str, str]:
    if not manager_runs():
        return {}
    said = properties_of([unit], list(_STATES.values()))[unit]
    return {"name": unit, **{name: said.get(key, "") for name, key in _STATES.items()}}


def _pid_of(unit: str) -> int:
    return int(_state_of(unit).get("pid") or 0)


def _connected(path: str, unit: str, account: Account) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(_PATIENCE)
    try:
        with acting_as(account):
            stream.connect(path)
    except OSError as error:
        stream.close()
        raise _unreachable(path, unit, account, error) from error
    return stream


def _unreachable(path: str, unit: str, account: Account, error: OSError) -> DevserverError:
    if isinstance(error, FileNotFoundError):
        what = f"there is no socket {path}"
        remedy = "provision the host with the role language_server; where no systemd runs it, name gopls instead"
    elif isinstance(error, ConnectionRefusedError):
        what = f"nobody listens at {path}"
        remedy = f"restart the socket that belongs to {unit}, and look at 'journalctl -u {unit}'"
    elif isinstance(error, PermissionError):
        what = f"user {account.name} may not connect to {path}"
        remedy = f"make {os.path.dirname(path)} a folder of that user alone (mode 0700), or correct socket"
    else:
        what = f"cannot connect to {path}: {error}"
        remedy = f"look at what it is, and at 'journalctl -u {unit}'; or correct socket"
    return DevserverError(what, expected="the socket of this user's gopls daemon", remedy=remedy, socket=path)
