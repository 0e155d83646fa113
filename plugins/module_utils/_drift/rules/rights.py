# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners and modes of the files that provisioning manages."""

from __future__ import annotations

import typing as t

from ..._core.provenance import Source
from ..finding import Finding, Remedy, Rule, of_file
from ..snapshot import PROVISION_AGAIN, Snapshot

OTHER_RIGHTS = Rule(
    "GD108",
    severity="error",
    title="A file of the collection has the wrong owner or mode",
    impact="A user does not get its values, or others can read or change the environment of processes, also of root.",
    why="""\
Every file that the collection owns, and the directories `/etc/gopherops` and `/etc/security/gopherops-go` with those
below, have an owner and a mode: root and 0644 for files that all users read; only the user or root for a file that may
contain a password. A shell skips a file that it cannot read without a message. Files of other owners, in which the
collection has a block or some names, keep their owner and mode.""",
    fix="Provision again: that restores both. Then find out who changed them, and check the file's text.",
    example="/etc/gopherops/go-environment.sh has owner 0:0, mode 0666; expected owner 0:0, mode 0644",
)
NOT_THE_USERS = Rule(
    "GD109",
    severity="error",
    title="A user's file has the wrong owner or group",
    impact="Provisioning leaves the file as it is and fails, and `go env -w` of the user fails.",
    why="""\
Files such as `~/.config/go/env` and editor settings are written with the rights of their user, and keep their owner and
group. Both must be the user's. `sudo go env -w` leaves a file of root. Outside of the home directory, as in a shared
checkout, only a file that must change is examined.""",
    fix="Run `chown -h NAME: PATH` with the names in the remedy, if the file is that user's. Then provision again.",
    example="/home/alice/.config/go/env belongs to uid 0; expected the user alice",
)
SHARED_UID = Rule(
    "GD111",
    severity="error",
    title="Several users have one uid",
    impact="Each can read and change the files of the others, and tools take one for the other.",
    why="""\
The kernel, systemd and `go` know users by their uid: files, limits, user managers and sessions of accounts with one uid
are those of all of them. A process that looks up its own account finds the first one, with another home directory.
Other findings about these users follow from this one.""",
    fix="""\
Give each account a uid of its own (`usermod -u UID NAME` gives it the files of its home too), or remove all but one of
them from `devserver_users`.""",
    example="alice, bob have the uid 1001; expected a uid for each user",
)
NOT_PROVISIONED = Rule(
    "GD113",
    severity="error",
    title="A user, or a declared value, is not provisioned",
    impact="The user has none of the declared values, and perhaps no Go; or the value is in force nowhere.",
    why="""\
The host has none of the files that the collection renders for a declared user: the user was added after the last
provisioning, or was removed from the host. Or a variable was declared or changed since then, and none of the user's
files has the declared value. Findings about this user, or this variable, that provisioning resolves follow from this
one.""",
    fix="Provision the host again with `--tags environment`, or remove the user from `devserver_users`.",
    example="alice is not provisioned: there is no /etc/gopherops/users/alice.sh",
)


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    yield from _shared_uids(snapshot)
    yield from _unprovisioned(snapshot)
    for rights in snapshot.managed_files.wrong_rights:
        cause = f"{rights.path} has {rights.actual}; expected {rights.expected}"
        yield of_file(OTHER_RIGHTS, rights.path, cause, PROVISION_AGAIN, rights.user)
    for file in snapshot.managed_files.foreign:
        cause = f"{file.path} {file.problem}; expected the user {file.user}"
        yield of_file(NOT_THE_USERS, file.path, cause, file.remedy, file.user)


def _unprovisioned(snapshot: Snapshot) -> t.Iterator[Finding]:
    """Yield one finding for all users who lack the same variables, or everything: no user can change these files."""
    files = snapshot.managed_files
    groups = {"": {user: path for user, path in files.unprovisioned.items() if _would_be_provisioned(snapshot, user)}}
    for user, (names, path) in files.unrendered.items():
        groups.setdefault(", ".join(names), {})[user] = path
    for names, lacking in groups.items():
        users = list(lacking)
        if not users:
            continue
        path, several, together = lacking[users[0]], len(users) > 1, ", ".join(users)
        cause = f"{together} {'are' if several else 'is'} not provisioned: there is no {path}"
        if names:
            are = "are" if ", " in names else "is"
            cause = f"the declared {names} {are} not provisioned for {together}: {path} has no such line"
        yield Finding(
            NOT_PROVISIONED,
            cause,
            Remedy(PROVISION_AGAIN),
            user="" if several else users[0],
            variable=names,
            source=Source("file", path),
            users=users if several else (),
        )


def _would_be_provisioned(snapshot: Snapshot, user: str) -> bool:
    cells = (cell for cell in snapshot.cells if cell.user == user and cell.status in ("drift", "missing"))
    # The toolchain is that of all users.
    wrong = (cell for cell in cells if cell.variable not in ("go", "GOROOT", "GOVERSION"))
    return any(snapshot.fault(cell).remedy == PROVISION_AGAIN for cell in wrong)


def _shared_uids(snapshot: Snapshot) -> t.Iterator[Finding]:
    names: dict[int, dict[str, None]] = {}
    for user in snapshot.declaration.users:
        names.setdefault(user.account.uid, {})[user.account.name] = None
    for uid, users in ((uid, list(users)) for uid, users in names.items()):
        if len(users) > 1:
            cause = f"{', '.join(users)} have the uid {uid}; expected a uid for each user"
            action = f"give {', '.join(users[1:])} another uid (usermod -u), or remove them from devserver_users"
            yield Finding(SHARED_UID, cause, Remedy(action), users=users, subject=str(uid))
