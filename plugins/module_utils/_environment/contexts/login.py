# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Login shells: ``sh -l``, ``bash -l``, ``zsh -l``, ``fish -l``, and consoles."""

from __future__ import annotations

import os
import re
import typing as t

from ..._host.accounts import Account, can_log_in
from ..._host.command import session_environment
from ..._host.managed_files import ManagedFile, whole_file
from ..._shells.startup import Startup
from ..declaration import Declaration
from . import pam
from .shell import SOURCE_SCRIPT, ShellContext, login_kinds, script_files

# Late in the order of /etc/profile.d, so that files of other packages do not win over the declaration.
HOOK = "/etc/profile.d/zz-gopherops-go.sh"

# The service of login(1); that of su reads the same files.
_SERVICE = "/etc/pam.d/login"
_LANGUAGE = re.compile(r"(LANG|LANGUAGE|LC_\w+)\Z")


class LoginContext(ShellContext):
    """The user's own shell, started as login(1) does."""

    name = "login"
    in_terminal = True

    def applies_to(self, account: Account) -> bool:
        return can_log_in(account)

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        return [*script_files(declaration), whole_file(HOOK, SOURCE_SCRIPT)]

    def fed_by(self, account: Account) -> t.Sequence[str]:
        return login_kinds(account)

    def start_up(self, account: Account, timeout: float) -> Startup:
        return Startup(account, ["-l"], login_environment(account), ["/etc/profile"], startup_files(account))


def interactive_login(account: Account, env: t.Mapping[str, str], *, prompts: bool = False) -> Startup:
    """Return how the user's shell starts as an interactive login shell with ``env``."""
    # An interactive POSIX shell reads that file too; bash does not.
    then = "" if os.path.basename(account.shell) == "bash" else '[ ! -r "${ENV:-}" ] || . "$ENV"\n'
    return Startup(account, ["-i", "-l"], env, ["/etc/profile"], startup_files(account), then, prompts)


def login_environment(account: Account) -> dict[str, str]:
    """Return the environment that login(1) and su(1) give a login shell: with a language only if the host has one.

    Without one, a fish does not find its files in a home whose name is not ASCII.
    """
    env = {name: value for name, value in session_environment(account).items() if not _LANGUAGE.match(name)}
    assignments = pam.assignments(_SERVICE, account)
    return {**env, **{item.name: item.value for item in assignments if _LANGUAGE.match(item.name)}}


def startup_files(account: Account) -> list[str]:
    """Return the user's startup files of which a POSIX login shell reads the first that exists."""
    # Only bash knows the two of its own.
    names = [".bash_profile", ".bash_login"] if os.path.basename(account.shell) == "bash" else []
    return [os.path.join(account.home, name) for name in (*names, ".profile")]
