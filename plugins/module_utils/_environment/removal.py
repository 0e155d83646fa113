# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a host has without any environment: those of every run so far, without what the collection wrote.

They are found by the collection's own paths and marks, without a declaration.
"""

from __future__ import annotations

import glob
import os
import pwd
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import find_account
from .._host.files import read_text, read_text_or_empty, split_lines
from .._host.managed_block import has_block, without_block
from .._host.managed_files import ManagedFile, files_of_removed, named_files, whole_file
from .._host.records import record_path
from .contexts import KINDS, OWN_DIRECTORIES, fish, goenv, login, pam, shell, systemd_user, zsh
from .contexts.machine_settings import MachineSettings
from .declaration import Declaration
from .rendered import FISH, POSIX, ROLE, unit_environment_file

_PAM = "/etc/pam.d"
# The first uid of a person.
_FIRST_PERSON = 1000


def removed_files(declaration: Declaration, users: t.Collection[str]) -> list[ManagedFile]:
    """Return the files to change, in their order; ``declaration`` lists nobody, and may add paths.

    ``users`` are those of earlier runs.

    Raises DevserverError for a PAM service that would include a missing file, which would fail every session of it.
    """
    everybody = Declaration(
        [], declaration.goroot, [], declaration.vscode_tools, vscode_settings=declaration.vscode_settings, absent=users
    )
    of_users = [file for kind in KINDS for file in kind.managed_files(everybody) if file.user]
    services = [path for path in sorted(glob.glob(f"{_PAM}/*")) if os.path.isfile(path)]
    others = [path for path in services if path not in (pam.SERVICE, pam.USERS_SERVICE)]
    for path in others:
        _reject_other_includes(path)
    startup = [path for path in (*shell.SYSTEM_BASHRC, *zsh.SYSTEM_FILES) if os.path.isfile(path)]
    # In this order no file includes one that is gone already.
    shared = (pam.SERVICE, pam.USERS_SERVICE, login.HOOK, fish.HOOK, systemd_user.EVERYONE, shell.SCRIPT)
    return [
        *map(pam.unhooked, (path for path in others if has_block(read_text_or_empty(path)))),
        *map(_without_block, startup),
        *(whole_file(path, None) for path in shared),
        *(file for pattern in _patterns() for file in files_of_removed(pattern, lambda _name: True)),
        whole_file(pam.everyones_configuration(), None),
        *of_users,
        *_unrecorded_files(users),
        MachineSettings({ROLE: {}}).record(lambda _name: True),
        whole_file(record_path(ROLE), None),
    ]


def known_users() -> set[str]:
    """Return the users of earlier runs, by the files of the host that were rendered for them."""
    return {name for pattern in _patterns() for name in named_files(pattern)}


def _patterns() -> list[str]:
    files_of = (POSIX.user_file, FISH.user_file, unit_environment_file, pam.user_configuration)
    return [file_of("*") for file_of in files_of]


def own_directories() -> list[str]:
    """Return the directories that are removed once they are empty, the inner ones first."""
    return [os.path.dirname(record_path(ROLE)), *reversed(OWN_DIRECTORIES), os.path.dirname(systemd_user.EVERYONE)]


def _unrecorded_files(known: t.Container[str]) -> t.Iterator[ManagedFile]:
    """Yield the settings of go of all other people: a run that was killed may have written nothing else of a user."""
    for entry in pwd.getpwall():
        if entry.pw_uid >= _FIRST_PERSON and entry.pw_name not in known:
            yield goenv.cleared_file(find_account(entry.pw_name))


def _without_block(path: str) -> ManagedFile:
    """Return a file of another owner without the block; it is removed if nothing else was in it."""

    def content(now: str | None) -> str | None:
        text = now if now is None else without_block(now, path=path)
        return text or (None if now else text)

    return ManagedFile(path, content, whole=False)


def _reject_other_includes(path: str) -> None:
    names = [os.path.basename(service) for service in (pam.SERVICE, pam.USERS_SERVICE)]
    for line in split_lines(without_block(read_text(path) or "", path=path)):
        included = [name for name in names if name in line.partition("#")[0].split()]
        if included:
            raise DevserverError(
                f"{path} includes {included[0]} outside of the managed block: {line.strip()!r}",
                expected=f"no other line that needs {included[0]}: PAM fails a session that includes a missing file",
                remedy=f"delete this line from {path}, and run again",
                path=path,
            )
