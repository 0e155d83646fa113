# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users whose files do not respond, such as those on a file system that hangs: nothing else of them is read."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ..._core.errors import TimedOut
from ..._environment.declaration import UserEnvironment
from ..._host.files import open_nonblocking
from ..._host.user_access import each_as


def unresponsive_users(users: t.Iterable[UserEnvironment], timeout: float) -> list[tuple[UserEnvironment, str]]:
    """Return the users with a path that does not respond within ``timeout`` seconds, each with the problem."""
    return [(user, problem) for user, problem in ((user, _find_problem(user, timeout)) for user in users) if problem]


def _find_problem(user: UserEnvironment, timeout: float) -> str:
    home = user.account.home
    paths = [home, f"{home}/.config/go/env", *user.directories.values(), *user.workspaces, *user.vscode_settings]
    results = each_as(user.account, _touch, {path: path for path in paths}, seconds=timeout)
    try:
        for result in results.values():
            result()
    except TimedOut as error:
        return error.problem
    return ""


def _touch(path: str) -> None:
    """Open a file or directory, and read the beginning of a file."""
    with contextlib.suppress(OSError), open(path, "rb", opener=open_nonblocking) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.read(1)
