# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""User services: what a user's own systemd manager gives its units, from environment.d(5)."""

from __future__ import annotations

import glob
import itertools
import os
import re
import typing as t

from ..._core.provenance import SET_ENVIRONMENT, Assignment, Source
from ..._host.accounts import Account
from ..._host.assignments import find_assignments
from ..._host.command import SYSTEM_PATH, run, session_environment
from ..._host.managed_files import ManagedFile, whole_file
from ..._host.reading_limit import reading
from ..._host.user_texts import read_texts
from ..._systemd import quoting, systemctl
from ..declaration import Declaration, UserEnvironment
from ..rendered import departed
from . import pam, systemd
from .base import Probe, SingleContext, failed_probe

# After 99-environment.conf, by which distributions bring in /etc/environment. A user's file hides one of the same name.
NAME = "environment.d/zz-gopherops-go.conf"
EVERYONE = os.path.join("/etc", NAME)
# Only systemd's own, which writes nothing; others may.
_GENERATOR = "user-environment-generators/30-systemd-environment-d-generator"
_GENERATORS = tuple(os.path.join(directory, _GENERATOR) for directory in ("/usr/lib/systemd", "/lib/systemd"))
# The weakest first; of files with one name only that of the strongest directory counts.
_DIRECTORIES = ("/usr/lib", "/usr/local/lib", "/run", "/etc", "~/.config")
_VARIABLE = re.compile(r"\s*(?P<name>[A-Za-z_]\w*)=(?P<value>.*)")
# PAM's session of the manager itself.
_SERVICE = "/etc/pam.d/systemd-user"


class SystemdUserContext(SingleContext):
    """A unit of the user's manager where that runs, else what the manager's generators would give it."""

    name = "systemd_user"
    given_by = SET_ENVIRONMENT

    def applies_to(self, account: Account) -> bool:
        with reading(account):
            has_home = os.path.isdir(account.home)
        return has_home and systemctl.manager_runs() and _generator() is not None

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        if _generator() is None:
            return []
        return [
            whole_file(EVERYONE, _path(declaration.path) if declaration.path else None),
            *(_file(user.account, _render(user)) for user in declaration.users),
            *(_file(account, None) for account in departed(declaration)),
        ]

    def reload(self, declaration: Declaration, paths: t.Container[str], timeout: float) -> None:
        # Running managers reload their files, and their units keep running. Outdated values are reported as drift.
        for user in declaration.users:
            account = user.account
            if (EVERYONE in paths or _path_of(account) in paths) and _runs(account, timeout):
                reload = ["systemctl", "--user", "daemon-reload"]
                run(reload, env=_environment(account), account=account, timeout=timeout)

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        if not _runs(account, timeout):
            return _coming(account, timeout)
        problem = f"the manager of {account.name} started no unit"
        result = systemd.probe_unit(problem, [], timeout, account=account, env=_environment(account))
        environment = result.environment
        if environment is None:
            # It may have exited with the user's last session.
            return result if _runs(account, timeout) else _coming(account, timeout)
        # A variable that the generator does not print is not one that the manager lacks.
        coming = _coming(account, timeout).environment or {}
        late = (name for name, value in coming.items() if name.isupper() and environment.get(name) != value)
        session = session_environment(account)
        stale = frozenset(name for name in late if name not in session or name == "PATH")
        return result._replace(stale=stale)

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        # With the rights of the user, who owns some of these directories.
        files = _configuration(account)
        texts = read_texts(files, account, timeout)
        assignments = (find_assignments(texts.get(file), file, _VARIABLE, quoting.unquoted) for file in files)
        of_manager = pam.assignments(_SERVICE, account) + systemd.manager_assignments("user")
        return [*of_manager, *itertools.chain.from_iterable(assignments)]

    def program_line(self) -> Source | None:
        return pam.find_program(_SERVICE)


def _file(account: Account, text: str | None) -> ManagedFile:
    # It may contain a proxy's password; a file in a home is reached with the rights of its user.
    return whole_file(_path_of(account), text, mode=0o600, owner=account)._replace(as_owner=True)


def _render(user: UserEnvironment) -> str:
    return systemd.render(user, _path(user.path), dollar="$$")


def _path_of(account: Account) -> str:
    return os.path.join(account.home, ".config", NAME)


def _path(directories: t.Sequence[str]) -> str:
    """Return the line that puts ``directories`` before the manager's own PATH, or that of other files."""
    start = quoting.quoted(":".join(directories), "$$")[1:-1]
    # Distributions let the manager read /etc/environment too, whose PATH may lack /usr/bin.
    end = "".join(f":{entry}" for entry in pam.missing_directories())
    return f'PATH="{start}:${{PATH:-{SYSTEM_PATH}}}{end}"\n' if directories else ""


def _generator() -> str | None:
    return next((path for path in _GENERATORS if os.path.exists(path)), None)


def _configuration(account: Account) -> list[str]:
    directories = (
        os.path.join(glob.escape(directory.replace("~", account.home)), "environment.d/*.conf")
        for directory in _DIRECTORIES
    )
    with reading(account):
        files = {os.path.basename(path): path for directory in directories for path in sorted(glob.glob(directory))}
        # A link such as 99-environment.conf is followed: people know the file that it leads to.
        return [*(os.path.realpath(files[name]) for name in sorted(files))]


def _coming(account: Account, timeout: float) -> Probe:
    """Return the environment of units of a manager that starts now, which is the output of its generator."""
    environment = dict(session_environment(account), PATH=systemctl.default_path(timeout))
    completed = run([_generator() or ""], env=environment, account=account, timeout=timeout)
    if not completed.ok:
        return failed_probe(f"the generator of {account.name}'s manager failed", completed)
    pairs = (line.partition("=") for line in completed.stdout.split("\n") if "=" in line)
    return Probe({**environment, **{name: quoting.unquoted(value) for name, _separator, value in pairs}})


def _runs(account: Account, timeout: float) -> bool:
    # A manager that is starting or stopping does not respond.
    with reading(account):
        was_started = os.path.isdir(f"/run/user/{account.uid}/systemd")
    if not was_started:
        return False
    argv = ["systemctl", "--quiet", "is-active", f"user@{account.uid}.service"]
    return run(argv, env={"PATH": SYSTEM_PATH}, timeout=timeout).ok


def _environment(account: Account) -> dict[str, str]:
    return dict(session_environment(account), XDG_RUNTIME_DIR=f"/run/user/{account.uid}")
