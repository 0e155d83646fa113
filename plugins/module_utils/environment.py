# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the declaration into every context of a host: directories, then files, each changed only where it differs."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account, acting_as, has_home
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts import CONTEXTS
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import ManagedFile
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration, UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.files import Changes, read_text, write_text

# What runs already may take so long to take note of a change.
_SECONDS = 20


class _Edit(t.NamedTuple):
    file: ManagedFile
    before: str | None
    after: str | None


def homeless(declaration: Declaration) -> list[UserEnvironment]:
    """Return the users whose home is missing, as before a first login that makes it."""
    return [user for user in declaration.users if not has_home(user.account)]


def apply(declaration: Declaration, *, check: bool) -> Changes:
    """Make every context carry the declaration and return what that changed, or would change where ``check``.

    Of a user whose home is missing only what lies outside the users' own places is written. Everything is read and
    judged before the first write. Raises DevserverError for a directory that its user cannot have, a file that cannot
    be read or written, and a managed block that is broken.
    """
    try:
        without = [user.account for user in homeless(declaration)]
        housed = [user for user in declaration.users if user.account not in without]
        missing = [(user.account, path) for user in housed for path in _missing_directories(user)]
        edits = _edits(declaration, without)
        if not check:
            _carry_out(missing, edits)
            _tell(declaration, edits)
    except OSError as error:
        raise DevserverError(f"cannot render the environment: {error}", remedy="mend what it names") from error
    changes = Changes()
    for _account, path in missing:
        changes.add(path, "", "directory\n")
    for edit in edits:
        changes.add(edit.file.path, edit.before or "", edit.after or "")
    return changes


def _edits(declaration: Declaration, without: t.Container[Account]) -> list[_Edit]:
    # Several contexts may be fed from one file: it is the same file then, and stands once.
    files = {file.path: file for context in CONTEXTS for file in context.managed_files(declaration)}
    edits = []
    for file in files.values():
        if _actor(file) in without:
            continue
        with acting_as(_actor(file)):
            before = read_text(file.path)
            after = file.content(before)
            refusal = _refusal(_folder(file.path)) if before != after else ""
        if refusal:
            raise _unwritable(file, refusal)
        edits.append(_Edit(file, before, after))
    return [edit for edit in edits if edit.before != edit.after]


def _folder(path: str) -> str:
    """Return where a file is really written: where a link leads, which may be to nothing yet."""
    return os.path.dirname(os.path.realpath(path))


def _unwritable(file: ManagedFile, refusal: str) -> DevserverError:
    whose = f" of user {file.owner.name}" if file.owner else ""
    folder = _folder(file.path)
    linked = os.path.islink(file.path)
    leads = f", which is a link to {os.path.realpath(file.path)}," if linked else ""
    return DevserverError(
        f"{file.path}{whose}{leads} cannot be written: {refusal}",
        expected="a file in a folder that is there, or can be made" if linked else "",
        remedy=f"remove the link, or make {folder} writable" if linked else f"make {folder} writable",
        path=file.path,
    )


def _actor(file: ManagedFile) -> Account | None:
    return file.owner if file.as_owner else None


def _carry_out(missing: t.Sequence[tuple[Account, str]], edits: t.Sequence[_Edit]) -> None:
    os.umask(0o022)  # What every user must read would not be readable under a stricter one.
    for account, path in missing:
        with acting_as(account):
            os.makedirs(path, exist_ok=True)
    for edit in edits:
        with acting_as(_actor(edit.file)):
            _write(edit)


def _tell(declaration: Declaration, edits: t.Sequence[_Edit]) -> None:
    paths = {edit.file.path for edit in edits}
    for context in CONTEXTS if paths else ():
        context.written(declaration, paths, _SECONDS)


def _write(edit: _Edit) -> None:
    file = edit.file
    if edit.after is None:
        os.unlink(file.path)
        return
    os.makedirs(_folder(file.path), exist_ok=True)
    uid, gid = (file.owner.uid, file.owner.gid) if file.owner else (0, 0)
    write_text(file.path, edit.after, mode=file.mode, uid=uid, gid=gid, keep=not file.whole)


def _missing_directories(user: UserEnvironment) -> list[str]:
    """Return those of the user's directories that are to be made; raise DevserverError for one that cannot be."""
    missing = []
    for variable, path in user.directories.items():
        with acting_as(user.account):
            present = os.path.isdir(path)
            refusal = _refusal(path) or (_foreign(path, user.account) if present else "")
        if refusal:
            raise _unusable(user.account, variable, path, refusal)
        missing += [] if present else [path]
    return missing


def _foreign(path: str, account: Account) -> str:
    owner = os.stat(path).st_uid
    return "" if owner == account.uid else f"it belongs to uid {owner}"


def _refusal(path: str) -> str:
    """Return why this user can neither use nor make the directory ``path``; empty where it can."""
    nearest = path
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    if not os.path.isdir(nearest):
        return f"{nearest} is not a directory"
    # access(2) asks for the real user, whom acting_as leaves alone.
    if not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
        return f"{nearest} belongs to uid {os.stat(nearest).st_uid} and is not writable"
    return ""


def _unusable(account: Account, variable: str, path: str, why: str) -> DevserverError:
    owned = f"'install -d -o {account.name} {path}', or 'chown -R {account.name} {path}' where root left it"
    return DevserverError(
        f"{variable}={path} cannot be used by user {account.name}: {why}",
        expected=f"a directory that {account.name} may write to, or one that {account.name} can create",
        remedy=f"run {owned}, or declare another {variable}",
        user=account.name,
        variable=variable,
        path=path,
    )
