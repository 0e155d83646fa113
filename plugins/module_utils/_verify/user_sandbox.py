# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One user's sandbox: a temporary directory of the user, and commands that run as the user with one environment."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from .._core.errors import DevserverError
from .._delve.session_probe.options import user_environment
from .._environment.go_command import without_traces
from .._host.accounts import Account, find_account
from .._host.command import Completed, run
from .._host.tempdirs import user_directory
from .._host.user_access import acting_as
from .._shells.scripts import SH_IN_DIRECTORY
from .plan import VerificationPlan

_PREFIX = "gopherops-verify-"
# Seconds of a command that begins when the time of its user has run out.
_LEAST = 0.1
# Lines of an error message; further ones are consequences of the first.
_MAX_LINES = 3
# Characters of each.
_MAX_LINE = 1000
# The user changes the directory, because root may have no access to a workspace on a network file system.
_IN_DIRECTORY = ("/bin/sh", "-c", SH_IN_DIRECTORY)


class UserSandbox(t.NamedTuple):
    """Where the steps of one user run: ``directory`` is temporary, ``environment`` the whole one of each process.

    The time of all steps together ends at ``deadline``, of the monotonic clock.
    """

    plan: VerificationPlan
    account: Account
    environment: t.Mapping[str, str]
    directory: str
    workspace: str
    deadline: float

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self.deadline

    def seconds_left(self) -> float:
        """Return the time limit of what begins now."""
        return max(_LEAST, self.deadline - time.monotonic())

    def path_to(self, name: str) -> str:
        return os.path.join(self.directory, name)


@contextlib.contextmanager
def open_sandbox(plan: VerificationPlan, name: str, workspace: str) -> t.Iterator[UserSandbox]:
    """Create the sandbox of user ``name``, with the sample in it if ``workspace`` is empty; remove it at the end.

    ``{user}`` and ``{home}`` in a workspace are replaced. Raises DevserverError if the sandbox cannot be created.
    """
    account, deadline = find_account(name), time.monotonic() + plan.timeout
    # Else go would count its commands in a file of the user, and dlv would create its configuration.
    environment = without_traces(user_environment(account, plan.goroot, {}))
    with user_directory(account, plan.temporary_directory, _PREFIX) as directory:
        if not workspace:
            workspace = os.path.join(directory, "service")
            with acting_as(account):
                write_files(workspace, plan.sample)
        path = workspace.replace("{user}", account.name).replace("{home}", account.home)
        yield UserSandbox(plan, account, environment, directory, path, deadline)


def write_files(directory: str, files: t.Mapping[str, str]) -> None:
    """Write texts to new files below ``directory``."""
    for name, text in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        # Exclusively, because the user can put a pipe in its place, which would block.
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)


def describe_failure(completed: Completed) -> str:
    """Return why a command failed, in one line: the first lines of stderr, without go's names of packages."""
    lines = [line.strip() for line in completed.stderr.splitlines() if line.strip() and not line.startswith("#")]
    first = [line[:_MAX_LINE] for line in lines[:_MAX_LINES]]
    return " / ".join(first) if completed.returncode is not None and lines else completed.complaint


def run_command(
    sandbox: UserSandbox,
    *argv: str,
    cwd: str,
    remedy: str = "",
    describe: t.Callable[[Completed], str] = describe_failure,
) -> Completed:
    """Run a command as the user in the directory ``cwd``; raise DevserverError if it fails, with its description."""
    environment, timeout = sandbox.environment, sandbox.seconds_left()
    completed = run([*_IN_DIRECTORY, cwd, *argv], env=environment, account=sandbox.account, timeout=timeout)
    if not completed.ok:
        # The sandbox is removed; what is written into it is of no interest.
        words = [word for word in argv if word != "-o" and not word.startswith(sandbox.directory)]
        fix = f"run '{' '.join(words)}' as {sandbox.account.name} in {cwd}, and fix the errors that it prints"
        raise DevserverError(f"{' '.join(argv[:2])} failed: {describe(completed)}", remedy=remedy or fix)
    return completed
