# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a context and a kind of contexts are, and what a probe of a context returns."""

from __future__ import annotations

import abc
import re
import typing as t
from types import MappingProxyType

from ..._core.provenance import PROCESS, Assignment, Source
from ..._host.accounts import Account
from ..._host.command import Completed
from ..._host.managed_files import ManagedFile
from ..._shells.shell_query import ShellQuery, seconds_since, visible
from ..._shells.startup import Startup, without_private
from ..declaration import Declaration, UserEnvironment

# By this a terminal changes to its second screen.
_WHOLE_SCREEN = "\x1b[?1049h"
# Messages of bash and dash that are interactive without a terminal of their own.
_NO_TERMINAL = re.compile(
    "cannot set terminal process group|no job control in this shell|can't access tty; job control turned off"
)
# Seconds in which a session ends after its command has exited, including the work of PAM.
_UNTIL_CLOSED = 1.0


# Why there is no environment, if a caller decides by it; empty for any other reason. "ended early" means before the
# command of the probe.
Failure = t.Literal[
    "",
    "timed out",
    "ended early",
    "not let in",
    "forced command",
    "broken sshd",
    "no home",
    "no system bus",
    "no user bus",
]


class Probe(t.NamedTuple):
    """The environment of a real process, or None and the reason why it is unknown.

    ``problem`` has the reason for people, ``failure`` for programs. ``seconds`` is the time that the startup took,
    ``unexpected_output`` the first line that it printed, ``go_is`` the shell's own description of ``go``: a file, an
    alias, a function (empty without a shell). ``stale`` names the variables whose present value the process does not
    have, because the process that started it is older. ``held`` means that the command exited and its caller still
    waits: a process of the startup keeps the output open. ``login`` is the environment of the user's own shell, if
    files that another user may have written change it. ``limits`` are the low resource limits of its processes, by
    their names in prlimit(1). ``given_by`` is the line of sshd's configuration that runs a program in place of the
    command, which sets what no file sets.
    """

    environment: dict[str, str] | None
    problem: str = ""
    seconds: float = 0.0
    unexpected_output: str = ""
    go_is: str = ""
    stale: frozenset[str] = frozenset()
    failure: Failure = ""
    held: bool = False
    login: t.Mapping[str, str] | None = None
    limits: t.Mapping[str, int] = MappingProxyType({})
    given_by: Source | None = None


class Context(abc.ABC):
    """One way in which processes of one user get their environment."""

    name: str
    # Distinguishes several contexts of one kind: the directory of a workspace, or that and a part of it. Empty for the
    # only one.
    workspace = ""
    # The file of a user's checkout that alone feeds this context; empty for other contexts.
    checkout_file = ""
    # Whether the processes run on this host, so that go can be queried; elsewhere only what they are given is known.
    on_this_host = True
    # Variables that only another program knows, so that they are not compared.
    unknown: t.Collection[str] = ()
    # Whether programs other than go see this context; for go alone, PATH and the like have no meaning.
    gives_environment = True
    # The source of a value that no file gives.
    given_by = PROCESS
    # Whether a process starts by a login through sshd.
    over_ssh = False
    # Whether VS Code's server does the same as a part of its startup, and hangs if this hangs.
    in_server = False
    # Whether the limit for its startup is that of VS Code's server, which is not configurable.
    has_fixed_limit = False
    # Whether users type commands in it.
    in_terminal = False

    def fed_by(self, account: Account) -> t.Sequence[str]:
        """Return the names of the kinds whose managed files feed a process of ``account``."""
        return [self.name]

    def expected(self, user: UserEnvironment) -> t.Mapping[str, str]:
        """Return the variables that the declaration means for this context."""
        return user.variables

    def applies_to(self, account: Account) -> bool:
        """Return whether this host lets ``account`` start a process in this way."""
        return True

    @abc.abstractmethod
    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        """Start a real process of ``account`` in this context and return its environment."""

    def start_up(self, account: Account, timeout: float) -> Startup | None:
        """Return how a shell starts up in this context, found within ``timeout`` seconds; None without a shell."""
        return None

    def program_line(self) -> Source | None:
        """Return the line by which PAM runs a program in each session of this context, without a shell of the user."""
        return None

    def forget(self) -> None:
        """Let the next probe start a new process, if the result is shared by several contexts."""
        return  # Most contexts share none.

    @abc.abstractmethod
    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        """Return who sets which variable in this context, in order.

        Aliases and functions that replace go are called ``alias go`` and ``function go``.
        """


