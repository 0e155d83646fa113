# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fish, in terminals and scripts: the probe is one in a terminal, which reads all files of a script's fish."""

from __future__ import annotations

from ..._host.managed_files import ManagedFile
from ..declaration import Declaration
from ..rendered import FISH
from .shell import TerminalContext

# Late in the order of the directory, so that files of other packages do not win over the declaration.
HOOK = "/etc/fish/conf.d/zz-gopherops-go.fish"


class FishContext(TerminalContext):
    """``fish -i`` in a terminal, with the system's and the user's files."""

    name = "fish"

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        return FISH.files(HOOK, declaration) if self.is_installed() else []
