# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the declaration into every context of a host: directories, then files, each changed only where it differs.

A file or directory of one user that cannot be used is skipped and reported; everything else is written.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import Account, acting_as, has_home
from .._host.files import Changes
from .._host.managed_files import (
    DirectoryProblem,
    FileEdit,
    ManagedFile,
    compare_directory_rights,
    find_directory_problem,
    plan_edits,
    repair_directory_rights,
    write_all,
)
from .._host.ownership import describe_ownership_repair, is_repairable, repair_ownership
from .._host.path_names import is_below
from .._host.skipped_files import SkippedFile, find_failure, skip_errors, split_skipped
from .contexts import KINDS, OWN_DIRECTORIES
from .declaration import Declaration, UserEnvironment
from .rendered import loses_variables, user_of_record

# Seconds that a running process may take to reload a changed file.
_RELOAD_TIMEOUT = 20


class Applied(t.NamedTuple):
    """What was changed, or would be in check mode, and what was skipped; for users who are not listed, ``warnings``."""

    changes: Changes
    skipped: t.Sequence[SkippedFile]
    warnings: t.Sequence[str]

    @property
    def failure(self) -> DevserverError | None:
        """The error of a run that skipped something; None for a complete run."""
        return find_failure(self.skipped)


def users_without_home(declaration: Declaration) -> list[UserEnvironment]:
    """Return the users whose home is missing, as before a first login that makes it."""
    return [user for user in declaration.users if not has_home(user.account)]


def apply(declaration: Declaration, *, check: bool) -> Applied:
    """Make every context carry the declaration; with ``check`` only return what that would change.

    For a user without a home only files outside of home directories are written. Everything is read and validated
    before the first write. Raises DevserverError for a file of the host itself that cannot be read or written.
    """
    run = _Run(check=check)
    try:
        without = [user.account for user in users_without_home(declaration)]
        directories = run.plan_directories([user for user in declaration.users if user.account not in without])
        edits = run.plan_edits(declaration, without)
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
    listed = {user.account.name for user in declaration.users}
    skipped, warnings = split_skipped(sorted(run.skipped, key=lambda entry: (entry.user, entry.file)), listed)
    return Applied(run.changes, skipped, warnings)


class _Directory(t.NamedTuple):
    """A directory that its user needs: to be made, or given back to its user."""

    account: Account
    path: str
    left_by_root: bool
    missing: bool


class _Run:
    """One run over a host: what it changed, and what it skipped."""

    def __init__(self, *, check: bool) -> None:
        self.changes = Changes()
        self.skipped: list[SkippedFile] = []
        self.written: set[str] = set()
        self._check = check
        # The users with a file that still has to be changed by a later run.
        self._unfinished: set[str] = set()

    @contextlib.contextmanager
    def _isolated_file(self, file: ManagedFile) -> t.Iterator[None]:
        count = len(self.skipped)
        with skip_errors(self.skipped, file.user, file.path):
            yield
        self._unfinished.update(entry.user for entry in self.skipped[count:])

    def plan_directories(self, users: t.Iterable[UserEnvironment]) -> list[_Directory]:
        """Return the directories that are to be made for their users, or given back to them."""
        planned = []
        for user in users:
            for variable, path in user.directories.items():
                # A directory outside of the home that cannot be used is an error of the declaration, not of the user.
                in_home = path == user.account.home.rstrip("/") or is_below(path, user.account.home)
                with skip_errors(self.skipped, user.account.name if in_home else "", path):
                    directory = _plan_directory(user.account, variable, path)
                    planned += [directory] if directory.missing or directory.left_by_root else []
        return planned

    def plan_edits(self, declaration: Declaration, without: t.Container[Account]) -> list[FileEdit]:
        """Return the edits of all files but those in the homes of users ``without`` one."""
        files = (file for kind in KINDS for file in kind.managed_files(declaration))
        edits = []
        for file in {file.path: file for file in files if file.actor not in without}.values():
            with self._isolated_file(file):
                edits += plan_edits([file])
        # The records from which a later run learns what this one took away are written last, so that a kill loses none.
        return sorted(edits, key=lambda edit: bool(user_of_record(edit.file.path)))

    def make_directories(self, directories: t.Sequence[_Directory]) -> None:
        # A directory above another may be the one to be given back.
        for directory in (directory for directory in directories if directory.left_by_root):
            with skip_errors(self.skipped, directory.account.name, directory.path):
                if not self._check:
                    repair_ownership(directory.path, directory.account)
                owner = f"directory of {directory.account.name}\n"
                self.changes.add(directory.path, "directory left by root\n", owner)
        for directory in (directory for directory in directories if directory.missing):
            with skip_errors(self.skipped, directory.account.name, directory.path):
                if not self._check:
                    with acting_as(directory.account):
                        os.makedirs(directory.path, exist_ok=True)
                self.changes.add(directory.path, "", "directory\n")

    def repair_own_directories(self) -> None:
        for path in OWN_DIRECTORIES:
            difference = compare_directory_rights(path)
            if difference:
                actual, expected = difference
                if not self._check:
                    repair_directory_rights(path)
                self.changes.add(path, f"({actual})\n", f"({expected})\n")

    def write(self, edits: t.Iterable[FileEdit]) -> None:
        for edit in edits:
            if self._loses_pending_removals(edit):
                self._skip_record(edit)
                continue
            with self._isolated_file(edit.file):
                if not self._check:
                    write_all([edit])
                self.written.add(edit.file.path)
                edit.add_to(self.changes)

    def _loses_pending_removals(self, edit: FileEdit) -> bool:
        """Return whether the edit of a record loses variables that a later run must remove from a skipped file."""
        unfinished = user_of_record(edit.file.path) in self._unfinished
        return unfinished and loses_variables(edit.before, edit.after)

    def _skip_record(self, edit: FileEdit) -> None:
        path = edit.file.path
        user = user_of_record(path)
        reason = DevserverError(
            f"{path} stays as it is: it records the variables that are to be removed from other files of user {user}",
            remedy=f"repair the other files of user {user}, and run again",
        )
        self.skipped.append(SkippedFile(user, path, None, None, str(reason)))


def _plan_directory(account: Account, variable: str, path: str) -> _Directory:
    """Return what is to be done for a directory; raise DevserverError for one that cannot be used or made."""
    left_by_root = is_repairable(path, account)
    with acting_as(account):
        owner = os.stat(path).st_uid if os.path.isdir(path) else None
        problem = find_directory_problem(path)
        if problem is None and owner not in (None, account.uid):
            problem = DirectoryProblem(f"it belongs to uid {owner}")
    if problem and not left_by_root:
        repair = problem.remedy or describe_ownership_repair(path, account)
        raise DevserverError(
            f"{variable}={path} cannot be used by user {account.name}: {problem.reason}",
            expected=f"a directory that {account.name} may write to, or one that {account.name} can create",
            remedy=f"{repair}; or declare another {variable}",
            user=account.name,
            variable=variable,
            path=path,
        )
    return _Directory(account, path, left_by_root, owner is None)
