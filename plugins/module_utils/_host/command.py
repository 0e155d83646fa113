# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command in an environment that is fully given, as another user where asked, within a time limit."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError, TimedOut
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, groups_of
from ansible_collections.gopherops.devserver.plugins.module_utils._host.output import Stream, read_rest, read_until_exit
from ansible_collections.gopherops.devserver.plugins.module_utils._host.process_tree import end_session, orphans_ended
from ansible_collections.gopherops.devserver.plugins.module_utils._host.terminal import IN_SESSION, TYPE, Terminal

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Bytes; a start-up file that prints without end must not fill the memory.
_LONGEST_OUTPUT = 16 * 1024 * 1024

# Who installs what this collection brings.
_ROLES = {"go": "toolchain", "dlv": "tools", "gopls": "tools"}
# With the user's rights: root may be kept out of a home that lies on another host. Where the user is kept out as well,
# or there is none, a real login goes on in /.
_AT_HOME = ("/bin/sh", "-c", 'cd -- "$HOME" 2>/dev/null || cd /; unset PWD OLDPWD; exec "$@"', "sh")


# Seconds for a program that is ended to be gone.
_UNTIL_ENDED = 1.0


class Completed(t.NamedTuple):
    """What a command did; ``returncode`` is None where it was ended at its time limit, ``seconds`` is wall time."""

    argv: t.Sequence[str]
    returncode: int | None
    stdout: str
    stderr: str
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.returncode == 0

    @property
    def complaint(self) -> str:
        """What went wrong, in one line: what the command said last, or how it ended."""
        if self.returncode is None:
            return "it did not come to an end in time"
        said = self.stderr.strip().splitlines()
        return said[-1] if said else f"it ended with {self.returncode} and said nothing"

    def error(self, what: str, *, expected: str = "", remedy: str) -> DevserverError:
        """Return the error that says ``what`` the command did not do, and why."""
        kind = TimedOut if self.returncode is None else DevserverError
        return kind(f"{what}: {self.complaint}", expected=expected, remedy=remedy)


def session_environment(account: Account) -> dict[str, str]:
    """Return what login(1) or sshd gives a process before any start-up file has run."""
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
) -> Completed:
    """Run ``argv`` to its end and return what it did; all that it started ends then, or at ``timeout`` seconds.

    ``env`` is the whole environment. Raises DevserverError only where the command cannot be started.
    """
    with orphans_ended():
        start = time.monotonic()
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = start_process(
            argv, account, env=dict(env), cwd=cwd, pass_fds=pass_fds, start_new_session=True, **streams
        )
        with t.cast("t.IO[bytes]", process.stdout) as out:
            return _followed(process, out.fileno(), start, timeout)


def run_at_home(
    argv: t.Sequence[str], *, env: t.Mapping[str, str], account: Account | None = None, timeout: float = 60
) -> Completed:
    """Do what ``run`` does, in the folder HOME of ``env`` as after a login."""
    return run([*_AT_HOME, *argv], env=env, account=account, timeout=timeout)._replace(argv=argv)


def run_in_terminal(
    argv: t.Sequence[str], *, env: t.Mapping[str, str], account: Account | None = None, timeout: float = 60
) -> Completed:
    """Do what ``run_at_home`` does, with a terminal for standard input and output."""
    with orphans_ended(), contextlib.closing(Terminal()) as terminal:
        start = time.monotonic()
        streams = {"stdin": terminal.end, "stdout": terminal.end, "stderr": subprocess.PIPE}
        process = start_process([*IN_SESSION, *_AT_HOME, *argv], account, env=dict(env, TERM=TYPE), cwd="/", **streams)
        terminal.hand_over()
        return _followed(process, terminal.own, start, timeout)._replace(argv=argv)


def _followed(process: subprocess.Popen[bytes], output: int, start: float, timeout: float) -> Completed:
    # Not files: who prints without end would fill the disk.
    with t.cast("t.IO[bytes]", process.stderr) as complaints:
        streams = [Stream(descriptor, _LONGEST_OUTPUT) for descriptor in (output, complaints.fileno())]
        returncode = read_until_exit(streams, process, start + timeout)
        seconds = time.monotonic() - start
        end_session(process.pid)
        # One that waits for a device or a network's disk ends, whatever it is sent, when that answers.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_UNTIL_ENDED)
        read_rest(streams)
    out, err = (stream.text for stream in streams)
    return Completed(t.cast("t.Sequence[str]", process.args), returncode, out, err, seconds)


def start_process(argv: t.Sequence[str], account: Account | None, **options: t.Any) -> subprocess.Popen[bytes]:
    """Start ``argv`` as ``account`` with the options of Popen; raises DevserverError where it cannot be started.

    Whoever calls this ends it: where it leads a session of its own, by ``end_session``. Where other threads run
    commands, that is done within ``orphans_ended``, or theirs would end it.
    """
    identity = _identity(account)
    try:
        return subprocess.Popen(argv, **options, **identity)
    except (OSError, subprocess.SubprocessError) as error:
        whose = f" as {account.name}" if account else ""
        raise DevserverError(
            f"cannot run {argv[0]}{whose}: {error}", remedy=_remedy(argv[0]), cmd=list(argv)
        ) from error


def _remedy(program: str) -> str:
    role = _ROLES.get(os.path.basename(program))
    how = f"install it by the role {role}" if role else "install it"
    return f"{how}, or mend what the message names"


def _identity(account: Account | None) -> dict[str, t.Any]:
    """Return the arguments with which Popen becomes ``account``; none where this process is that user already."""
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
