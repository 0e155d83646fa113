# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interactive bash that is no login shell: a terminal inside an editor, ``bash`` typed by hand, tmux."""

from __future__ import annotations

import shutil

from ..._host.accounts import Account, can_log_in
from ..._host.command import session_environment
from ..._host.managed_files import ManagedFile, block_in
from ..._shells.startup import Startup
from ..declaration import Declaration
from .shell import SOURCE_SCRIPT, ShellContext, bashrc_files, script_files, system_bashrc


class BashContext(ShellContext):
    """``bash -i`` with the system's and the user's bashrc."""

    name = "bash"
    in_terminal = True

    def applies_to(self, account: Account) -> bool:
        return shutil.which("bash") is not None and can_log_in(account)

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        if shutil.which("bash") is None:
            return []
        # First, because the system's bashrc returns early where the shell is not interactive (a command over ssh).
        return [*script_files(declaration), block_in(system_bashrc(), SOURCE_SCRIPT, first=True)]

    def start_up(self, account: Account, timeout: float) -> Startup:
        bash, env = account._replace(shell="bash"), session_environment(account)
        return Startup(bash, ["-i"], env, bashrc_files(account), prompts=True)
