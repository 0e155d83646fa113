# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of contexts: every way in which a process on a dev server gets its environment.

Writing (``go_env``) and checking (``go_env_drift``) walk this one registry, so they cannot diverge.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import pam, systemd_system
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import ContextKind
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.bash import BashContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.ci import CiKind
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.cron import CronContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.devcontainer import (
    DevcontainerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.fish import FishContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.goenv import GoEnvContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.ssh import SshContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.systemd_system import (
    SystemdSystemContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.systemd_user import (
    SystemdUserContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_debug import (
    VscodeDebugKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.zsh import ZshContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.paths import USERS

KINDS: t.Sequence[ContextKind] = (
    GoEnvContext(),
    LoginContext(),
    BashContext(),
    ZshContext(),
    FishContext(),
    SshContext(),
    CronContext(),
    SystemdUserContext(),
    SystemdSystemContext(),
    VscodeServerKind(),
    VscodeDebugKind(),
    DevcontainerKind(),
    CiKind(),
)

# The directories with nothing but their files, the outer ones first.
OWN_DIRECTORIES = (os.path.dirname(USERS), USERS, systemd_system.DIRECTORY, pam.DIRECTORY)
