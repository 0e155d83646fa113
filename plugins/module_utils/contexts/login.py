# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Login shells: ``sh -l``, ``bash -l``, consoles and terminals over ssh."""

from __future__ import annotations

import os

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils.command import run, session_environment
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import (
    PRINT_ENVIRONMENT,
    Context,
    ManagedFile,
    Probe,
    probe_of,
)
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.shell import SOURCE_SCRIPT, script_file
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration
from ansible_collections.gopherops.devserver.plugins.module_utils.shell_trace import trace
from ansible_collections.gopherops.devserver.plugins.module_utils.sources import Assignment

# Late in the order of /etc/profile.d, so that what another package puts there does not win over the declaration.
HOOK = "/etc/profile.d/zz-gopherops-go.sh"
_POSIX_SHELLS = ("bash", "sh", "dash", "ksh", "mksh", "ash")
_TEXT = "# Managed by gopherops.devserver (go_env); changes made here are lost.\n" + SOURCE_SCRIPT


class LoginContext(Context):
    """The user's own shell where it is a POSIX shell, else ``sh``, started as login(1) does."""

    name = "login"

    def applies_to(self, account: Account) -> bool:
        return can_log_in(account)

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        return [script_file(declaration), ManagedFile(HOOK, lambda _text: _TEXT)]

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        argv = [_login_shell(account), "-l", "-c", PRINT_ENVIRONMENT]
        return probe_of(run(argv, env=session_environment(account), account=account, timeout=timeout))

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        files = ["/etc/profile", self._own_profile(account)]
        env = session_environment(account)
        return trace(files, options=["--noprofile", "-l"], env=env, account=account, timeout=timeout)

    def _own_profile(self, account: Account) -> str:
        # bash reads the first of these three that is there, the other shells the last one only.
        bash = os.path.basename(_login_shell(account)) == "bash"
        for name in (".bash_profile", ".bash_login") if bash else ():
            if os.path.exists(os.path.join(account.home, name)):
                return os.path.join(account.home, name)
        return os.path.join(account.home, ".profile")


def can_log_in(account: Account) -> bool:
    """Return whether the account's shell is one that starts commands."""
    return os.path.basename(account.shell) not in ("nologin", "false") and os.access(account.shell, os.X_OK)


def _login_shell(account: Account) -> str:
    return account.shell if os.path.basename(account.shell) in _POSIX_SHELLS else "/bin/sh"
