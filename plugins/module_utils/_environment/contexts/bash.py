# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interactive bash that is no login shell: a terminal inside an editor, ``bash`` typed by hand, tmux."""

from __future__ import annotations

from ..._host.accounts import Account
from ..._host.managed_files import ManagedFile, block_in
from ..declaration import Declaration
from .shell import SOURCE_SCRIPT, TerminalContext, bashrc_files, script_files, system_bashrc


class BashContext(TerminalContext):
    """``bash -i`` with the system's and the user's bashrc."""

    name = "bash"

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        if not self.is_installed():
            return []
        # First, because the system's bashrc returns early where the shell is not interactive (a command over ssh).
        return [*script_files(declaration), block_in(system_bashrc(), SOURCE_SCRIPT, first=True)]

    def startup_files(self, account: Account) -> list[str]:
        return bashrc_files(account)
