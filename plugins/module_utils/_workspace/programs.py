# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs programs in a workspace: as its user, within that user's limits, and with what a login would set."""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from .._environment.declaration import UserEnvironment
from .._host.command import SYSTEM_PATH, Completed, run, session_environment
from .._host.managed_files import current_umask
from .._host.user_access import call_as
from .._host.user_slice import Gate

# Changes the directory with the user's rights. Without a PWD, programs do not see links in its path.
_IN_DIRECTORY = 'umask "$1"; cd -- "$2" || exit; shift 2; unset PWD OLDPWD; exec "$@"'
_LOW_PRIORITY = (("nice", "-n", "19"), ("ionice", "-c", "3"))


class UserPrograms:
    """Runs programs with the declared environment of a user; ``timeout`` is the limit of each in seconds."""

    def __init__(self, user: UserEnvironment, timeout: float) -> None:
        self.user = user
        # Hosts of repositories that did not respond in time.
        self.silent_hosts: set[str] = set()
        # Whether a program did not finish for another cause.
        self.timed_out = False
        self._timeout = timeout
        self._umask = ""

    def run(
        self,
        directory: str,
        argv: t.Sequence[str],
        *,
        env: t.Mapping[str, str],
        timeout: float = 0,
        silence: float = 0,
        low_priority: bool = False,
    ) -> Completed:
        """Run a program in ``directory``, with ``env`` beside the declared variables; for ``silence`` see ``run``."""
        account = self.user.account
        self._umask = self._umask or f"{call_as(account, current_umask):03o}"
        path = ":".join([*self.user.path, SYSTEM_PATH])
        variables = {**session_environment(account), **self.user.variables, "PATH": path, **env}
        prefixes = [words for words in _LOW_PRIORITY if low_priority and shutil.which(words[0], path=SYSTEM_PATH)]
        words = [self._umask, directory, *(word for prefix in prefixes for word in prefix), *argv]
        with contextlib.closing(Gate(account, os.devnull)) as gate:
            limit = timeout or self._timeout
            script = f"{gate.wait}{_IN_DIRECTORY}{gate.redirection}"
            completed = run(
                ["/bin/sh", "-c", script, "sh", *words],
                env=variables,
                account=account,
                timeout=limit,
                silence=silence,
                gate=gate,
            )
        if completed.returncode is None and not completed.silent_sources and completed.seconds > silence:
            self.timed_out = True
        return completed._replace(argv=argv)
