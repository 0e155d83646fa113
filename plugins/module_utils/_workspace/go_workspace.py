# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module go_workspace does: its options, and how it plans and applies."""

from __future__ import annotations

import functools
import os
import typing as t

from .._core.errors import DevserverError
from .._core.redaction import without_secrets
from .._core.result import Outcome
from .._environment.declaration import ARGUMENT_SPEC as DECLARATION
from .._environment.declaration import UserEnvironment, declaration_from
from .._environment.workspace_entry import WorkspaceEntry
from .._host.accounts import Account
from .._host.files import Changes
from .._host.managed_files import plan_each, write_each
from .._host.skipped_files import SkippedFile, find_failure, skip_errors
from .._host.user_access import call_as
from .._toolchain.workspace_writers import (
    describe_sharing_repair,
    find_workspace_writer,
    reject_embedded_repository,
)
from .checkout import converge_checkout
from .files import describe_tracked, exclude_file, managed_files
from .git import Git
from .modules import Modules
from .programs import UserPrograms

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DECLARATION,
    "toolchain_root": {"type": "path", "default": "/usr/local/lib/go"},
    "timeout": {"type": "int", "default": 600},
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Bring the workspaces of all users to what is declared; with ``check`` only plan it."""
    if params["timeout"] < 1:
        raise DevserverError(
            f"timeout is {params['timeout']}", expected="a number of seconds", remedy="omit it, which means 600"
        )
    run = WorkspaceRun(params, check=check)
    for user in declaration_from(params).users:
        run.converge_user(user)
    result = {"skipped_files": [entry._asdict() for entry in run.skipped], **run.changes.result()}
    return Outcome(result, run.warnings, find_failure(run.skipped, "the workspaces of these users are incomplete"))


class WorkspaceRun:
    """The workspaces of one run; those that fail are ``skipped``."""

    def __init__(self, params: t.Mapping[str, t.Any], *, check: bool) -> None:
        self.changes = Changes()
        self.warnings: list[str] = []
        self.skipped: list[SkippedFile] = []
        self._params = params
        self._check = check

    def converge_user(self, user: UserEnvironment) -> None:
        """Complete the workspaces of a user one after the other."""
        programs = UserPrograms(user, self._params["timeout"])
        for entry in (entry for entry in user.entries if entry != WorkspaceEntry(entry.path)):
            with skip_errors(self.skipped, user.account.name, entry.path):
                self._converge(programs, entry)

    def _converge(self, programs: UserPrograms, entry: WorkspaceEntry) -> None:
        account = programs.user.account
        git = Git(programs, entry)
        if programs.timed_out:
            self.warnings.append(
                f"{git} is skipped: a program timed out in another workspace of this user. To fix this: find out as"
                " this user why it does not finish there, and run the play again"
            )
            return
        if entry.repo and git.host in programs.silent_hosts:
            self.warnings.append(
                f"{git} is skipped: {git.host} did not respond in time for another workspace of this user. To fix this:"
                f" check that 'git ls-remote' of {without_secrets(entry.repo)} responds at once, and run the play again"
            )
            return
        writer = call_as(account, functools.partial(_find_writer, entry, account))
        if writer:
            self.warnings.append(
                f"{git} is skipped: git and go would run as {account.name} what others can change: {writer}. To fix"
                f" this: {describe_sharing_repair(account.name)}"
            )
            return
        if entry.repo:
            change = converge_checkout(git, entry, account, self.warnings, check=self._check)
            if change:
                self.changes.add(entry.path, change.before, change.after)
                if not change.exists:
                    return  # The rest depends on what is in it.
        if entry.has_modules:
            modules = Modules(programs, entry, self._params, self.warnings)
            with skip_errors(self.skipped, account.name, entry.path):
                modules.converge(self.changes, lambda name: bool(git.tracked([name])), check=self._check)
        if entry.manage or entry.manage_commit:
            self._edit_files(git, entry, account)

    def _edit_files(self, git: Git, entry: WorkspaceEntry, account: Account) -> None:
        # Empty for a directory that is missing, which go_env reports.
        real_path = call_as(account, lambda: os.path.isdir(entry.path) and os.path.realpath(entry.path))
        if not real_path:
            return
        files = managed_files(entry, account, real_path, self._params["vscode_tools"])
        excluded = exclude_file(git, entry, account, files) if entry.manage_commit else []
        edits = plan_each([*files, *excluded], self.skipped)
        self.warnings += describe_tracked(git, entry, account, edits)
        for edit in edits if self._check else write_each(edits, self.skipped):
            edit.add_to(self.changes)


def _find_writer(entry: WorkspaceEntry, account: Account) -> str:
    reject_embedded_repository(entry.path)
    return "" if entry.allow_shared_workspace else find_workspace_writer(entry.path, account)
