# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command in a given environment, optionally as another user, within a time limit."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import typing as t

from .._core.errors import DevserverError, TimedOut
from .._core.redaction import without_secrets
from .accounts import Account, groups_of
from .output import Stream, read_rest, read_until_exit
from .process_tree import end_session, orphans_ended
from .silence import Silence
from .terminal import IN_SESSION, TYPE, Terminal
from .user_slice import Gate

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Bytes; a startup file that prints without end must not fill the memory.
_LONGEST_OUTPUT = 16 * 1024 * 1024
_LONGEST_REASON = 10_000

# The roles that install the programs of this collection.
_ROLES = {"go": "toolchain", "dlv": "tools", "gopls": "tools"}
# Changes the directory with the user's rights, because root may have no access to a home directory on another host. If
# the user has none either, or there is no such directory, the command runs in /, like a real login.
_AT_HOME = 'cd -- "$HOME" 2>/dev/null || cd /; unset PWD OLDPWD; exec "$@"'


# Seconds to wait for a killed program to exit.
_UNTIL_ENDED = 1.0


class Completed(t.NamedTuple):
    """The result of a command; ``returncode`` is None if it exceeded its time limit, ``seconds`` is wall time.

    ``silent_sources`` are the addresses that it was connected to if nothing arrived from them for too long.
    """

    argv: t.Sequence[str]
    returncode: int | None
    stdout: str
    stderr: str
    seconds: float = 0.0
    silent_sources: t.Sequence[str] = ()

    @property
    def ok(self) -> bool:
        return self.returncode == 0

    @property
    def complaint(self) -> str:
        """The reason of a failure in one line: the last line of stderr, or how the command ended."""
        if self.returncode is None:
            return "it timed out"
        # Before the line is taken: a part of a private key would not match.
        lines = without_secrets(self.stderr.strip()[-_LONGEST_REASON:]).splitlines()
        return lines[-1] if lines else f"it exited with {self.returncode} without a message"

    def error(self, problem: str, *, expected: str = "", remedy: str) -> DevserverError:
        """Return an error that begins with ``problem`` and ends with the reason of the failure."""
        kind = TimedOut if self.returncode is None else DevserverError
        return kind(f"{problem}: {self.complaint}", expected=expected, remedy=self.extend_remedy(remedy))

    def extend_remedy(self, remedy: str) -> str:
        """Return the ``remedy`` for a failure; a command that timed out may only have been slow."""
        if self.returncode is not None:
            return remedy
        return f"run the play again when the host is less busy; if the command times out again, {remedy}"


def session_environment(account: Account) -> dict[str, str]:
    """Return the environment that login(1) or sshd gives a process before any startup file has run."""
    return {
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": account.shell,
        "PATH": SYSTEM_PATH,
        "LANG": "C.UTF-8",
    }


def run(
    argv: t.Sequence[str],
    *,
    env: t.Mapping[str, str],
    cwd: str = "/",
    account: Account | None = None,
    timeout: float = 60,
    pass_fds: t.Sequence[int] = (),
    silence: float = 0,
    gate: Gate | None = None,
) -> Completed:
    """Run ``argv`` and return its result; processes that it leaves, or that exceed ``timeout`` seconds, are killed.

    With ``silence`` they are also killed if nothing arrives for so many seconds from servers that they are connected
    to; this acts as ``account``. ``env`` is the whole environment. A ``gate`` is opened. Raises DevserverError only if
    the command cannot be started.
    """
    with orphans_ended():
        start = time.monotonic()
        stdin = gate.stdin if gate else subprocess.DEVNULL
        streams = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = start_process(
            argv, account, env=dict(env), cwd=cwd, pass_fds=pass_fds, start_new_session=True, **streams
        )
        if gate:
            gate.open(process.pid)
        with t.cast("t.IO[bytes]", process.stdout) as out:
            watch = Silence(process.pid, account, silence) if silence else None
            return _followed(process, out.fileno(), start, timeout, watch)


