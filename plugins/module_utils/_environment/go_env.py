# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module go_env does: its options, and how it plans and applies."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from .._core.errors import DevserverError
from .._core.go_variables import nearest_go_variable
from .._core.redaction import shown_value
from .._core.result import Outcome
from .._host.accounts import user_exists
from .._host.planned import is_planned
from .._host.user_access import call_as
from .access import ARGUMENT_SPEC as ACCESS
from .access import AccessGuard, converge_proven
from .apply import apply, remove
from .contexts import systemd_user
from .contexts.pam import describe_host_path, host_path
from .contexts.vscode_server import settings_records
from .declaration import ARGUMENT_SPEC as DECLARATION
from .declaration import Declaration, UserEnvironment, declaration_from, pending_users
from .go_values import missing_toolchain, validate_with_go
from .removal import known_users, own_directories, removed_files
from .rendered import without_known_home

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DECLARATION,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    **ACCESS,
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Write the declaration into every context, or remove all of it; with ``check`` only plan it."""
    work = _remove if params["state"] == "absent" else _converge
    outcome = converge_proven(params, lambda guard: work(params, guard, check=check), check=check)
    if outcome.result.get("unconfirmed"):
        outcome.result["suspect"] = _suspect()
    return outcome


def _suspect() -> str:
    """Return the line of the host that new connections may fail by, with the reason; empty for none."""
    path = host_path()
    problem = describe_host_path(path)
    return f"{path.source} ({problem})" if path and problem else ""


def _converge(params: t.Mapping[str, t.Any], guard: AccessGuard, *, check: bool) -> Outcome:
    declaration = declaration_from(params)
    if not check:
        validate_with_go(declaration, required=True)
    applied = apply(declaration, check=check, records=settings_records(declaration), changing=guard.changing)
    # What is on the host already was validated before it was written. The plan of a new host has no Go yet.
    if check and applied.changes:
        validate_with_go(declaration, required=False)
    warnings = [
        f"the home directory {user.account.home} of user {user.account.name} is missing: nothing was written in it."
        " To fix this: create it, or let the user log in where that creates it; then run this again."
        for user in applied.without_home
    ]
    result = {
        "users": [
            {
                "name": user.account.name,
                "path": user.path,
                "variables": {name: shown_value(name, value) for name, value in user.variables.items()},
            }
            for user in declaration.users
        ],
        "users_without_home": [user.account.name for user in applied.without_home],
        "skipped_files": [entry._asdict() for entry in applied.skipped],
        **applied.changes.result(),
    }
    # The plan of a run that creates them comes before that.
    pending = [] if check else pending_users(params["users"])
    warnings += [
        f"user {name} has no account yet: nothing was written. To fix this: run the role remote_access before this one"
        for name in pending
    ]
    without_home = {user.account.name for user in applied.without_home}
    warnings += [
        *_misspelt_names(declaration),
        *_missing_toolchains(declaration),
        *(text for user in declaration.users if user.account.name not in without_home for text in _missing(user)),
        *applied.warnings,
    ]
    return Outcome(result, warnings, applied.failure)


def _remove(params: t.Mapping[str, t.Any], guard: AccessGuard, *, check: bool) -> Outcome:
    # The users need no valid declaration any more, and no account.
    listed = [dict(user, state="absent") for user in params["users"]]
    declaration = declaration_from({**params, "users": listed, "variables": {}, "path": []})
    users = sorted({*known_users(), *declaration.absent})
    files = removed_files(declaration, users)
    unknown = _unknown_homes(declaration, users)
    # Files of an account that is gone cannot fail the removal for ever.
    existing = [name for name in users if user_exists(name)]
    removed = remove(files, own_directories(), existing, check=check, changing=guard.changing)
    result = {
        "users": [],
        "users_without_home": [],
        "skipped_files": [entry._asdict() for entry in removed.skipped],
        **removed.changes.result(),
    }
    return Outcome(result, [*unknown, *removed.warnings], removed.failure)


def _unknown_homes(declaration: Declaration, users: t.Sequence[str]) -> list[str]:
    """Return a warning for each user of earlier runs whose files are not found any more."""
    names = without_known_home(dataclasses.replace(declaration, absent=users))
    return [
        f"user {name} has no account, and no home is recorded: .config/go/env and .config/{systemd_user.NAME} stay"
        f" where the home of {name} was. To fix this: delete them there"
        for name in names
    ]


def _misspelt_names(declaration: Declaration) -> list[str]:
    names = sorted({name for user in declaration.users for name in user.variables})
    meant = {name: nearest_go_variable(name) for name in names}
    return [
        f"{name} is declared, which Go does not know. To fix this: correct the name to {other}"
        for name, other in meant.items()
        if other
    ]


def _missing_toolchains(declaration: Declaration) -> list[str]:
    users: dict[str, list[str]] = {}
    for user in declaration.users:
        # A path that does not respond in time is reported with the user's other files.
        with contextlib.suppress(DevserverError):
            name = missing_toolchain(user, declaration.goroot)
            if name:
                users.setdefault(name, []).append(user.account.name)
    return [
        f"GOTOOLCHAIN of {', '.join(names)} is {name}, which is not on this host: every go command fails until one can"
        f" download it with GOPROXY. To fix this: let these users run 'go version' with a network, or declare a"
        f" GOTOOLCHAIN that is installed, such as local"
        for name, names in users.items()
    ]


def _missing(user: UserEnvironment) -> list[str]:
    """Return a warning for each workspace of ``user`` that is no directory."""
    missing: t.Sequence[str] = ()
    # A path that does not respond in time is reported with the user's other files.
    with contextlib.suppress(DevserverError):
        if user.workspaces:
            missing = call_as(user.account, lambda: [path for path in user.workspaces if not os.path.isdir(path)])
    return [
        f"the workspace {path} of user {user.account.name} is no directory. To fix this: create it, or correct"
        " workspaces of this user in devserver_users"
        for path in missing
        if not is_planned(path)
    ]
