# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The startup of a shell: its environment, options and files, and how it is run beside the user's own sessions."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import typing as t

from .._host.accounts import Account
from .._host.command import Completed, run_at_home, run_in_terminal
from .._host.path_names import is_below
from .._host.reading_limit import reading
from .._host.tempdirs import temporary_directory

_PREFIX = "gopherops-startup-"
# Where terminal multiplexers look for sessions of their user: a startup file may attach to one. In this directory there
# can be none, so that they exit.
_OF_SESSIONS = dict.fromkeys(("TMUX_TMPDIR", "SCREENDIR", "ZELLIJ_SOCKET_DIR"), "/proc")
# Directories that fish creates if they are missing, by the variable with their parent.
_OF_FISH = {"XDG_DATA_HOME": ".local/share/fish", "XDG_CONFIG_HOME": ".config/fish"}
# The startup files of the host.
_OF_HOST = re.compile(
    r"/etc/(?:profile|profile\.d/.*|bashrc|bash\.bashrc|bash/.*|zsh/.*|z(?:shenv|profile|shrc|login)|fish/.*|ssh/sshrc"
    r"|gopherops/.*)|/usr/(?:local/)?share/fish/.*"
)


class Startup(t.NamedTuple):
    """The startup of ``account``'s shell in a context, with ``options`` (``-i``, ``-l``) and ``env``.

    A POSIX shell reads all ``files`` and the first existing one of ``first_of``, and runs ``then``. With ``prompts`` it
    has a terminal, and runs up to its first prompt. Before the shell starts, /bin/sh reads the first one of the files
    ``before`` that exists.
    """

    account: Account
    options: t.Sequence[str]
    env: t.Mapping[str, str]
    files: t.Sequence[str] = ()
    first_of: t.Sequence[str] = ()
    then: str = ""
    prompts: bool = False
    before: t.Sequence[str] = ()

    @property
    def parts(self) -> list[Startup]:
        """What runs one after the other."""
        if not self.before:
            return [self]
        account = self.account._replace(shell="/bin/sh")
        return [Startup(account, [], self.env, first_of=self.before), self._replace(before=())]

    @property
    def shell(self) -> str:
        """The shell's name, without its directory."""
        return os.path.basename(self.account.shell)

    @property
    def unread(self) -> list[str]:
        """The options with which bash reads no startup files by itself."""
        return ["--noprofile" if "-l" in self.options else "--norc", *self.options]

    def may_read(self, path: str) -> bool:
        """Return whether a file is the user's, or a startup file of the host.

        The output of a startup can name any other file, which is then not the place to correct.
        """
        path = os.path.normpath(path)
        return is_below(path, self.account.home) or path in self.files or _OF_HOST.fullmatch(path) is not None

    def run(
        self,
        argv: t.Sequence[str],
        timeout: float,
        added: t.Mapping[str, str] | None = None,
        *,
        terminal: bool | None = None,
    ) -> Completed:
        """Run ``argv`` as the shell is started, in a terminal if it prompts; ``added`` are further variables."""
        start = run_in_terminal if (self.prompts if terminal is None else terminal) else run_at_home
        with private_directories(self.account) as variables:
            env = {**self.env, **variables, **(added or {})}
            return start(argv, env=env, account=self.account, timeout=timeout)


@contextlib.contextmanager
def private_directories(account: Account) -> t.Iterator[dict[str, str]]:
    """Yield variables by which a startup of ``account`` changes neither other sessions nor, in fish, the home.

    In place of the directories that fish misses, they name an empty temporary one.
    """
    with reading(account):
        missing = [name for name, path in _OF_FISH.items() if not os.path.isdir(os.path.join(account.home, path))]
    if not missing or os.path.basename(account.shell) != "fish":
        yield _OF_SESSIONS
        return
    with user_directory(account) as directory:
        yield {**_OF_SESSIONS, **dict.fromkeys(missing, directory)}


def without_private(environment: t.Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables of ``private_directories`` that the startup has left alone."""
    return {
        name: value
        for name, value in environment.items()
        if value != _OF_SESSIONS.get(name) and not (name in _OF_FISH and f"/{_PREFIX}" in value)
    }


@contextlib.contextmanager
def user_directory(account: Account) -> t.Iterator[str]:
    """Yield a temporary directory that ``account`` owns, outside of the home directory."""
    with temporary_directory(tempfile.gettempdir(), _PREFIX) as scratch:
        os.chmod(scratch.path, 0o711)
        directory = os.path.join(scratch.path, account.name)
        os.mkdir(directory, 0o700)
        os.chown(directory, account.uid, account.gid)
        yield directory
