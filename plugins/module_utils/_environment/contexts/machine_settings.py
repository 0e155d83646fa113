# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VS Code's machine settings, assembled from what every role declares, whichever of them runs.

A record on the host has what each role declared last, by user. A run writes its own parts of the record, and each file
from all parts. What a role no longer declares leaves the files, unless the user has changed it since.
"""

from __future__ import annotations

import json
import typing as t

from ..._host.accounts import Account
from ..._host.files import read_text_or_empty
from ..._host.managed_files import ManagedFile
from ..._host.records import record_path
from ..._jsonc.editor import Edit, Merge, Put, Remove, is_same_json
from .editor_files import EditorFile, cleared_file, edited_file

Settings = t.Mapping[str, t.Any]
Corrections = t.Callable[[EditorFile], t.Iterable[Edit]]

# A user's own values have precedence over this part alone.
DEFAULTS = "defaults"
# What the roles declare; the later ones win.
PARTS = (DEFAULTS, "environment", "language_server", "editor")
_RECORD = "editor_settings"
_FLAGS = "go.languageServerFlags"
# A user's own would connect gopls with something else.
_REMOTE = ("-remote", "--remote")


def merged(*parts: Settings) -> dict[str, t.Any]:
    """Return all settings; of two objects all members, of other values the last."""
    result: dict[str, t.Any] = {}
    for part in parts:
        for name, value in part.items():
            both = isinstance(value, dict) and isinstance(result.get(name), dict)
            result[name] = merged(result[name], value) if both else value
    return result


class MachineSettings:
    """The machine settings of all users, as a run writes them: ``declared`` are its own parts, by user."""

    def __init__(self, declared: t.Mapping[str, t.Mapping[str, Settings]]) -> None:
        self._declared = declared
        self._before = _parse(read_text_or_empty(record_path(_RECORD)))

    def record(self, is_removed: t.Callable[[str], bool]) -> ManagedFile:
        """Return the record with what is declared, and without the parts of users who are removed."""

        def content(now: str | None) -> str | None:
            parts = _parse(now or "")
            for part, users in self._declared.items():
                kept = {name: values for name, values in parts.get(part, {}).items() if not is_removed(name)}
                parts[part] = {**kept, **{name: dict(values) for name, values in users.items()}}
            text = json.dumps({name: part for name, part in parts.items() if part}, indent=2, sort_keys=True)
            return None if text == "{}" else text + "\n"

        # Variables may hold a proxy's password; what is not whole is shown like a text of users.
        return ManagedFile(record_path(_RECORD), content, whole=False, mode=0o600)

    def assembled(self, user: str) -> dict[str, t.Any]:
        """Return the settings of a user: what is declared here, and what other roles have declared last."""
        return merged(*(self._part(part, user) for part in PARTS))

    def file(
        self,
        account: Account,
        path: str,
        *,
        previous: Settings | None = None,
        corrections: Corrections = lambda _file: (),
        create: bool = False,
    ) -> ManagedFile:
        """Return the settings at ``path`` with what all roles declare; a missing file is made with ``create``.

        ``previous`` are settings of earlier runs that the record does not have.
        """
        # Variables may hold a proxy's password, so new settings are the user's alone.
        edits = self._edits(account.name, previous or {}, corrections)
        return edited_file(path, account, edits, create=create, mode=0o600)

    def cleared_file(
        self,
        account: Account,
        path: str,
        *,
        previous: Settings | None = None,
        corrections: Corrections = lambda _file: (),
    ) -> ManagedFile:
        """Return the settings at ``path`` of a user without a declaration here; None if they have no others."""
        return cleared_file(path, account, self._edits(account.name, previous or {}, corrections))

    def _part(self, part: str, user: str) -> Settings:
        return (self._declared if part in self._declared else self._before).get(part, {}).get(user, {})

    def _edits(
        self, user: str, previous: Settings, corrections: Corrections
    ) -> t.Callable[[EditorFile], t.Iterator[Edit]]:
        before = merged(previous, *(self._before.get(part, {}).get(user, {}) for part in self._declared))
        written = merged(*(self._before.get(part, {}).get(user, {}) for part in PARTS))
        binding = merged(*(self._part(part, user) for part in PARTS[1:]))
        defaults = self._part(DEFAULTS, user)

        def edits(file: EditorFile) -> t.Iterator[Edit]:
            expected = merged(_without_own(file, defaults, written), binding)
            flags = expected.pop(_FLAGS, [])
            yield from corrections(file)
            yield from _edit_flags(file, flags, before.get(_FLAGS, []))
            yield from _outdated(file, before, expected)
            yield Merge(expected)

        return edits


def _without_own(file: EditorFile, defaults: Settings, written: Settings, place: tuple[str, ...] = ()) -> Settings:
    """Return the ``defaults`` without those in whose place the user has another value than was ``written``."""
    result: dict[str, t.Any] = {}
    for name, value in defaults.items():
        present, last = file.value(*place, name), written.get(name)
        if isinstance(value, dict) and isinstance(present, dict):
            result[name] = _without_own(file, value, last if isinstance(last, dict) else {}, (*place, name))
        elif present is None or is_same_json(present, last):
            result[name] = value
    return result


def _edit_flags(file: EditorFile, managed: t.Sequence[str], before: t.Sequence[str]) -> list[Edit]:
    """Put the ``managed`` flags first, in place of those of the run before, and keep the user's own behind them."""
    present = file.value(_FLAGS)
    if not managed and not before:
        return []
    if not isinstance(present, list):
        return [Put([_FLAGS], list(managed))] if managed else []
    written = max(len(flags) for flags in (before, managed, []) if present[: len(flags)] == list(flags))
    users_own = [flag for flag in present[written:] if str(flag).partition("=")[0] not in _REMOTE]
    flags = [*managed, *users_own]
    if flags == present:
        return []
    return [Put([_FLAGS], flags)] if flags else [Remove([_FLAGS])]


def _outdated(file: EditorFile, before: Settings, expected: Settings, place: tuple[str, ...] = ()) -> list[Remove]:
    """Return the removals of what was declared ``before`` and is not ``expected``, where nobody has changed it."""
    edits: list[Remove] = []
    for name, value in before.items():
        path = (*place, name)
        present = file.value(*path)
        if path == (_FLAGS,) or present is None:
            continue
        if isinstance(value, dict) and isinstance(present, dict):
            inner = expected.get(name)
            removed = _outdated(file, value, inner if isinstance(inner, dict) else {}, path)
            direct = [edit for edit in removed if len(edit.path) == len(path) + 1]
            is_empty = name not in expected and direct and len(direct) == len(present)
            edits += [Remove(list(path))] if is_empty else removed
        elif name not in expected and is_same_json(present, value):
            edits.append(Remove(list(path)))
    return edits


def _parse(text: str) -> dict[str, dict[str, dict[str, t.Any]]]:
    """Return the record; what is damaged in it counts as not recorded."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    parts = content.items() if isinstance(content, dict) else ()
    return {
        role: {name: values for name, values in users.items() if isinstance(values, dict)}
        for role, users in parts
        if role in PARTS and isinstance(users, dict)
    }
