# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of declared users: those with ``create`` are made where they are missing."""

from __future__ import annotations

import os
import typing as t

from .._core.errors import DevserverError
from .._environment.declaration import pending_users, validate_account, validate_accounts
from .._host.accounts import Account, find_account
from .._host.command import SYSTEM_PATH, run
from .authorized_keys import PublicKey, parse_keys

# useradd may wait for other programs that edit the files of accounts.
_TIMEOUT = 60


class DeclaredUser(t.NamedTuple):
    """A listed user; ``account`` is None if it is missing and is to be made, or if the user is absent."""

    name: str
    keys: t.Sequence[PublicKey]
    shell: str
    account: Account | None
    is_absent: bool = False

    @property
    def is_missing(self) -> bool:
        return self.account is None and not self.is_absent


def parse_users(entries: t.Sequence[t.Mapping[str, t.Any]]) -> list[DeclaredUser]:
    """Return the listed users. Raises DevserverError for an invalid one."""
    pending = pending_users(entries)
    validate_accounts(
        [entry["name"] for entry in entries if entry["state"] != "absent" and entry["name"] not in pending]
    )
    return [_parse_user(entry, is_pending=entry["name"] in pending) for entry in entries]


def create_account(user: DeclaredUser) -> DeclaredUser:
    """Return the user with a new account, which has a home and no password."""
    # An account without "!" in place of the password is not locked: sshd without PAM denies locked ones.
    argv = ["useradd", "--create-home", "--shell", user.shell, "--password", "*", user.name]
    completed = run(argv, env={"PATH": SYSTEM_PATH}, timeout=_TIMEOUT)
    if not completed.ok:
        raise completed.error(
            f"the account {user.name} cannot be created",
            expected="useradd to create it",
            remedy="resolve what useradd reports, or create the account in another way",
        )
    return user._replace(account=find_account(user.name))


def _parse_user(entry: t.Mapping[str, t.Any], *, is_pending: bool) -> DeclaredUser:
    name, shell = entry["name"], entry["shell"]
    keys = parse_keys(entry["authorized_keys"], f"authorized_keys of user {name}")
    if entry["state"] == "absent":
        return DeclaredUser(name, (), shell, None, is_absent=True)
    if not is_pending:
        return DeclaredUser(name, keys, shell, find_account(name))
    validate_account(Account(name, 0, 0, f"/home/{name}", shell))
    if not (os.path.isabs(shell) and os.access(shell, os.X_OK)):
        raise DevserverError(
            f"shell of user {name} is {shell!r}, which is no program of this host",
            expected="the absolute path of an installed shell",
            remedy="install it, or set shell of this user in devserver_users to another one",
            user=name,
        )
    return DeclaredUser(name, keys, shell, None)
