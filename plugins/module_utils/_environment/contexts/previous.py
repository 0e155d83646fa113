# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that an earlier run gave to users, from the scripts that it rendered."""

from __future__ import annotations

import glob
import os
import re
import shlex
import typing as t

from ..._host.accounts import Account, find_account, has_home, user_exists
from ..._host.files import read_text_or_empty
from ..declaration import Declaration, UserEnvironment
from ..paths import USERS

_EXPORT = re.compile(r"^export ([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


def departed(declaration: Declaration, directory: str = USERS) -> list[Account]:
    """Return users with a home who have an environment from an earlier run and are no longer listed."""
    listed = {user.account.name for user in declaration.users}
    names = {os.path.basename(path)[: -len(".sh")] for path in glob.glob(os.path.join(glob.escape(directory), "*.sh"))}
    accounts = [find_account(name) for name in sorted(names - listed) if user_exists(name)]
    return [account for account in accounts if has_home(account)]


def user_of_record(path: str, directory: str = USERS) -> str:
    """Return the user whose variables the script ``path`` records for a later run; empty for any other file."""
    name, suffix = os.path.splitext(os.path.basename(path))
    return name if (os.path.dirname(path), suffix) == (directory, ".sh") else ""


def known_account(name: str) -> Account | None:
    """Return the account that a file is named after; None where it does not exist any more."""
    return find_account(name) if user_exists(name) else None


def loses_variables(before: str | None, after: str | None) -> bool:
    """Return whether a script no longer exports a variable that it exported."""
    return bool(_exported(before) - _exported(after))


def _exported(text: str | None) -> set[str]:
    return {name for name, _value in _EXPORT.findall(text or "")}


def dropped(user: UserEnvironment, directory: str = USERS) -> dict[str, str]:
    """Return the variables of an earlier run that are no longer declared for the user, with their values."""
    text = read_text_or_empty(os.path.join(directory, user.account.name + ".sh"))
    return {name: _plain(value) for name, value in _EXPORT.findall(text) if name not in user.variables}


def _plain(quoted: str) -> str:
    try:
        words: t.Sequence[str] = shlex.split(quoted)
    except ValueError:
        return ""  # The script was changed by hand.
    return words[0] if len(words) == 1 else ""
