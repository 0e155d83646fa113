# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ssh_access does: accounts and keys of the users, and sshd's settings for editors."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from .._core.errors import DevserverError
from .._core.result import Outcome
from .._environment.access import ARGUMENT_SPEC as ACCESS
from .._environment.access import AccessGuard, converge_proven
from .._environment.declaration import ARGUMENT_SPEC as DECLARATION
from .._host.accounts import Account, find_known_account
from .._host.files import Changes
from .._host.managed_files import FileEdit, plan_each, plan_edits, write_all, write_each
from .._host.records import read_record, record_file, remove_record
from .._host.skipped_files import SkippedFile, find_failure, split_skipped
from .._host.user_access import call_as, has_home
from . import sshd
from .accounts import DeclaredUser, create_account, parse_users
from .authorized_keys import FILE, PublicKey, keys_file, reject_other_places

ARGUMENT_SPEC: dict[str, t.Any] = {
    **ACCESS,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "users": DECLARATION["users"],
    "exclusive": DECLARATION["exclusive"],
    "sshd": {"type": "bool", "default": True},
    "tcp_forwarding": {"type": "str", "choices": ["all", "local"], "default": "all"},
    "client_alive_interval": {"type": "int", "default": 30},
    "client_alive_count": {"type": "int", "default": 10},
    "max_sessions": {"type": "int", "default": 50},
}

_ROLE = "remote_access"


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Create accounts, add and remove keys, and write the drop-in of sshd; with ``check`` only plan it."""
    return converge_proven(params, lambda guard: _converge(params, guard, check=check), check=check)


def _converge(params: t.Mapping[str, t.Any], guard: AccessGuard, *, check: bool) -> Outcome:
    users = [] if params["state"] == "absent" else parse_users(params["users"])
    for user in users:
        if user.keys and user.account:
            reject_other_places(user.account)
    options, warnings = _sshd_options(params)
    changes = Changes()
    try:
        edits = plan_edits([sshd.drop_in(options)])
        for edit in edits:
            edit.add_to(changes)
            if edit.after is not None:
                sshd.validate(edit.after)
        if options and not edits:
            sshd.reject_overrides(options)
        with contextlib.nullcontext() if check else _changing_sshd(edits, options, guard):
            users = [_create(user, changes, check=check) if user.is_missing else user for user in users]
            skipped, without_home = _converge_keys(params, users, changes, check=check)
    except OSError as error:
        raise DevserverError(
            f"cannot write the access of users: {error}", remedy="run as root (become), with this path writable"
        ) from error
    failures, warnings_of_others = split_skipped(skipped, {entry["name"] for entry in params["users"]})
    warnings += warnings_of_others
    warnings += [
        f"the home directory of user {name} is missing: no keys were written. To fix this: create it, or let the user"
        " log in where that creates it; then run this again"
        for name in without_home
    ]
    result = {"skipped_files": [entry._asdict() for entry in failures], **changes.result()}
    return Outcome(result, warnings, find_failure(failures))


def _sshd_options(params: t.Mapping[str, t.Any]) -> tuple[sshd.SshdOptions | None, list[str]]:
    if params["state"] == "absent" or not params["sshd"]:
        return None, []
    if not sshd.is_installed():
        return None, [
            "this host has no sshd: its settings for editors are left out. To fix this: install it (openssh-server), or"
            " set remote_access_sshd: false"
        ]
    forwarding, sessions = params["tcp_forwarding"], params["max_sessions"]
    return sshd.SshdOptions(forwarding, params["client_alive_interval"], params["client_alive_count"], sessions), []


@contextlib.contextmanager
def _changing_sshd(
    edits: t.Sequence[FileEdit], options: sshd.SshdOptions | None, guard: AccessGuard
) -> t.Iterator[None]:
    """Write the drop-in of sshd; it is restored if that or the body fails."""
    command = sshd.reload_command() if edits else ()
    with guard.changing(edits, command):
        if edits:
            write_all(edits)
            if options:
                sshd.reject_overrides(options)
            sshd.reload_sshd(command)
        yield


def _create(user: DeclaredUser, changes: Changes, *, check: bool) -> DeclaredUser:
    keys = "".join(f"{key.line}\n" for key in user.keys)
    changes.add(f"account {user.name}", "", f"shell {user.shell}\n{keys if check else ''}")
    return user if check else create_account(user)


def _converge_keys(
    params: t.Mapping[str, t.Any], users: t.Sequence[DeclaredUser], changes: Changes, *, check: bool
) -> tuple[list[SkippedFile], list[str]]:
    """Bring the keys into the files; return what was skipped, and users with keys but without a home."""
    expected = _expected_keys(params, users)
    skipped: list[SkippedFile] = []
    files = [keys_file(account, keys) for account, keys in expected]
    if params["state"] == "present" and any(user.keys for user in users):
        # Before the first key, so that a run that is killed is found.
        files.insert(0, record_file(_ROLE, {"users": [user.name for user in users if user.keys]}))
    edits = plan_each(files, skipped)
    unusable = {entry.user for entry in skipped}
    without_home = [account.name for account, _keys in expected if account.name in unusable and not has_home(account)]
    skipped = [entry for entry in skipped if entry.user not in without_home]
    if not check:
        write_all([edit for edit in edits if edit.file.actor is None])
        edits = [edit for edit in edits if edit.file.actor is None] + _write_keys(edits, skipped)
    for edit in edits:
        edit.add_to(changes)
    if params["state"] == "absent" and not skipped:
        remove_record(_ROLE, changes, check=check)
    return skipped, without_home


def _expected_keys(
    params: t.Mapping[str, t.Any], users: t.Sequence[DeclaredUser]
) -> list[tuple[Account, t.Sequence[PublicKey]]]:
    """Return the accounts whose file the run reads, with the keys that it has to contain."""
    recorded = read_record(_ROLE, {}).get("users", [])
    listed = {user.name: user for user in users}
    removed = params["state"] == "absent" or params["exclusive"]
    names = [user.name for user in users if user.keys or user.is_absent or user.name in recorded]
    names += [name for name in recorded if removed and name not in listed]
    accounts = [account for account in map(find_known_account, names) if account]
    return [
        (account, () if account.name not in listed or listed[account.name].is_absent else listed[account.name].keys)
        for account in accounts
    ]


def _write_keys(edits: t.Sequence[FileEdit], skipped: list[SkippedFile]) -> list[FileEdit]:
    of_users = [edit for edit in edits if edit.file.actor]
    for edit in of_users:
        if edit.file.actor and edit.before is None:
            # sshd rejects keys in a directory that the group may write to, as with the umask of some users.
            directory = os.path.join(edit.file.actor.home, os.path.dirname(FILE))
            # The write below reports why it fails.
            with contextlib.suppress(DevserverError, OSError):
                call_as(edit.file.actor, functools.partial(os.makedirs, directory, 0o700, exist_ok=True))
    return write_each(of_users, skipped)
