# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every zsh, in terminals and scripts: the probe is one in a terminal, which reads all files of a script's zsh."""

from __future__ import annotations

import os
import shutil

from ..._host.accounts import Account, can_log_in
from ..._host.command import session_environment
from ..._host.managed_files import ManagedFile, block_in
from ..._shells.startup import Startup
from ..declaration import Declaration
from .base import Probe
from .shell import SOURCE_SCRIPT, ShellContext, probe_startup, script_files

# Debian's directory, and the file that other distributions compile into zsh.
_DIRECTORY = "/etc/zsh"
_PLAIN = "/etc/zshenv"
_USER_FILES = (".zshenv", ".zprofile", ".zshrc", ".zlogin")
# A script's zsh inside a session keeps what it was given there: GOFLAGS=-x before a command must reach it.
_BLOCK = f"""\
if [[ -o interactive || -o login || ${{SHLVL:-1}} -le 1 ]]; then
  {SOURCE_SCRIPT.strip()}
fi
"""


class ZshContext(ShellContext):
    """``zsh -i`` in a terminal, with the system's and the user's files."""

    name = "zsh"
    in_terminal = True

    def applies_to(self, account: Account) -> bool:
        return shutil.which("zsh") is not None and can_log_in(account)

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        if not os.path.isdir(_DIRECTORY) and shutil.which("zsh") is None:
            return []
        # Last, because Debian's own lines in it may set PATH.
        return [*script_files(declaration), block_in(_zshenv(), _BLOCK, first=False)]

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        # In a terminal, zsh starts a dialog for a user who has none of these files.
        greets = not any(os.path.exists(os.path.join(account.home, name)) for name in _USER_FILES)
        return probe_startup(self.start_up(account, timeout), timeout, terminal=not greets)

    def start_up(self, account: Account, timeout: float) -> Startup:
        return Startup(account._replace(shell="zsh"), ["-i"], session_environment(account), prompts=True)


def _zshenv() -> str:
    return os.path.join(_DIRECTORY, "zshenv") if os.path.isdir(_DIRECTORY) else _PLAIN
