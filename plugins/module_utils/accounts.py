# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""User accounts of the managed host, as the name service knows them."""

from __future__ import annotations

import os
import pwd
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError


class Account(t.NamedTuple):
    """One account: the fields of its passwd entry that matter here."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


def find_account(name: str) -> Account:
    """Return the account called ``name``; raise DevserverError where the host does not know it."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise DevserverError(
            "user %r does not exist on this host" % name,
            expected="the name of an existing account",
            remedy="create the account first, or correct its name in the play's list of users",
            user=name,
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell or "/bin/sh")


def groups_of(account: Account) -> list[int]:
    """Return the ids of all groups that a session of ``account`` belongs to."""
    return os.getgrouplist(account.name, account.gid)
