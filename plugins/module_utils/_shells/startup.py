# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The startup of a shell: its environment, options and files."""

from __future__ import annotations

import os
import typing as t

from .._host.accounts import Account
from .._host.command import Completed, run_at_home, run_in_terminal


class Startup(t.NamedTuple):
    """The startup of ``account``'s shell in a context, with ``options`` (``-i``, ``-l``) and ``env``.

    A POSIX shell reads all ``files`` and the first existing one of ``first_of``, and runs ``then``. With ``prompts`` it
    has a terminal, and runs up to its first prompt.
    """

    account: Account
    options: t.Sequence[str]
    env: t.Mapping[str, str]
    files: t.Sequence[str] = ()
    first_of: t.Sequence[str] = ()
    then: str = ""
    prompts: bool = False

    @property
    def shell(self) -> str:
        """The shell's name, without its directory."""
        return os.path.basename(self.account.shell)

    @property
    def unread(self) -> list[str]:
        """The options with which bash reads no startup files by itself."""
        return ["--noprofile" if "-l" in self.options else "--norc", *self.options]

    def run(self, argv: t.Sequence[str], timeout: float, added: t.Mapping[str, str] | None = None) -> Completed:
        """Run ``argv`` as the shell is started, in a terminal if it prompts; ``added`` are further variables."""
        start = run_in_terminal if self.prompts else run_at_home
        return start(argv, env={**self.env, **(added or {})}, account=self.account, timeout=timeout)
