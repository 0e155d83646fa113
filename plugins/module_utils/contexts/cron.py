# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cron jobs, and what ``su`` and ``sudo`` start: the environment that PAM gives, and for jobs cron's own PATH.

Debian's cron lets a job's variables come from PAM, but not PATH: that is /usr/bin:/bin unless the crontab says another.
"""

from __future__ import annotations

import functools
import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts import pam, systemd
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import (
    Context,
    ManagedFile,
    Probe,
    block_in,
)
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration, UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils.managed_block import without_block
from ansible_collections.gopherops.devserver.plugins.module_utils.provenance import Assignment, Source

_PAM = "/etc/pam.d"
# Each in its own service, not in common-session: that would reach every other service of the host as well. A service
# that includes another of these, as su-l does su, has it from there; login shells of "sudo -i" read their own files.
_SERVICES = ("cron", "crond", "su", "sudo", "sudo-i")
_CRON_SERVICES = ("cron", "crond")
_CRONTABS = ("/var/spool/cron/crontabs", "/var/spool/cron")
_CRONS = ("/usr/sbin/cron", "/usr/sbin/crond")
# What cron gives a job where neither the crontab nor PAM does.
_STANDARD = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
# Bytes; cron ignores what is longer.
_LONGEST_LINE = 1000
_SETTING = re.compile(r"""\s*(["']?)([^\s"'=#]+)\1\s*=\s*(.*?)\s*\Z""")


class CronContext(Context):
    """A session of cron's own PAM service, with the settings of the user's crontab."""

    name = "cron"

    def applies_to(self, account: Account) -> bool:
        return _service() is not None and any(map(os.path.exists, _CRONS))

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        services = [os.path.join(_PAM, name) for name in _SERVICES]
        hooks = [block_in(path, pam.USERS_HOOK, first=False) for path in services if os.path.exists(path)]
        return [*pam.managed_files(declaration), *hooks, *_crontabs(declaration)]

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        if not systemd.manager_runs():
            return Probe(None, "a session of cron's PAM service can be opened by systemd only, which does not run here")
        service = os.path.basename(_service() or "")
        done = systemd.environment_of_unit([f"PAMName={service}", f"User={account.name}"], timeout)
        if not done.ok:
            problem = f"no session of {service} could be opened for {account.name}: {done.complaint}"
            return Probe(None, problem, done.seconds)
        own = {item.name: item.value for item in _settings(account.name)}
        return Probe({**systemd.environment_printed(done), **_STANDARD, **own}, "", done.seconds)

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        given = [item for item in pam.assignments(_service() or "", account) if item.name not in _STANDARD]
        return given + _settings(account.name)


def _service() -> str | None:
    paths = (os.path.join(_PAM, name) for name in _CRON_SERVICES)
    return next((path for path in paths if os.path.exists(path)), None)


def _folder() -> str | None:
    return next((path for path in _CRONTABS if os.path.isdir(path)), None)


def _crontabs(declaration: Declaration) -> t.Iterator[ManagedFile]:
    """Yield the crontabs: with a block first in those of declared users, without one in the others."""
    folder = _folder()
    if folder is None:
        return
    users = {user.account.name: user for user in declaration.users}
    for name in sorted({*users, *os.listdir(folder)}):
        path = os.path.join(folder, name)
        if name in users:
            block = block_in(path, _path_line(users[name]), first=True)
            # The crontab command finds no other mode of its own files right, nor does cron.
            yield block._replace(mode=0o600, owner=users[name].account)
        elif os.path.isfile(path) and not name.startswith("."):
            yield ManagedFile(path, functools.partial(_without, path), whole=False)


def _without(path: str, text: str | None) -> str | None:
    return None if text is None else without_block(text, path=path)


def _path_line(user: UserEnvironment) -> str:
    rest = [entry for entry in pam.system_path() if entry and entry not in user.path]
    line = 'PATH="{}"'.format(":".join([*user.path, *rest]))
    if len(line.encode("utf-8", "surrogateescape")) >= _LONGEST_LINE:
        raise DevserverError(
            f"PATH of user {user.account.name} is too long for a crontab",
            expected=f"less than {_LONGEST_LINE} bytes",
            remedy="declare fewer or shorter directories",
        )
    return line + "\n"


def _settings(user: str) -> list[Assignment]:
    """Return the settings of a user's crontab: those in force at its end, where a new job would stand."""
    folder = _folder()
    path = os.path.join(folder or "", user)
    found = []
    for number, line in enumerate((read_text(path) or "").splitlines() if folder else [], start=1):
        match = _SETTING.match(line)
        if match and not line.lstrip().startswith("#"):
            value = re.sub(r"""\A(["'])(.*)\1\Z""", r"\2", match.group(3))
            found.append(Assignment(match.group(2), value, Source("file", path, number)))
    return found
