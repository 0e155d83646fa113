# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of contexts: every way in which a process on a dev server gets its environment.

Writing (``go_env``) and checking (``go_env_drift``) walk this one registry, so they cannot diverge.
"""

from __future__ import annotations

import os
import typing as t

from ..rendered import UNITS, USERS
from . import pam
from .base import ContextKind
from .bash import BashContext
from .ci import CiKind
from .cron import CronContext
from .devcontainer import DevcontainerKind
from .fish import FishContext
from .goenv import GoEnvContext
from .login import LoginContext
from .ssh import SshContext
from .ssh_terminal import SshTerminalContext
from .systemd_system import SystemdSystemContext
from .systemd_user import SystemdUserContext
from .vscode_debug import VscodeDebugKind
from .vscode_server import VscodeServerKind
from .zsh import ZshContext

KINDS: t.Sequence[ContextKind] = (
    GoEnvContext(),
    LoginContext(),
    BashContext(),
    ZshContext(),
    FishContext(),
    SshContext(),
    SshTerminalContext(),
    CronContext(),
    SystemdUserContext(),
    SystemdSystemContext(),
    VscodeServerKind(),
    VscodeDebugKind(),
    DevcontainerKind(),
    CiKind(),
)

# The directories with nothing but their files, the outer ones first.
OWN_DIRECTORIES = (os.path.dirname(USERS), USERS, UNITS, pam.DIRECTORY)
