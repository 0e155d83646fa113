# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the declaration into every context of a host: directories, then files, each changed only where it differs.

A file or directory of one user that cannot be used is skipped and reported; everything else is written.
"""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import Account, user_exists
from .._host.files import Changes
from .._host.managed_files import (
    DirectoryProblem,
    FileEdit,
    ManagedFile,
    compare_directory_rights,
    find_directory_problem,
    plan_each,
    plan_edits,
    repair_directory_rights,
    write_each,
)
from .._host.ownership import describe_moving, describe_ownership_repair, is_repairable, repair_ownership
from .._host.path_names import is_below
from .._host.records import record_path
from .._host.removal import remove_empty_directories
from .._host.skipped_files import SkippedFile, find_failure, skip_errors, split_skipped
from .._host.user_access import call_as, each_as
from .contexts import KINDS, OWN_DIRECTORIES
from .declaration import DIRECTORY_VARIABLES, Declaration, UserEnvironment
from .rendered import ROLE, loses_variables, user_of_record

# Seconds that a running process may take to reload a changed file.
_RELOAD_TIMEOUT = 20


class Applied(t.NamedTuple):
    """What was changed, or would be in check mode, and what was skipped; for users who are not listed, ``warnings``.

    ``without_home`` are the users whose home is missing, as before a first login that makes it.
    """

    changes: Changes
    skipped: t.Sequence[SkippedFile]
    warnings: t.Sequence[str]
    without_home: t.Sequence[UserEnvironment]

    @property
    def failure(self) -> DevserverError | None:
        """The error of a run that skipped something; None for a complete run."""
        return find_failure(self.skipped)


def apply(
    declaration: Declaration,
    *,
    check: bool,
    records: t.Sequence[ManagedFile] = (),
    changing: t.Callable[[t.Sequence[FileEdit]], t.ContextManager[None]] = lambda _edits: contextlib.nullcontext(),
) -> Applied:
    """Make every context carry the declaration; with ``check`` only return what that would change.

    For a user without a home only files outside of home directories are written. Everything is read and validated
    before the first write; everything is written inside of ``changing``, the ``records`` first. Raises
    DevserverError for a file of the host itself that cannot be read or written.
    """
    run = _Run({user.account.name for user in declaration.users}, check=check)
    try:
        directories = run.plan_directories(declaration.users)
        edits = [*plan_edits(records), *run.plan_edits(declaration)]
        with changing(edits):
            run.make_directories(directories)
            # Before the files, so that nobody else can put something else into these directories meanwhile.
            run.repair_own_directories()
            run.write(edits)
        if not check:
            for kind in KINDS:
                kind.reload(declaration, run.written, _RELOAD_TIMEOUT)
    except OSError as error:
        raise DevserverError(
            f"cannot write the environment: {error}", remedy="make this path readable and writable, and run again"
        ) from error
    entries = sorted([*run.skipped_files, *run.skipped_directories], key=lambda entry: (entry.user, entry.file))
    skipped, warnings = split_skipped(entries, run.listed)
    return Applied(run.changes, skipped, warnings, run.without_home)


def remove(
    files: t.Sequence[ManagedFile],
    directories: t.Iterable[str],
    users: t.Collection[str],
    *,
    check: bool,
    changing: t.Callable[[t.Sequence[FileEdit]], t.ContextManager[None]],
) -> Applied:
    """Change or remove ``files`` in their order, records last, and remove those of ``directories`` that are empty then.

    A file of other users than ``users`` that cannot be changed is a warning. All files are written inside of
    ``changing``. Raises DevserverError for a file of the host itself that cannot be read or written.
    """
    run = _Run(users, check=check)
    try:
        edits = _records_last(plan_each(files, run.skipped_files))
        with changing(edits):
            run.write(edits)
        if not check:
            remove_empty_directories(directories)
    except OSError as error:
        raise DevserverError(
            f"cannot remove the environment: {error}", remedy="make this path readable and writable, and run again"
        ) from error
    return Applied(run.changes, *split_skipped(run.skipped_files, run.listed), [])


class _Directory(t.NamedTuple):
    """A directory that its user needs: to be made, or given back to its user."""

    account: Account
    path: str
    left_by_root: bool
    missing: bool


class _Run:
    """One run over a host: what it changed, and what it skipped."""

    def __init__(self, listed: t.Collection[str], *, check: bool) -> None:
        self.listed = listed
        self.changes = Changes()
        self.skipped_files: list[SkippedFile] = []
        self.skipped_directories: list[SkippedFile] = []
        self.without_home: list[UserEnvironment] = []
        self.written: set[str] = set()
        self._accessible: set[Account] = set()
        self._check = check

    def plan_directories(self, users: t.Iterable[UserEnvironment]) -> list[_Directory]:
        """Return the directories that are to be made for their users, or given back to them; none without a home."""
        planned: list[_Directory] = []
        for user in users:
            account = user.account
            # Of two variables with one directory, the one whose directory is not shared decides.
            directories = [*user.temporary_directories.items(), *user.directories.items()]
            named = {path: (path, variable) for variable, path in directories}
            plan = functools.partial(_plan_directory, account, os.geteuid() == 0)
            states = each_as(account, plan, {account.home: (account.home, ""), **named})
            if self._has_home(user, states[account.home]):
                planned += self._pending_directories(account, {path: states[path] for path in named})
        return planned

    def _has_home(self, user: UserEnvironment, state: t.Callable[[], tuple[bool, bool]]) -> bool:
        with skip_errors(self.skipped_files, user.account.name, user.account.home):
            _left_by_root, missing = state()
            if not missing:
                self._accessible.add(user.account)
                return True
            self.without_home.append(user)
        return False

    def _pending_directories(
        self, account: Account, states: t.Mapping[str, t.Callable[[], tuple[bool, bool]]]
    ) -> t.Iterator[_Directory]:
        for path, state in states.items():
            # A directory outside of the home that cannot be used is an error of the declaration, not of the user.
            in_home = path == account.home.rstrip("/") or is_below(path, account.home)
            with skip_errors(self.skipped_directories, account.name if in_home else "", path):
                directory = _Directory(account, path, *state())
                if directory.missing or directory.left_by_root:
                    yield directory

    def plan_edits(self, declaration: Declaration) -> list[FileEdit]:
        """Return the edits of all files but those in the homes of users without one, or that does not respond."""
        inaccessible = {user.account for user in declaration.users} - self._accessible
        files = (file for kind in KINDS for file in kind.managed_files(declaration))
        return _records_last(plan_each((file for file in files if file.actor not in inaccessible), self.skipped_files))

    def make_directories(self, directories: t.Sequence[_Directory]) -> None:
        # A directory above another may be the one to be given back.
        for directory in (directory for directory in directories if directory.left_by_root):
            with skip_errors(self.skipped_directories, directory.account.name, directory.path):
                if not self._check:
                    repair_ownership(directory.path, directory.account)
                owner = f"directory of {directory.account.name}\n"
                self.changes.add(directory.path, "directory left by root\n", owner)
        for directory in (directory for directory in directories if directory.missing):
            with skip_errors(self.skipped_directories, directory.account.name, directory.path):
                if not self._check:
                    call_as(directory.account, functools.partial(os.makedirs, directory.path, exist_ok=True))
                self.changes.add(directory.path, "", "directory\n")

    def repair_own_directories(self) -> None:
        for path in OWN_DIRECTORIES:
            difference = compare_directory_rights(path)
            if difference:
                actual, expected = difference
                if not self._check:
                    repair_directory_rights(path)
                self.changes.add(path, f"({actual})\n", f"({expected})\n")

    def write(self, edits: t.Sequence[FileEdit]) -> None:
        written = [edit for edit in edits if not self._keeps(edit)] if self._check else self._write(edits)
        self.written.update(edit.file.path for edit in written)
        for edit in written:
            edit.add_to(self.changes)

    def _write(self, edits: t.Iterable[FileEdit]) -> list[FileEdit]:
        return write_each(edits, self.skipped_files, self._keeps)

    def _keeps(self, edit: FileEdit) -> bool:
        """Return whether a record stays: else a later run would not remove its variables from a skipped file."""
        path = edit.file.path
        user = user_of_record(path)
        if path == record_path(ROLE):
            return edit.after is None and any(entry.user in self.listed for entry in self.skipped_files)
        unfinished = user in [entry.user for entry in self.skipped_files]
        # A later run does not find the files of an account that is gone either.
        if not (unfinished and loses_variables(edit.before, edit.after) and user_exists(user)):
            return False
        reason = DevserverError(
            f"{path} stays as it is: it records the variables that are to be removed from other files of user {user}",
            remedy=f"repair the other files of user {user}, and run again",
        )
        self.skipped_files.append(SkippedFile(user, path, None, None, str(reason)))
        return True


def _records_last(edits: t.Iterable[FileEdit]) -> list[FileEdit]:
    """Return the edits in an order in which a kill loses no record of what a later run has to remove."""
    return sorted(edits, key=lambda edit: bool(user_of_record(edit.file.path)) or edit.file.path == record_path(ROLE))


def _plan_directory(account: Account, is_root: bool, named: tuple[str, str]) -> tuple[bool, bool]:
    """Return whether root has left a directory there, and whether it is missing.

    ``named`` is its path, and the variable that names it; empty for the home. Raises DevserverError for one that cannot
    be used or made. Runs with the user's rights.
    """
    path, variable = named
    if path == account.home and not (variable and os.path.isdir(path)):
        return False, not os.path.isdir(path)
    left_by_root = is_root and is_repairable(path, account)
    owner = os.stat(path).st_uid if os.path.isdir(path) else None
    problem = find_directory_problem(path)
    if problem is None and owner not in (None, account.uid) and variable in DIRECTORY_VARIABLES:
        problem = DirectoryProblem(f"it belongs to uid {owner}")
    if problem and not left_by_root:
        moving = describe_moving(problem.obstacle, account) if problem.obstacle else ""
        repair = problem.remedy or moving or describe_ownership_repair(path, account)
        raise DevserverError(
            f"{variable}={path} cannot be used by user {account.name}: {problem.reason}",
            expected=f"a directory that {account.name} may write to, or one that {account.name} can create",
            remedy=f"{repair}; or declare another {variable}",
            user=account.name,
            variable=variable,
            path=path,
        )
    return left_by_root, owner is None
