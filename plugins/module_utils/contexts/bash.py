# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interactive bash that is no login shell: a terminal inside an editor, ``bash`` typed by hand, tmux."""

from __future__ import annotations

import functools
import os
import shutil

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils.command import run, session_environment
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import (
    PRINT_ENVIRONMENT,
    Context,
    ManagedFile,
    Probe,
    probe_of,
)
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.login import can_log_in
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.shell import SOURCE_SCRIPT, script_file
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration
from ansible_collections.gopherops.devserver.plugins.module_utils.managed_block import with_block
from ansible_collections.gopherops.devserver.plugins.module_utils.shell_trace import trace
from ansible_collections.gopherops.devserver.plugins.module_utils.sources import Assignment

_SYSTEM_FILES = ("/etc/bash.bashrc", "/etc/bashrc")


class BashContext(Context):
    """``bash -i`` with the system's and the user's bashrc."""

    name = "bash"

    def applies_to(self, account: Account) -> bool:
        return shutil.which("bash") is not None and can_log_in(account)

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        if shutil.which("bash") is None:
            return []
        return [script_file(declaration), ManagedFile(system_bashrc(), functools.partial(_with_hook, system_bashrc()))]

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        argv = ["bash", "-i", "-c", PRINT_ENVIRONMENT]
        return probe_of(run(argv, env=session_environment(account), account=account, timeout=timeout))

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        env = session_environment(account)
        return trace(bashrc_files(account), options=["--norc", "-i"], env=env, account=account, timeout=timeout)


def system_bashrc() -> str:
    """Return the system's bashrc: Debian's bash reads the first of the two, others' skeletons source the second."""
    return next((path for path in _SYSTEM_FILES if os.path.exists(path)), _SYSTEM_FILES[0])


def bashrc_files(account: Account) -> list[str]:
    """Return what an interactive bash reads by itself, in its order."""
    own = os.path.join(account.home, ".bashrc")
    # Only Debian's family compiles a system-wide file into bash.
    return [_SYSTEM_FILES[0], own] if os.path.exists(_SYSTEM_FILES[0]) else [own]


def _with_hook(path: str, text: str | None) -> str:
    # First, because the system's bashrc returns early where the shell is not interactive (a command over ssh).
    return with_block(text or "", SOURCE_SCRIPT, path=path, first=True)
