# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module go_env does: its options, and how it plans and applies."""

from __future__ import annotations

import typing as t

from .._core.errors import DevserverError
from .._core.redaction import redacted
from .._core.result import Outcome
from .access import RECORD, AccessGuard, confirm, guarded, is_unconfirmed, roll_back
from .apply import apply, remove
from .contexts.vscode_server import settings_record
from .declaration import ARGUMENT_SPEC as DECLARATION
from .declaration import declaration_from
from .removal import own_directories, removed_files

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DECLARATION,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "rollback_after": {"type": "int", "default": 60},
    # The fields of AccessRequest. Without it no access is proven.
    "_access": {"type": "dict"},
}


class AccessRequest(t.NamedTuple):
    """What the action plugin requests: to prepare a rollback, or to end one by confirming or restoring the files."""

    prepare: bool = False
    confirm: str = ""
    roll_back: str = ""


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Write the declaration into every context, or remove all of it; with ``check`` only plan it."""
    request = AccessRequest(**params.get("_access") or {})
    if request.confirm:
        confirm(request.confirm)
        return Outcome({"changed": False})
    if request.roll_back:
        roll_back(request.roll_back)
        return Outcome({"changed": False})
    if params["rollback_after"] < 0:
        raise DevserverError(
            f"rollback_after is {params['rollback_after']}",
            expected="a number of seconds, or 0 for no proof",
            remedy="omit rollback_after, which means 60",
        )
    with guarded(params["rollback_after"] if request.prepare and not check else 0) as guard:
        outcome = (_remove if params["state"] == "absent" else _converge)(params, guard, check=check)
    if guard.identifier:
        outcome.result["unconfirmed"] = guard.identifier
    return outcome


def _converge(params: t.Mapping[str, t.Any], guard: AccessGuard, *, check: bool) -> Outcome:
    declaration = declaration_from(params)
    records = [settings_record(declaration)] if declaration.users else []
    applied = apply(declaration, check=check, records=records, changing=guard.changing)
    if check and is_unconfirmed():
        applied.changes.add(RECORD, "files of an earlier run that no new connection has confirmed\n", "")
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
                "variables": {name: redacted(value) for name, value in user.variables.items()},
            }
            for user in declaration.users
        ],
        "users_without_home": [user.account.name for user in applied.without_home],
        "skipped_files": [entry._asdict() for entry in applied.skipped],
        **applied.changes.result(),
    }
    return Outcome(result, [*warnings, *applied.warnings], applied.failure)


def _remove(params: t.Mapping[str, t.Any], guard: AccessGuard, *, check: bool) -> Outcome:
    # The users need no valid declaration any more, and no account.
    listed = [dict(user, state="absent") for user in params["users"]]
    declaration = declaration_from({**params, "users": listed, "variables": {}, "path": []})
    removed = remove(removed_files(declaration), own_directories(), check=check, changing=guard.changing)
    result = {
        "users": [],
        "users_without_home": [],
        "skipped_files": [entry._asdict() for entry in removed.skipped],
        **removed.changes.result(),
    }
    return Outcome(result, [], removed.failure)
