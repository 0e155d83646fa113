# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration as shells read it: a script for everyone, which sources the script of its user.

Users own their scripts. The record of the variables that an earlier run gave to them is root's: what units read.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import Account, account_with, find_known_account, find_owner
from .._host.files import read_text_or_empty
from .._host.managed_files import ManagedFile, files_of_removed, named_files, whole_file
from .._host.records import read_record
from .._host.user_access import call_as, has_home
from .._shells.scripts import FISH_ENVIRONMENT, SH_ENVIRONMENT, fill
from .._systemd.environment_files import variables_in
from . import goenv_file
from .declaration import Declaration, UserEnvironment

# One file for each user and language, and its mode: a user's variables may hold a proxy's password.
USERS = "/etc/gopherops/users"
MODE = 0o400
# One file for each user, which only root may read.
UNITS = "/etc/gopherops/units"
# The role whose record has what a later run needs to remove, and the kind of it that has the users' homes.
ROLE = "environment"
HOMES = "homes"

_NAME = re.compile(r"^(?:export )?([A-Z][A-Z0-9_]*)=", re.MULTILINE)


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
            *(whole_file(file, self.user_script(user), mode=MODE, owner=user.account) for file, user in users.items()),
            whole_file(path, fill(self.everyone, marks)),
            *files_of_removed(self.user_file("*"), declaration.removes),
        ]

    def user_script(self, user: UserEnvironment) -> str:
        """Return the script that gives a user the declared environment."""
        exports = [self.export.format(name, self.quoted(value)) for name, value in user.variables.items()]
        return "".join(line + "\n" for line in (self._put_first(user.path), *exports) if line)

    def _put_first(self, directories: t.Sequence[str]) -> str:
        return " ".join(["__go_path", *map(self.quoted, directories)]) if directories else ""


def quoted_for_fish(word: str) -> str:
    """Return ``word`` in fish's single quotes, where a backslash keeps its power over two characters."""
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"


POSIX = ScriptLanguage(".sh", SH_ENVIRONMENT, "export {}={}", ":", shlex.quote)
FISH = ScriptLanguage(".fish", FISH_ENVIRONMENT, "set -gx {} {}", "true", quoted_for_fish)


def unit_environment_file(user: str) -> str:
    """Return the file that a unit which runs as ``user`` takes its environment from."""
    return os.path.join(UNITS, user + ".env")


def departed(declaration: Declaration) -> list[Account]:
    """Return users with a home whose environment of an earlier run is to be removed."""
    names = _departed_names(declaration)
    accounts = [account for account in map(find_known_account, names) if account and _may_have_home(account)]
    moved = [account for name in names for account in _earlier_accounts(name) if _may_have_home(account)]
    if moved:
        # The home, or the ID, of such a user may be that of another one by now.
        others = filter(None, map(find_known_account, named_files(unit_environment_file("*"))))
        owners = {*accounts, *others, *(user.account for user in declaration.users)}
        homes = set(map(_real_home, owners))
        accounts += [account for account in moved if _real_home(account) not in homes]
    return accounts


def without_known_home(declaration: Declaration) -> list[str]:
    """Return the departed users of an earlier run that have neither an account nor a recorded home."""
    known = named_files(unit_environment_file("*"))
    missing = (name for name in _departed_names(declaration) if name in known and not find_known_account(name))
    return [name for name in missing if not recorded_accounts(name)]


def described_home(account: Account) -> str:
    """Return what is recorded of a user, for a removal after the account was renamed, moved or removed."""
    return f"{account.name}:{account.uid}:{account.gid}:{account.home}"


def _departed_names(declaration: Declaration) -> list[str]:
    return sorted(filter(declaration.removes, {*named_files(unit_environment_file("*")), *declaration.absent}))


def _earlier_accounts(name: str) -> list[Account]:
    """Return the user ``name`` of earlier runs with each recorded home, and with the moved one of a renamed account.

    All have the user ID of that time, and no more rights.
    """
    earlier = recorded_accounts(name)
    uids = sorted({account.uid for account in earlier})
    owners = [] if find_known_account(name) else filter(None, map(find_owner, uids))
    return [*earlier, *(account._replace(name=name) for account in owners if _was_provisioned(account))]


def _was_provisioned(account: Account) -> bool:
    """Return whether the home has settings of go of an earlier run: else the ID of a removed user was given again."""
    path = os.path.join(account.home, goenv_file.PATH)
    with contextlib.suppress(DevserverError, OSError):
        return call_as(account, lambda: goenv_file.is_managed(read_text_or_empty(path)))
    return False


def recorded_accounts(name: str) -> list[Account]:
    """Return the user ``name`` of earlier runs, with each recorded home and ID; groups are those of the present."""
    fields = (entry.split(":", 3) for entry in read_record(ROLE, {}).get(HOMES, ()))
    return [
        account_with(int(uid))._replace(name=name, home=home)
        for recorded, uid, gid, home in (entry for entry in fields if len(entry) == len(Account._fields) - 1)
        if recorded == name and uid.isdigit() and gid.isdigit() and int(uid)
    ]


def _real_home(account: Account) -> str:
    try:
        return call_as(account, lambda: os.path.realpath(account.home))
    except DevserverError:
        return account.home


def _may_have_home(account: Account) -> bool:
    """Return whether there is a home directory, or one that does not respond, which is reported with its files."""
    try:
        return has_home(account)
    except DevserverError:
        return True


def user_of_record(path: str) -> str:
    """Return the user whose variables the file ``path`` records for a later run; empty for any other file."""
    name = os.path.splitext(os.path.basename(path))[0]
    return name if path == unit_environment_file(name) else ""


def loses_variables(before: str | None, after: str | None) -> bool:
    """Return whether a record no longer has a variable that it had."""
    return not {*_NAME.findall(before or "")} <= {*_NAME.findall(after or "")}


def recorded_names(user: str) -> list[str]:
    """Return the names of a user's variables, by the user's own script if this process may not read the record."""
    texts = (read_text_or_empty(path) for path in (unit_environment_file(user), POSIX.user_file(user)))
    return _NAME.findall(next(filter(None, texts), ""))


def dropped(user: UserEnvironment) -> dict[str, str]:
    """Return the variables of an earlier run that are no longer declared for the user, with their values."""
    recorded = recorded_variables(user.account)
    return {name: value for name, value in recorded.items() if name not in user.variables}


def recorded_variables(account: Account) -> dict[str, str]:
    """Return the variables of an earlier run for a user, with their values; none if only root may read them."""
    variables = variables_in(unit_environment_file(account.name))
    return {name: value for name, value in variables.items() if name != "PATH"}
