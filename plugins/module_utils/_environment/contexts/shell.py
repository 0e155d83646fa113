# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common part of shells: one script for all POSIX ones, and how a startup is probed and traced."""

from __future__ import annotations

import abc
import glob
import os
import re
import shlex
import shutil
import typing as t

from ..._core.provenance import Assignment
from ..._host.accounts import Account
from ..._host.command import run_at_home, run_in_terminal
from ..._host.files import read_text
from ..._host.managed_files import ManagedFile, whole_file
from ..._shells.bash_trace import trace_bash
from ..._shells.fish_trace import spare_directories, trace_fish
from ..._shells.scripts import PROMPTS
from ..._shells.startup import Startup
from ..._shells.zsh_trace import trace_zsh
from ..declaration import Declaration, UserEnvironment
from ..paths import USERS
from .base import PRINT_ENVIRONMENT, Probe, SingleContext, probe_of
from .previous import known_account

SCRIPT = "/etc/gopherops/go-environment.sh"
SOURCE_SCRIPT = f"[ ! -r {SCRIPT} ] || . {SCRIPT}\n"

_SHELLS = ("bash", "sh", "dash", "ksh", "mksh", "ash", "zsh", "fish")
_EXPORTED = re.compile(r"^export (\w+)=", re.MULTILINE)
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
        *(whole_file(path, None, owner=known_account(_user_of(path))) for path in stale),
    ]


def _user_file(name: str) -> str:
    return os.path.join(USERS, name + ".sh")


def _user_of(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _render(user: UserEnvironment) -> str:
    exports = [f"export {name}={shlex.quote(value)}" for name, value in user.variables.items()]
    return "".join(line + "\n" for line in (_path(user.path), *exports) if line)


def _path(directories: t.Sequence[str]) -> str:
    return " ".join(["__go_path", *map(shlex.quote, directories)]) if directories else ""


class ShellContext(SingleContext):
    """A context that consists of the startup of a shell."""

    @abc.abstractmethod
    def start_up(self, account: Account, timeout: float) -> Startup:
        """Return how the shell starts up."""

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        start_up = self.start_up(account, timeout)
        problem = unsupported_shell(start_up.account)
        return Probe(None, problem) if problem else probe_startup(start_up, timeout, terminal=start_up.prompts)

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        return trace_startup(self.start_up(account, timeout), timeout)


def login_kinds(account: Account) -> list[str]:
    """Return the names of the kinds whose files a login shell of ``account`` reads."""
    return {"zsh": ["zsh"], "fish": ["fish"]}.get(os.path.basename(account.shell), ["login", "bash"])


def kinds_over_ssh(account: Account) -> list[str]:
    """Return the names of the kinds whose files a command over ssh reads in the shell of ``account``."""
    return ["ssh", *(kind for kind in login_kinds(account) if kind != "login")]


def probe_startup(start_up: Startup, timeout: float, *, terminal: bool) -> Probe:
    """Start the shell, in a ``terminal`` or as a script does, and return its environment."""
    prompt = f"{PROMPTS[start_up.shell]}; " if start_up.prompts else ""
    account, start = start_up.account, run_in_terminal if terminal else run_at_home
    argv = [account.shell, *start_up.options, "-c", prompt + PRINT_ENVIRONMENT]
    with spare_directories(account) as directories:
        done = start(argv, env={**start_up.env, **directories}, account=account, timeout=timeout)
    return probe_of(done, added=directories, terminal=terminal)


def trace_startup(start_up: Startup, timeout: float) -> list[Assignment]:
    """Start the shell with a trace, and return who sets which variable, in order."""
    if start_up.shell == "fish":
        return trace_fish(start_up, timeout)
    trace = trace_zsh if start_up.shell == "zsh" else trace_bash
    return trace(start_up, timeout, _declared_names(start_up.account.name))


def _declared_names(user: str) -> list[str]:
    """Return the names of the variables in the user's rendered file."""
    return _EXPORTED.findall(read_text(_user_file(user)) or "")


def unsupported_shell(account: Account) -> str:
    """Return why the startup of the user's own shell cannot be probed; empty if it can."""
    if not shutil.which(account.shell):
        return f"{account.name} cannot log in: the shell {account.shell} is missing or not executable"
    known = os.path.basename(account.shell) in _SHELLS
    return "" if known else f"startup files of {account.shell} are not supported"


def system_bashrc() -> str:
    """Return the system's bashrc: Debian's bash reads the first, skeletons of other distributions source the second."""
    return next((path for path in _SYSTEM_BASHRC if os.path.exists(path)), _SYSTEM_BASHRC[0])


def bashrc_files(account: Account) -> list[str]:
    """Return the files that an interactive bash reads by itself, in order."""
    own = os.path.join(account.home, ".bashrc")
    # Only Debian's family compiles a system-wide file into bash.
    return [_SYSTEM_BASHRC[0], own] if os.path.exists(_SYSTEM_BASHRC[0]) else [own]
