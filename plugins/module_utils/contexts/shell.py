# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contexts of shells share: one script for all POSIX ones, and the trace of the user's own shell."""

from __future__ import annotations

import glob
import os
import shlex
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import ManagedFile, whole_file
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration, UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils.fish_trace import trace_fish
from ansible_collections.gopherops.devserver.plugins.module_utils.provenance import Assignment
from ansible_collections.gopherops.devserver.plugins.module_utils.shell_trace import USERS
from ansible_collections.gopherops.devserver.plugins.module_utils.zsh_trace import trace_zsh

SCRIPT = "/etc/gopherops/go-environment.sh"
SOURCE_SCRIPT = f"[ ! -r {SCRIPT} ] || . {SCRIPT}\n"

_SHELLS = ("bash", "sh", "dash", "ksh", "mksh", "ash", "zsh", "fish")
_SYSTEM_BASHRC = ("/etc/bash.bashrc", "/etc/bashrc")

_SCRIPT = """\
# __go_path puts the declared directories first in PATH, once each. Every user has a file that only that user can read.
# After "su" root's PATH may be another user's: nothing is looked for in it.
__go_path() {
  __go_first=
  __go_rest=":$PATH:"
  for __go_dir in "$@"; do
    __go_first="$__go_first:$__go_dir"
    while :; do
      case "$__go_rest" in
        *":$__go_dir:"*) __go_rest="${__go_rest%%":$__go_dir:"*}:${__go_rest#*":$__go_dir:"}" ;;
        *) break ;;
      esac
    done
  done
  __go_rest="${__go_rest#:}"
  __go_rest="${__go_rest%:}"
  export PATH="${__go_first#:}${__go_rest:+:$__go_rest}"
  unset __go_first __go_rest __go_dir
}
__go_user="USERS/$(/usr/bin/id -un).sh"
if [ -r "$__go_user" ]; then
  . "$__go_user"
else
  EVERYONE
fi
unset -f __go_path
unset __go_user
"""


def script_files(declaration: Declaration) -> list[ManagedFile]:
    """Return the script that all shells source, and what it sources for each declared user."""
    everyone = _path(declaration.path) or ":"
    script = _SCRIPT.replace("USERS", USERS).replace("EVERYONE", everyone)
    users = {_user_file(user.account.name): user for user in declaration.users}
    stale = sorted(set(glob.glob(_user_file("*"))) - set(users))
    return [
        # A user's variables may hold a proxy's password.
        *(whole_file(path, _render(user), mode=0o400, owner=user.account) for path, user in users.items()),
        whole_file(SCRIPT, script),
        *(whole_file(path, None) for path in stale),
    ]


def _user_file(name: str) -> str:
    return os.path.join(USERS, name + ".sh")


def _render(user: UserEnvironment) -> str:
    exports = [f"export {name}={shlex.quote(value)}" for name, value in user.variables.items()]
    return "".join(line + "\n" for line in (_path(user.path), *exports) if line)


def _path(directories: t.Sequence[str]) -> str:
    return " ".join(["__go_path", *map(shlex.quote, directories)]) if directories else ""


def own_trace(account: Account, *options: str, env: t.Mapping[str, str], timeout: float) -> list[Assignment] | None:
    """Return what the user's own shell assigns where it is started with ``options``; None for no zsh or fish."""
    tracer = {"zsh": trace_zsh, "fish": trace_fish}.get(os.path.basename(account.shell))
    return tracer(options=options, env=env, account=account, timeout=timeout) if tracer else None


def uncovered(account: Account) -> str:
    """Return why the start-up of the user's own shell cannot be asked; empty where it can."""
    known = os.path.basename(account.shell) in _SHELLS
    return "" if known else f"no context covers the start-up files of {account.shell} yet"


def system_bashrc() -> str:
    """Return the system's bashrc: Debian's bash reads the first of the two, others' skeletons source the second."""
    return next((path for path in _SYSTEM_BASHRC if os.path.exists(path)), _SYSTEM_BASHRC[0])


def bashrc_files(account: Account) -> list[str]:
    """Return what an interactive bash reads by itself, in its order."""
    own = os.path.join(account.home, ".bashrc")
    # Only Debian's family compiles a system-wide file into bash.
    return [_SYSTEM_BASHRC[0], own] if os.path.exists(_SYSTEM_BASHRC[0]) else [own]
