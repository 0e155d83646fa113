# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that an earlier run gave to users, from the scripts that it rendered."""

from __future__ import annotations

import glob
import os
import re
import shlex
import typing as t

from ..._host.accounts import Account, find_known_account, has_home
from ..._host.files import read_text_or_empty
from ..declaration import Declaration, UserEnvironment
from ..rendered import POSIX

_EXPORT = re.compile(r"^export ([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


def departed(declaration: Declaration) -> list[Account]:
    """Return users with a home who have an environment from an earlier run and are no longer listed."""
    listed = {user.account.name for user in declaration.users}
    names = set(map(user_of_record, glob.glob(POSIX.user_file("*"))))
    accounts = map(find_known_account, sorted(names - listed))
    return [account for account in accounts if account and has_home(account)]


def user_of_record(path: str) -> str:
    """Return the user whose variables the script ``path`` records for a later run; empty for any other file."""
    name = os.path.splitext(os.path.basename(path))[0]
    return name if path == POSIX.user_file(name) else ""


def loses_variables(before: str | None, after: str | None) -> bool:
    """Return whether a script no longer exports a variable that it exported."""
    return bool(_exported(before) - _exported(after))


def _exported(text: str | None) -> set[str]:
    return {name for name, _value in _EXPORT.findall(text or "")}


def dropped(user: UserEnvironment) -> dict[str, str]:
    """Return the variables of an earlier run that are no longer declared for the user, with their values."""
    text = read_text_or_empty(POSIX.user_file(user.account.name))
    return {name: _plain(value) for name, value in _EXPORT.findall(text) if name not in user.variables}


def _plain(quoted: str) -> str:
    try:
        words: t.Sequence[str] = shlex.split(quoted)
    except ValueError:
        return ""  # The script was changed by hand.
    return words[0] if len(words) == 1 else ""
