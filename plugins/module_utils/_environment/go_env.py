# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module go_env does: its options, and how it plans and applies."""

from __future__ import annotations

import typing as t

from .._core.redaction import redacted
from .._core.result import Outcome
from .apply import apply
from .contexts.vscode_server import settings_record
from .declaration import ARGUMENT_SPEC as DECLARATION
from .declaration import declaration_from

ARGUMENT_SPEC: dict[str, t.Any] = DECLARATION


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Write the declaration into every context; with ``check`` only plan it."""
    declaration = declaration_from(params)
    records = [settings_record(declaration)] if declaration.users else []
    applied = apply(declaration, check=check, records=records)
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
