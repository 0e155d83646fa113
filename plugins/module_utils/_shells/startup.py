# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a shell starts up: in which environment, with which options, reading which files."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account


class Startup(t.NamedTuple):
    """How a context starts a shell of ``account``: with ``options`` (``-i``, ``-l``), in ``env``.

    A shell of POSIX's kind reads all ``files``, the first of ``first_of`` that is there, and runs ``then``. One that
    ``prompts`` has a terminal, and gets as far as its first prompt.
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
        """The shell's name, without its folder."""
        return os.path.basename(self.account.shell)

    @property
    def unread(self) -> list[str]:
        """The options with which a bash reads none of its files by itself."""
        return ["--noprofile" if "-l" in self.options else "--norc", *self.options]
