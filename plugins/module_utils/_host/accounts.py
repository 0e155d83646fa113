# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""User accounts of the managed host, as the name service knows them."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import typing as t

from .._core.errors import DevserverError

# Names that systemd, crontabs or tmpfiles.d read as the ID of a user: any version, so with the prefixes of C too.
_NUMBER = re.compile(r"\d+|0[xob]\w*", re.IGNORECASE)

# The group of no file, in the kernel's default.
_NO_GROUP = 65534


class Account(t.NamedTuple):
    """One account: the fields of its passwd entry that matter here."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


def user_exists(name: str) -> bool:
    """Return whether the host knows a user called ``name``."""
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def find_account(name: str) -> Account:
    """Return the account called ``name``; raise DevserverError if the host has none."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise DevserverError(
            f"user {name!r} does not exist on this host",
            expected="the name of an existing account",
            remedy="create the account first, or correct its name in the play's list of users",
            user=name,
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell or "/bin/sh")


def reject_number(name: str) -> None:
    """Raise DevserverError for a user name that systemd reads as the ID of a user, who is another one."""
    if _NUMBER.fullmatch(name):
        raise DevserverError(
            f"the user name {name!r} is a number: systemd would start this user's processes as the user with that ID",
            expected="a name with a letter that is not written like a number",
            remedy="give the account another name (usermod --login), or remove it from devserver_users and from the"
            " debug services",
            user=name,
        )


def find_known_account(name: str) -> Account | None:
    """Return the account called ``name``; None if the host has none."""
    return find_account(name) if user_exists(name) else None


def find_owner(uid: int) -> Account | None:
    """Return the account with this ID; None if the host has none."""
    with contextlib.suppress(KeyError, DevserverError):
        return find_account(pwd.getpwuid(uid).pw_name)
    return None


def account_with(uid: int) -> Account:
    """Return the account with this ID; one without rights of a group if the host has none."""
    return find_owner(uid) or Account(str(uid), uid, _NO_GROUP, "/", "/bin/sh")


def name_of(uid: int) -> str:
    """Return the name of the account with this ID, or the ID if the host has none."""
    owner = find_owner(uid)
    return owner.name if owner else f"uid {uid}"


def can_log_in(account: Account) -> bool:
    """Return whether the account is meant to log in; a missing shell prevents that, but not on purpose."""
    return os.path.basename(account.shell) not in ("nologin", "false")


def groups_of(account: Account) -> list[int]:
    """Return the ids of all groups that a session of ``account`` belongs to.

    For one that is gone, or whose name another one has by now, that is its own group alone.
    """
    present = find_known_account(account.name)
    return os.getgrouplist(account.name, account.gid) if present and present.uid == account.uid else [account.gid]
