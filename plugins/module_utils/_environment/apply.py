# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the declaration into every context of a host: directories, then files, each changed only where it differs."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import CONTEXTS, OWN_FOLDERS
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.paths import USERS
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as, has_home
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import (
    FileEdit,
    edits_of,
    mend_folder,
    refusal_of,
    write_all,
    wrong_folder,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.ownership import (
    give_back,
    giving_back,
    repairable,
)

# What runs already may take so long to take note of a change.
_SECONDS = 20


def users_without_home(declaration: Declaration) -> list[UserEnvironment]:
    """Return the users whose home is missing, as before a first login that makes it."""
    return [user for user in declaration.users if not has_home(user.account)]


def apply(declaration: Declaration, *, check: bool) -> Changes:
    """Make every context carry the declaration and return what that changed, or would change where ``check``.

    Of a user whose home is missing only what lies outside the users' own places is written. Everything is read and
    judged before the first write. Raises DevserverError for a directory that its user cannot have, a file that cannot
    be read or written, and a managed block that is broken.
    """
    try:
        without = [user.account for user in users_without_home(declaration)]
        housed = [user for user in declaration.users if user.account not in without]
        taken = [(user.account, path) for user in housed for path in _left_by_root(user)]
        missing = [(user.account, path) for user in housed for path in _missing_directories(user)]
        edits = _edits(declaration, without)
        folders = {path: rights for path, rights in zip(OWN_FOLDERS, map(wrong_folder, OWN_FOLDERS)) if rights}
        if not check:
            _carry_out(taken, missing, folders, edits)
            _tell(declaration, edits)
    except OSError as error:
        raise DevserverError(f"cannot render the environment: {error}", remedy="mend what it names") from error
    changes = Changes()
    for account, path in taken:
        changes.add(path, "directory left by root\n", f"directory of {account.name}\n")
    for _account, path in missing:
        changes.add(path, "", "directory\n")
    for path, (now, wanted) in folders.items():
        changes.add(path, f"({now})\n", f"({wanted})\n")
    for edit in edits:
        changes.add(edit.file.path, *edit.shown, whole=edit.file.whole)
    return changes


def _edits(declaration: Declaration, without: t.Container[Account]) -> list[FileEdit]:
    files = (file for context in CONTEXTS for file in context.managed_files(declaration))
    edits = edits_of(file for file in files if file.actor not in without)
    # What tells a later run what this one took away is written last, so that a kill loses nothing of it.
    return sorted(edits, key=lambda edit: edit.file.path.startswith(USERS))


def _carry_out(
    taken: t.Sequence[tuple[Account, str]],
    missing: t.Sequence[tuple[Account, str]],
    folders: t.Iterable[str],
    edits: t.Sequence[FileEdit],
) -> None:
    os.umask(0o022)  # What every user must read would not be readable under a stricter one.
    for account, path in taken:
        give_back(path, account)
    for account, path in missing:
        with acting_as(account):
            os.makedirs(path, exist_ok=True)
    # First, so that nobody else can put something else into them meanwhile.
    for path in folders:
        mend_folder(path)
    write_all(edits)


def _tell(declaration: Declaration, edits: t.Sequence[FileEdit]) -> None:
    paths = {edit.file.path for edit in edits}
    for context in CONTEXTS if paths else ():
        context.written(declaration, paths, _SECONDS)


def _left_by_root(user: UserEnvironment) -> list[str]:
    """Return those of the user's directories in the home that root has left there, as by a ``sudo go``."""
    return [path for path in user.directories.values() if repairable(path, user.account)]


def _missing_directories(user: UserEnvironment) -> list[str]:
    """Return those of the user's directories that are to be made; raise DevserverError for one that cannot be."""
    missing = []
    for variable, path in user.directories.items():
        with acting_as(user.account):
            present = os.path.isdir(path)
            refusal = refusal_of(path) or (_foreign(path, user.account) if present else "")
        if refusal and not repairable(path, user.account):
            raise _unusable(user.account, variable, path, refusal)
        missing += [] if present else [path]
    return missing


def _foreign(path: str, account: Account) -> str:
    owner = os.stat(path).st_uid
    return "" if owner == account.uid else f"it belongs to uid {owner}"


def _unusable(account: Account, variable: str, path: str, why: str) -> DevserverError:
    return DevserverError(
        f"{variable}={path} cannot be used by user {account.name}: {why}",
        expected=f"a directory that {account.name} may write to, or one that {account.name} can create",
        remedy=f"{giving_back(path, account)}; or declare another {variable}",
        user=account.name,
        variable=variable,
        path=path,
    )
