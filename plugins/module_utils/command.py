# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command in an environment that is fully given, as another user where asked, within a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account, groups_of
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Completed(t.NamedTuple):
    """What a command did; ``returncode`` is None where it was ended at its time limit."""

    argv: t.Sequence[str]
    returncode: int | None
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.returncode == 0


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
    executable: str | None = None,
    pass_fds: t.Sequence[int] = (),
) -> Completed:
    """Run ``argv`` to its end and return what it did; its whole process group ends at ``timeout`` seconds.

    ``env`` is the whole environment. Raises DevserverError only where the command cannot be started.
    """
    try:
        process = subprocess.Popen(
            argv,
            executable=executable,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=pass_fds,
            **_identity(account),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DevserverError(
            "cannot run {}{}: {}".format(argv[0], f" as {account.name}" if account else "", error), cmd=list(argv)
        ) from error
    try:
        stdout, stderr = process.communicate(timeout=timeout)
        returncode: int | None = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        returncode = None
    return Completed(argv, returncode, _text(stdout), _text(stderr))


def _text(output: bytes) -> str:
    # Names that are not UTF-8 must survive the way through a result and back.
    return output.decode("utf-8", "surrogateescape")


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