def run_at_home(
    argv: t.Sequence[str], *, env: t.Mapping[str, str], account: Account | None = None, timeout: float = 60
) -> Completed:
    """Run ``argv`` like ``run``, in the directory HOME of ``env`` and the slice of the user, like after a login."""
    with contextlib.closing(Gate(account, os.devnull)) as gate:
        words = _at_home(gate, argv)
        return run(words, env=env, account=account, timeout=timeout, gate=gate)._replace(argv=argv)


def run_in_terminal(
    argv: t.Sequence[str], *, env: t.Mapping[str, str], account: Account | None = None, timeout: float = 60
) -> Completed:
    """Run ``argv`` like ``run_at_home``, with a terminal for standard input and output."""
    with orphans_ended(), contextlib.closing(Terminal()) as terminal, contextlib.closing(Gate(account, "&1")) as gate:
        start = time.monotonic()
        stdin = gate.stdin if gate.wait else terminal.end
        streams = {"stdin": stdin, "stdout": terminal.end, "stderr": subprocess.PIPE}
        words = _at_home(gate, [*IN_SESSION, *argv])
        process = start_process(words, account, env=dict(env, TERM=TYPE), cwd="/", **streams)
        terminal.hand_over()
        gate.open(process.pid)
        return _followed(process, terminal.own_end, start, timeout)._replace(argv=argv)


def _at_home(gate: Gate, argv: t.Sequence[str]) -> list[str]:
    return ["/bin/sh", "-c", f"{gate.wait}{_AT_HOME}{gate.redirection}", "sh", *argv]


def _followed(
    process: subprocess.Popen[bytes], output: int, start: float, timeout: float, silence: Silence | None = None
) -> Completed:
    # Pipes and not files: a program that prints without end would fill the disk.
    with t.cast("t.IO[bytes]", process.stderr) as complaints:
        streams = [Stream(descriptor, _LONGEST_OUTPUT) for descriptor in (output, complaints.fileno())]
        returncode = read_until_exit(streams, process, start + timeout, silence.exceeded if silence else None)
        seconds = time.monotonic() - start
        end_session(process.pid)
        # A process that waits for a device or a network file system is killed only when that responds.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_UNTIL_ENDED)
        read_rest(streams)
    out, err = (stream.text for stream in streams)
    return Completed(
        t.cast("t.Sequence[str]", process.args), returncode, out, err, seconds, silence.sources if silence else ()
    )


def start_process(argv: t.Sequence[str], account: Account | None, **options: t.Any) -> subprocess.Popen[bytes]:
    """Start ``argv`` as ``account`` with the options of Popen; raise DevserverError if it cannot be started.

    The caller ends the process: by ``end_session`` if it leads a session of its own, and inside of ``orphans_ended`` if
    other threads run commands, because their clean-up would end it otherwise.
    """
    identity = _identity(account)
    try:
        return subprocess.Popen(argv, **options, **identity)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        whose = f" as {account.name}" if account else ""
        # A NUL, or a character that is no UTF-8.
        remedy = "remove it from the argument" if isinstance(error, ValueError) else _remedy(argv[0])
        raise DevserverError(f"cannot run {argv[0]}{whose}: {error}", remedy=remedy, cmd=list(argv)) from error


def _remedy(program: str) -> str:
    role = _ROLES.get(os.path.basename(program))
    how = f"install it by the role {role}" if role else "install it"
    return f"{how}, and check that this user can run it"


def _identity(account: Account | None) -> dict[str, t.Any]:
    """Return the arguments for Popen to run as ``account``; none if this process runs as that user already."""
    if account is None or account.uid == os.geteuid():
        return {}
    groups = groups_of(account)
    if sys.version_info >= (3, 9):
        return {"user": account.uid, "group": account.gid, "extra_groups": groups}

    def become() -> None:
        os.setgroups(groups)
        os.setgid(account.gid)
        os.setuid(account.uid)

    return {"preexec_fn": become}
