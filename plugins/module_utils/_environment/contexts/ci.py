# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of continuous integration: the environment that workflow files give them.

They run on other machines: only the variables in the file are known. Declared variables that contain a path of this
host do not apply to them.
"""

from __future__ import annotations

import glob
import os
import typing as t

from ..._core.errors import DevserverError
from ..._core.provenance import Assignment, Source
from ..._host.accounts import Account
from ..._host.managed_files import ManagedFile
from ..._host.user_access import acting_as
from ..declaration import Declaration, UserEnvironment
from ..workflow_file import Variable, envs
from .base import Context, ContextKind
from .editor_files import FileContext, encodable, read_editor_text

_DIRECTORY = ".github/workflows"
# Files that are read.
_MOST = 100


class CiContext(FileContext):
    """A workflow, or one of its jobs that has an environment of its own."""

    name = "ci"

    def __init__(self, path: str, workspace: str, variables: t.Sequence[Variable] = (), problem: str = "") -> None:
        self.checkout_file = path
        self.workspace = workspace
        self.problem = problem
        # Of several variables with one name the last one counts.
        last = {variable.name: variable.value for variable in variables}
        self.unknown = {name for name, value in last.items() if value is None}
        self._given = [
            Assignment(encodable(variable.name), encodable(variable.value), Source("file", path, variable.line))
            for variable in variables
            if variable.value is not None and variable.name not in self.unknown
        ]

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        return self._given


class CiKind(ContextKind):
    """One context for each workflow in the users' workspaces, and for each job with an env."""

    name = CiContext.name

    def contexts_of(self, user: UserEnvironment, outer: t.Sequence[Context]) -> t.Sequence[Context]:
        return [
            context
            for directory in user.workspaces
            for path in _files(directory, user.account)
            for context in _jobs(directory, path, user)
        ]

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        return []  # Workflows are only compared: they belong to everybody who works on the repository.


def _files(directory: str, account: Account) -> list[str]:
    pattern = os.path.join(glob.escape(directory), _DIRECTORY, "*.y*ml")
    with acting_as(account):
        return sorted(path for path in glob.glob(pattern) if path.endswith((".yml", ".yaml")))[:_MOST]


def _jobs(directory: str, path: str, user: UserEnvironment) -> list[Context]:
    title = os.path.relpath(path, directory)
    try:
        environments = envs(read_editor_text(path, user.account) or "", path=path)
    except DevserverError as error:
        return [CiContext(path, f"{directory} ({title})", problem=error.problem)]
    workflow_variables = [variable for env in environments if not env.job for variable in env.variables]
    jobs = {env.job: [*workflow_variables, *env.variables] for env in environments if env.job}
    whole = CiContext(path, f"{directory} ({title})", workflow_variables)
    return [whole, *(CiContext(path, f"{directory} ({title}, {job})", variables) for job, variables in jobs.items())]
