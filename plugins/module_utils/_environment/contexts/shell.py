# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common part of shells: one script for all POSIX ones, and how a startup is probed and traced."""

from __future__ import annotations

import abc
import os
import shutil

from ..._core.provenance import Assignment
from ..._host.accounts import Account, can_log_in
from ..._host.command import session_environment
from ..._host.managed_files import ManagedFile
from ..._host.reading_limit import reading
from ..._shells.bash_trace import trace_bash
from ..._shells.fish_trace import trace_fish
from ..._shells.scripts import PROMPTS
from ..._shells.shell_query import ShellQuery
from ..._shells.startup import Startup
from ..._shells.zsh_trace import trace_zsh
from ..declaration import Declaration
from ..rendered import POSIX, recorded_names
from .base import Probe, SingleContext, probe_of

SCRIPT = "/etc/gopherops/go-environment.sh"
SOURCE_SCRIPT = f"[ ! -r {SCRIPT} ] || . {SCRIPT}\n"

_SHELLS = ("bash", "sh", "dash", "ksh", "mksh", "ash", "zsh", "fish")
SYSTEM_BASHRC = ("/etc/bash.bashrc", "/etc/bashrc")
_ZSH_FILES = (".zshenv", ".zprofile", ".zshrc", ".zlogin")


def script_files(declaration: Declaration) -> list[ManagedFile]:
    """Return the script that all POSIX shells source, and what it sources for each declared user."""
    return POSIX.files(SCRIPT, declaration)


class ShellContext(SingleContext):
    """A context that consists of the startup of a shell."""

    @abc.abstractmethod
    def start_up(self, account: Account, timeout: float) -> Startup:
        """Return how the shell starts up."""

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        start_up = self.start_up(account, timeout)
        problem = unsupported_shell(start_up.account)
        return Probe(None, problem) if problem else probe_startup(start_up, timeout)

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        return trace_startup(self.start_up(account, timeout), timeout)


class TerminalContext(ShellContext):
    """A shell, named like the context, that is no login shell and runs in a terminal."""

    in_terminal = True

    def is_installed(self) -> bool:
        """Return whether the host has this shell."""
        return shutil.which(self.name) is not None

    def applies_to(self, account: Account) -> bool:
        return self.is_installed() and can_log_in(account)

    def startup_files(self, account: Account) -> list[str]:
        """Return the files that a trace sources; none for a shell that is traced as it reads them by itself."""
        return []

    def start_up(self, account: Account, timeout: float) -> Startup:
        env, files = session_environment(account), self.startup_files(account)
        return Startup(account._replace(shell=self.name), ["-i"], env, files, prompts=True)


def login_kinds(account: Account) -> list[str]:
    """Return the names of the kinds whose files a login shell of ``account`` reads."""
    return {"zsh": ["zsh"], "fish": ["fish"]}.get(os.path.basename(account.shell), ["login", "bash"])


def kinds_over_ssh(account: Account) -> list[str]:
    """Return the names of the kinds whose files a command over ssh reads in the shell of ``account``."""
    return ["ssh", *(kind for kind in login_kinds(account) if kind != "login")]


def probe_startup(start_up: Startup, timeout: float) -> Probe:
    """Start the shell, in a terminal if it prompts, and return its environment."""
    home = start_up.account.home
    # In a terminal, zsh starts a dialog for a user who has none of these files.
    with reading(start_up.account):
        configured = any(os.path.exists(os.path.join(home, name)) for name in _ZSH_FILES)
    greets = start_up.shell == "zsh" and not configured
    terminal = start_up.prompts and not greets
    prompt = f"{PROMPTS[start_up.shell]}; " if start_up.prompts and start_up.shell in PROMPTS else ""
    query = ShellQuery()
    argv = [start_up.account.shell, *start_up.options, "-c", prompt + query.command]
    return probe_of(query, start_up.run(argv, timeout, terminal=terminal), terminal=terminal)


def trace_startup(start_up: Startup, timeout: float) -> list[Assignment]:
    """Start the shell with a trace, and return who sets which variable, in order."""
    if start_up.shell == "fish":
        return trace_fish(start_up, timeout)
    trace = trace_zsh if start_up.shell == "zsh" else trace_bash
    return trace(start_up, timeout, recorded_names(start_up.account.name))


def unsupported_shell(account: Account) -> str:
    """Return why the startup of the user's own shell cannot be probed; empty if it can."""
    if not shutil.which(account.shell):
        return f"{account.name} cannot log in: the shell {account.shell} is missing or not executable"
    known = os.path.basename(account.shell) in _SHELLS
    return "" if known else f"startup files of {account.shell} are not supported"


def system_bashrc() -> str:
    """Return the system's bashrc: Debian's bash reads the first, skeletons of other distributions source the second."""
    return next((path for path in SYSTEM_BASHRC if os.path.exists(path)), SYSTEM_BASHRC[0])


def bashrc_files(account: Account) -> list[str]:
    """Return the files that an interactive bash reads by itself, in order."""
    bashrc = os.path.join(account.home, ".bashrc")
    # Only Debian's family compiles a system-wide file into bash.
    return [SYSTEM_BASHRC[0], bashrc] if os.path.exists(SYSTEM_BASHRC[0]) else [bashrc]
