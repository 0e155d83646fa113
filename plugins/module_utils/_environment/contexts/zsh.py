# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every zsh, in terminals and scripts: the probe is one in a terminal, which reads all files of a script's zsh."""

from __future__ import annotations

import os

from ..._host.managed_files import ManagedFile, block_in
from ..._shells.scripts import ZSH_SOURCE_ENVIRONMENT, fill
from ..declaration import Declaration
from .shell import SOURCE_SCRIPT, TerminalContext, script_files

# Debian's directory, and the file that other distributions compile into zsh.
_DIRECTORY = "/etc/zsh"
_PLAIN = "/etc/zshenv"
SYSTEM_FILES = (f"{_DIRECTORY}/zshenv", _PLAIN)


class ZshContext(TerminalContext):
    """``zsh -i`` in a terminal, with the system's and the user's files."""

    name = "zsh"

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        if not os.path.isdir(_DIRECTORY) and not self.is_installed():
            return []
        block = fill(ZSH_SOURCE_ENVIRONMENT, {"SOURCE": SOURCE_SCRIPT.strip()})
        # Last, because Debian's own lines in it may set PATH.
        return [*script_files(declaration), block_in(_zshenv(), block, first=False)]


def _zshenv() -> str:
    return os.path.join(_DIRECTORY, "zshenv") if os.path.isdir(_DIRECTORY) else _PLAIN
