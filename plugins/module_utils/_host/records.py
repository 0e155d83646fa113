# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of what the declarations of earlier runs named, such as paths: a run without these can remove it.

One file for each role. It keeps every value until the role is removed, and is needed only for what has no fixed place.
"""

from __future__ import annotations

import json
import os
import typing as t

from .files import Changes, read_text_or_empty
from .managed_files import ManagedFile, plan_edits, write_all
from .removal import remove_empty_directories, remove_paths

DIRECTORY = "/etc/gopherops/records"

Record = t.Mapping[str, t.Collection[str]]


def record_path(role: str) -> str:
    """Return the path of a role's record."""
    return os.path.join(DIRECTORY, f"{role}.json")


def record_file(role: str, values: Record) -> ManagedFile:
    """Return the record of a role, with ``values`` added by their kinds."""

    def content(now: str | None) -> str:
        merged = merge(_parse(now or ""), values)
        return json.dumps(merged, indent=2, sort_keys=True, ensure_ascii=True) + "\n"

    return ManagedFile(record_path(role), content, mode=0o600)


def with_record(result: dict[str, t.Any], role: str, values: Record, *, check: bool) -> dict[str, t.Any]:
    """Write a role's record; return the module's ``result`` with that change.

    Only root has records: of another user's own installation, the options that remove it must name the places.
    """
    if os.geteuid() != 0:
        return result
    changes = Changes()
    for edit in plan_edits([record_file(role, values)]):
        edit.add_to(changes)
        if not check:
            write_all([edit])
    return {
        **result,
        "changed": result["changed"] or bool(changes),
        "diff": [*result["diff"], *changes.result()["diff"]],
    }


def remove_record(role: str, changes: Changes, *, check: bool) -> None:
    """Remove a role's record, and the directories of the collection in /etc if they are empty then."""
    remove_paths([record_path(role)], changes, check=check)
    if not check:
        remove_empty_directories([DIRECTORY, os.path.dirname(DIRECTORY)])


def read_record(role: str, values: Record) -> dict[str, list[str]]:
    """Return what is recorded of a role, with ``values`` of the present declaration added by their kinds."""
    return merge(_parse(read_text_or_empty(record_path(role))), values)


def merge(first: Record, second: Record) -> dict[str, list[str]]:
    """Return all values of two records by their kinds."""
    return {kind: sorted({*first.get(kind, ()), *second.get(kind, ())}) for kind in {*first, *second}}


def _parse(text: str) -> Record:
    """Return a record; what is damaged in it counts as not recorded."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    lists = content.items() if isinstance(content, dict) else ()
    return {
        kind: [value for value in values if isinstance(value, str)]
        for kind, values in lists
        if isinstance(values, list)
    }
