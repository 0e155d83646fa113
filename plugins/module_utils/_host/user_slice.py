# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts programs of users into their users' slices, so that the limits of a session hold for a probe too.

Each user gets one scope of systemd, which exists as long as this process. Programs join it by their process number.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
import typing as t

from .accounts import Account
from .files import read_text_or_empty, split_lines

_MANAGER = "/run/systemd/system"
_CGROUPS = "/sys/fs/cgroup"
_MANAGER_OBJECT = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_START = ("busctl", "call", "--quiet", *_MANAGER_OBJECT, "StartTransientUnit", "ssa(sv)a(sa(sv))")
# Seconds: for systemd's response, and until it has moved the first process.
_TIMEOUT = 5.0
_UNTIL_MOVED = 1.0
_PAUSE = 0.01
_WAIT = "read -r gate; unset gate; "


class Gate:
    """Lets a program of ``account`` begin only after it joined the user's slice; ``source`` is its standard input.

    A shell that is started with ``stdin`` runs ``wait``, and then the program with ``redirection``. Call ``open`` with
    its number.
    """

    def __init__(self, account: Account | None, source: str) -> None:
        self._account = account
        self._used = account is not None and _applies(account)
        self.wait, self.redirection = (_WAIT, f" <{source}") if self._used else ("", "")
        self.stdin, self._writer = os.pipe() if self._used else (subprocess.DEVNULL, -1)

    def open(self, process: int) -> None:
        if self._account and self._used:
            join(self._account, process)
            with contextlib.suppress(BrokenPipeError):  # The program was killed.
                os.write(self._writer, b"\n")

    def close(self) -> None:
        if self._used:
            os.close(self.stdin)
            os.close(self._writer)


def join(account: Account, process: int) -> None:
    """Move a process into the user's slice, if systemd runs this host and this process is root's."""
    for directory in _SCOPES.directories(account.uid) if _applies(account) else ():
        with contextlib.suppress(OSError), open(f"{directory}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(process))


def _applies(account: Account) -> bool:
    return os.geteuid() == 0 and account.uid != 0 and os.path.isdir(_MANAGER)


class _Scopes:
    """The scopes of this process, each held by a program that exits with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: dict[int, subprocess.Popen[bytes]] = {}

    def directories(self, uid: int) -> list[str]:
        """Return the control groups of the scope of a user, in each hierarchy; none if systemd starts none."""
        name = f"gopherops-{os.getpid()}-{uid}.scope"
        with self._lock:
            if uid not in self._holders:
                self._holders[uid] = _hold_scope(name, f"user-{uid}.slice")
            return list(_directories_of(self._holders[uid].pid, name))


def _hold_scope(name: str, slice_name: str) -> subprocess.Popen[bytes]:
    """Return a program that exits with this process, in a new scope if systemd can start one."""
    nothing = subprocess.DEVNULL
    holder = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=nothing, cwd="/", env={})
    properties = ["3", "PIDs", "au", "1", str(holder.pid), "Slice", "s", slice_name, "Delegate", "b", "true"]
    argv = [*_START, name, "fail", *properties, "0"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(argv, stdin=nothing, stdout=nothing, stderr=nothing, cwd="/", timeout=_TIMEOUT, check=True)
        deadline = time.monotonic() + _UNTIL_MOVED
        # With several hierarchies systemd moves it from one to the next.
        least = 1 if os.path.exists(f"{_CGROUPS}/cgroup.controllers") else 3
        while len(list(_directories_of(holder.pid, name))) < least and time.monotonic() < deadline:
            time.sleep(_PAUSE)
    return holder


def _directories_of(process: int, scope: str) -> t.Iterator[str]:
    """Yield the directories of a process's control groups, of one or of several hierarchies, that are of ``scope``."""
    for line in split_lines(read_text_or_empty(f"/proc/{process}/cgroup")):
        _number, controllers, path = line.split(":", 2)
        hierarchies = (controllers.replace("name=", ""),) if controllers else ("unified", "")
        if path.endswith(f"/{scope}"):
            yield from filter(os.path.isdir, (os.path.join(_CGROUPS, hierarchy) + path for hierarchy in hierarchies))


_SCOPES = _Scopes()