class ContextKind(abc.ABC):
    """An entry of the registry: it renders the declaration for all users, and makes the contexts of each.

    It holds no state.
    """

    name: str
    # Whether each line of its managed files has its effect by itself.
    of_lines = True

    @abc.abstractmethod
    def contexts_of(self, user: UserEnvironment, outer: t.Sequence[Context]) -> t.Sequence[Context]:
        """Return what to probe for ``user``: one context, or one for each workspace.

        ``outer`` are the user's contexts of the kinds before this one. It is called before any thread starts, so here
        the user's files are read, with the user's rights; an error in one of them becomes the result of a probe.
        """

    @abc.abstractmethod
    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        """Return the files that carry the declaration into contexts of this kind."""

    def reload(self, declaration: Declaration, paths: t.Container[str], timeout: float) -> None:
        """Reload those of ``paths``, which have been written, in running processes."""
        return  # Most contexts are new processes, which read their files themselves.


class SingleContext(ContextKind, Context):
    """A kind whose only context has no state either, and serves all users."""

    def contexts_of(self, user: UserEnvironment, outer: t.Sequence[Context]) -> t.Sequence[Context]:
        return [self]


def probe_of(query: ShellQuery, completed: Completed, *, terminal: bool = False, waits: bool = False) -> Probe:
    """Return the environment that ``query`` printed, or the reason why it printed none.

    Output to a ``terminal`` is for people to read, and is not unexpected. The process ``waits`` if it ends only after
    the last one that has the output open.
    """
    before, state = query.parse(completed.stdout)
    unexpected = next(iter(_lines("" if terminal else before) + _lines(completed.stderr)), "")
    if state and state.environment:
        late = state.reported_at is not None and seconds_since(state.reported_at) > _UNTIL_CLOSED
        return Probe(
            without_private(state.environment),
            seconds=completed.seconds if state.seconds is None else min(state.seconds, completed.seconds),
            unexpected_output=unexpected,
            go_is=state.go_is,
            held=waits and completed.returncode is None and late,
            limits=state.limits,
        )
    if completed.returncode is None:
        # A program that draws on the whole screen may show what belongs to another session of the user.
        last = "" if _WHOLE_SCREEN in before else _last_line(before + completed.stderr)
        last = f"; its last output: {last}" if last else ""
        problem = f"{completed.argv[0]} timed out{last}"
        return Probe(None, problem, seconds=completed.seconds, unexpected_output=unexpected, failure="timed out")
    reason = _last_line(completed.stderr) or "a startup file may exit, or replace the shell with another program"
    if state:
        problem = f"{completed.argv[0]} cannot start programs after its startup: {reason}"
        return Probe(None, problem, seconds=completed.seconds, unexpected_output=unexpected)
    problem = f"{completed.argv[0]} ended with {completed.returncode} before the command ran: {reason}"
    return Probe(None, problem, seconds=completed.seconds, unexpected_output=unexpected, failure="ended early")


def failed_probe(problem: str, completed: Completed) -> Probe:
    """Return a probe without an environment, with the problem and the message of ``completed``."""
    failure: Failure = "timed out" if completed.returncode is None else ""
    return Probe(None, f"{problem}: {completed.complaint}", seconds=completed.seconds, failure=failure)


def _last_line(output: str) -> str:
    return next(reversed(_lines(output)), "")


def _lines(output: str) -> list[str]:
    lines = map(visible, output.splitlines())
    return [line for line in lines if line.strip() and not _NO_TERMINAL.search(line)]
