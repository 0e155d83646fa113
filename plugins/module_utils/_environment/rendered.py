# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration as shells read it: a script for everyone, which sources the script of its user."""

from __future__ import annotations

import glob
import os
import shlex
import typing as t

from .._host.accounts import find_known_account
from .._host.managed_files import ManagedFile, whole_file
from .._shells.scripts import FISH_ENVIRONMENT, SH_ENVIRONMENT, fill
from .declaration import Declaration, UserEnvironment

# One file for each user and language.
USERS = "/etc/gopherops/users"


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
        stale = sorted(set(glob.glob(self.user_file("*"))) - set(users))
        return [
            # A user's variables may hold a proxy's password.
            *(whole_file(file, self.user_script(user), mode=0o400, owner=user.account) for file, user in users.items()),
            whole_file(path, fill(self.everyone, marks)),
            *(whole_file(file, None, owner=find_known_account(_user_of(file))) for file in stale),
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
