# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension hosts of VS Code servers and the systemd managers of users that run on this host."""

from __future__ import annotations

import itertools
import os
import time
import typing as t

from ..._host.accounts import Account
from ..._host.procfs import PROC, Process, owner_id, process_ids, read_first_words, read_process, start_time
from ..._host.reading_limit import reading

# Extension hosts of one user that are read. An editor has one for each window.
_MOST = 20
# Processes of one user that are inspected, and the seconds for that: any user can start thousands, with long commands.
_MOST_INSPECTED = 5000
_SECONDS = 3.0


def extension_hosts(accounts: t.Iterable[Account], proc: str = PROC) -> list[Process]:
    """Return processes of these users that run extensions for VS Code or code-server, for each lowest ID first.

    These are at most _MOST of each user, and nothing of others is read: any user can start such processes.
    The search for those of a user ends after _MOST_INSPECTED processes or _SECONDS.
    """
    hosts: list[Process] = []
    for account in accounts:
        pids = (pid for pid in _processes_of(account, proc) if _is_extension_host(pid, proc))
        # The words of a command are in the memory of its process, which may be a file that hangs.
        with reading(account):
            hosts += itertools.islice(filter(None, (read_process(pid, proc) for pid in pids)), _MOST)
    return hosts


def manager_started(account: Account, proc: str = PROC) -> float | None:
    """Return when the systemd manager of a user was started; None if none runs."""
    managers = (pid for pid in _processes_of(account, proc) if _is_user_manager(pid, proc))
    with reading(account):
        return next((start for start in (start_time(pid, proc) for pid in managers) if start is not None), None)


def _processes_of(account: Account, proc: str) -> t.Iterator[int]:
    """Return the processes of a user, as long as the caller has not spent _SECONDS on them."""
    pids = (pid for pid in process_ids(proc) if owner_id(pid, proc) == account.uid)
    deadline = time.monotonic() + _SECONDS
    return itertools.takewhile(lambda _pid: time.monotonic() < deadline, itertools.islice(pids, _MOST_INSPECTED))


def _is_extension_host(pid: int, proc: str) -> bool:
    words = read_first_words(pid, proc)
    return "--type=extensionHost" in words and any(word.endswith("bootstrap-fork") for word in words)


def _is_user_manager(pid: int, proc: str) -> bool:
    words = read_first_words(pid, proc)
    return len(words) > 1 and os.path.basename(words[0]) == "systemd" and words[1] == "--user"
