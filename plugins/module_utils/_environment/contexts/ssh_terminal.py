# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Terminals over ssh (``ssh host``): an interactive login shell in the environment that PAM and sshd give."""

from __future__ import annotations

import os
import typing as t

from ..._host.accounts import Account, can_log_in
from ..._host.managed_files import ManagedFile
from ..._shells.startup import Startup
from .. import sshd_config
from ..declaration import Declaration
from .login import interactive_login
from .shell import ShellContext, login_kinds
from .ssh import LoginOverSsh

# Startup files distinguish a login over ssh by these. The terminal is that of the process.
_CONNECTION = {
    "SSH_CLIENT": "127.0.0.1 65535 22",
    "SSH_CONNECTION": "127.0.0.1 65535 127.0.0.1 22",
    "SSH_TTY": "/dev/tty",
}


class SshTerminalContext(LoginOverSsh, ShellContext):
    """The user's own shell, started in a terminal as sshd does.

    No session of sshd is opened, because the one of ``ssh`` shows what that gives.
    """

    name = "ssh_terminal"
    in_terminal = True
    in_server = True

    def applies_to(self, account: Account) -> bool:
        return os.path.exists(sshd_config.SSHD) and can_log_in(account)

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        return []  # Those of the commands over ssh and of the shells.

    def fed_by(self, account: Account) -> t.Sequence[str]:
        return ["ssh", *login_kinds(account)]

    def start_up_with(self, account: Account, environment: t.Mapping[str, str]) -> Startup:
        return interactive_login(account, {**environment, **_CONNECTION}, prompts=True)
