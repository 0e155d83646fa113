# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The place of one user's verification: a folder of the user's own that is gone afterwards, and Go commands in it."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.options import user_environment
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.go_command import without_traces
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed, run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.tempdirs import user_directory
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.plan import Plan

_PREFIX = "gopherops-verify-"
# Of a complaint; what comes behind follows from what stands first.
_MOST_LINES = 3
# With the user's rights: root may be kept out of a workspace that lies on another host.
_THERE = ("/bin/sh", "-c", 'cd -- "$0" && exec "$@"')


class Site(t.NamedTuple):
    """Where the steps of one user run: ``folder`` is the user's alone, ``env`` the whole environment of what runs."""

    plan: Plan
    account: Account
    env: t.Mapping[str, str]
    folder: str
    workspace: str

    def file(self, name: str) -> str:
        return os.path.join(self.folder, name)


@contextlib.contextmanager
def site_of(plan: Plan, name: str, workspace: str) -> t.Iterator[Site]:
    """Make the place of user ``name``, with the sample in it where there is no ``workspace``; remove it at the end.

    ``{user}`` and ``{home}`` in a workspace are filled. Raises DevserverError where the place cannot be made.
    """
    account = find_account(name)
    # Go would count its commands in a file of the user's, and dlv would make itself a configuration.
    env = without_traces(user_environment(account, plan.programs.goroot, {}))
    with user_directory(account, plan.scratch, _PREFIX) as folder:
        if not workspace:
            workspace = os.path.join(folder, "service")
            with acting_as(account):
                write_all(workspace, plan.sample)
        path = workspace.replace("{user}", account.name).replace("{home}", account.home)
        yield Site(plan, account, env, folder, path)


def write_all(folder: str, files: t.Mapping[str, str]) -> None:
    """Write texts to files below a new folder."""
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def said(done: Completed) -> str:
    """Return the lines that tell why a command failed, in one."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip() and not line.startswith("#")]
    return " / ".join(lines[:_MOST_LINES]) if done.returncode is not None and lines else done.complaint


def command(site: Site, *argv: str, cwd: str, remedy: str = "", tell: t.Callable[[Completed], str] = said) -> Completed:
    """Run a command as the user in the folder ``cwd``; raise DevserverError where it fails, with what ``tell`` says."""
    done = run([*_THERE, cwd, *argv], env=site.env, account=site.account, timeout=site.plan.timeout)
    done = done._replace(argv=argv)
    if not done.ok:
        raise DevserverError(
            f"{' '.join(argv[:2])} failed: {tell(done)}",
            remedy=remedy or f"run '{' '.join(argv)}' as {site.account.name} in {cwd}",
        )
    return done
