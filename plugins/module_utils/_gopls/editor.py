# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VS Code's machine settings contain about gopls, and what is removed from them."""

from __future__ import annotations

import typing as t

from .._environment.contexts.editor_files import EditorFile, cleared_file, edited_file, removals_of
from .._host.accounts import Account
from .._host.managed_files import ManagedFile
from .._jsonc.editor import Edit, Merge, Put, Remove, is_same_json

_FLAGS = "go.languageServerFlags"
# Managed here; all other flags belong to the user.
_MANAGED = ("-remote", "--remote")
_TRACE = "-rpc.trace"


class MachineSettings(t.NamedTuple):
    """The gopls part of machine settings: ``flags`` and ``settings``, and the ``program`` that replaces gopls, if any.

    ``previous`` are the settings that an earlier run wrote.
    """

    flags: t.Sequence[str]
    settings: t.Mapping[str, t.Any]
    previous: t.Mapping[str, t.Any]
    program: str = ""


def settings_file(account: Account, path: str, settings: MachineSettings, *, create: bool) -> ManagedFile:
    """Return the machine settings at ``path``; a missing file is created only with ``create``."""

    def edits(file: EditorFile) -> t.Iterator[Edit]:
        yield from _edit_flags(file, settings.flags)
        yield from _remove_settings(file, settings)
        if settings.settings:
            yield Merge({"gopls": dict(settings.settings)})
        if settings.program:
            yield Put(["go.alternateTools", "gopls"], settings.program)

    return edited_file(path, account, edits, create=create, mode=0o600)


def cleared_settings_file(
    account: Account, path: str, previous: t.Mapping[str, t.Any], programs: t.Collection[str]
) -> ManagedFile:
    """Return the machine settings without the ``previous`` settings of gopls, and without ``programs`` in its place."""

    def is_unchanged(name: str, value: t.Any) -> bool:
        return name in previous and is_same_json(value, previous[name])

    def edits(file: EditorFile) -> t.Iterator[Edit]:
        yield from _edit_flags(file, [])
        yield from removals_of(file, "gopls", is_unchanged)
        yield from removals_of(file, "go.alternateTools", lambda _name, value: value in programs)

    return cleared_file(path, account, edits)


def _edit_flags(file: EditorFile, managed: t.Sequence[str]) -> list[Edit]:
    """Put the ``managed`` flags first and keep the user's own behind them."""
    present = file.value(_FLAGS)
    if not isinstance(present, list):
        return [Put([_FLAGS], list(managed))] if managed else []
    own_flags = [flag for flag in present if flag != _TRACE and str(flag).partition("=")[0] not in _MANAGED]
    flags = [*managed, *own_flags]
    if flags == present:
        return []
    return [Put([_FLAGS], flags)] if flags else [Remove([_FLAGS])]


def _remove_settings(file: EditorFile, settings: MachineSettings) -> list[Edit]:
    """Remove settings that are no longer declared, unless the user has changed them since."""
    present = file.value("gopls")
    if not isinstance(present, dict):
        return []
    names = [name for name in settings.previous if name not in settings.settings and name in present]
    return [Remove(["gopls", name]) for name in names if is_same_json(present[name], settings.previous[name])]
