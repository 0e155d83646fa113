# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration as shells read it: a script for everyone, which sources the script of its user.

The users' scripts are also the record of the variables that an earlier run gave to users.
"""

from __future__ import annotations

import os
import re
import shlex
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import Account, find_known_account
from .._host.files import read_text_or_empty
from .._host.managed_files import ManagedFile, files_of_removed, named_files, whole_file
from .._host.user_access import has_home
from .._shells.scripts import FISH_ENVIRONMENT, SH_ENVIRONMENT, fill
from .declaration import Declaration, UserEnvironment

# One file for each user and language.
USERS = "/etc/gopherops/users"

_EXPORT = re.compile(r"^export ([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


class ScriptLanguage(t.NamedTuple):
    """A language of shells; ``suffix`` is that of its users' scripts, ``everyone`` the text of the script for all.

    ``export`` is the format of a command that sets a variable, ``noop`` a command that does nothing.
    """

    suffix: str
    everyone: str
    export: str
    noop: str
    quoted: t.Callable[[str], str]

    def user_file(self, name: str) -> str:
        """Return the path of a user's script."""
        return os.path.join(USERS, name + self.suffix)

    def files(self, path: str, declaration: Declaration) -> list[ManagedFile]:
        """Return the script at ``path``, what it sources for each declared user, and the scripts to remove."""
        marks = {"USERS": self.quoted(USERS), "EVERYONE": self._put_first(declaration.path) or self.noop}
        users = {self.user_file(user.account.name): user for user in declaration.users}
        return [
            # A user's variables may hold a proxy's password.
            *(whole_file(file, self.user_script(user), mode=0o400, owner=user.account) for file, user in users.items()),
            whole_file(path, fill(self.everyone, marks)),
            *files_of_removed(self.user_file("*"), declaration.removes),
        ]

    def user_script(self, user: UserEnvironment) -> str:
        """Return the script that gives a user the declared environment."""
        exports = [self.export.format(name, self.quoted(value)) for name, value in user.variables.items()]
        return "".join(line + "\n" for line in (self._put_first(user.path), *exports) if line)

    def _put_first(self, directories: t.Sequence[str]) -> str:
        return " ".join(["__go_path", *map(self.quoted, directories)]) if directories else ""


def _user_of(file: str) -> str:
    return os.path.splitext(os.path.basename(file))[0]


def quoted_for_fish(word: str) -> str:
    """Return ``word`` in fish's single quotes, where a backslash keeps its power over two characters."""
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"


POSIX = ScriptLanguage(".sh", SH_ENVIRONMENT, "export {}={}", ":", shlex.quote)
FISH = ScriptLanguage(".fish", FISH_ENVIRONMENT, "set -gx {} {}", "true", quoted_for_fish)


def departed(declaration: Declaration) -> list[Account]:
    """Return users with a home whose environment of an earlier run is to be removed."""
    names = {*named_files(POSIX.user_file("*")), *declaration.absent}
    accounts = map(find_known_account, sorted(filter(declaration.removes, names)))
    return [account for account in accounts if account and _may_have_home(account)]


def _may_have_home(account: Account) -> bool:
    """Return whether there is a home directory, or one that does not respond, which is reported with its files."""
    try:
        return has_home(account)
    except DevserverError:
        return True


def user_of_record(path: str) -> str:
    """Return the user whose variables the script ``path`` records for a later run; empty for any other file."""
    name = _user_of(path)
    return name if path == POSIX.user_file(name) else ""


def loses_variables(before: str | None, after: str | None) -> bool:
    """Return whether a script no longer exports a variable that it exported."""
    return not _exports(before).keys() <= _exports(after).keys()


def recorded_names(user: str) -> list[str]:
    """Return the names of the variables in a user's script."""
    return list(_exports(read_text_or_empty(POSIX.user_file(user))))


def dropped(user: UserEnvironment) -> dict[str, str]:
    """Return the variables of an earlier run that are no longer declared for the user, with their values."""
    recorded = recorded_variables(user.account)
    return {name: value for name, value in recorded.items() if name not in user.variables}


def recorded_variables(account: Account) -> dict[str, str]:
    """Return the variables of an earlier run for a user, with their values."""
    exports = _exports(read_text_or_empty(POSIX.user_file(account.name)))
    return {name: _plain(value) for name, value in exports.items()}


def _exports(text: str | None) -> dict[str, str]:
    return dict(_EXPORT.findall(text or ""))


def _plain(quoted: str) -> str:
    try:
        words: t.Sequence[str] = shlex.split(quoted)
    except ValueError:
        return ""  # The script was changed by hand.
    return words[0] if len(words) == 1 else ""
