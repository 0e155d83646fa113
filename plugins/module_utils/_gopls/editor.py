# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VS Code's Go extension is told of gopls in a user's machine settings, and what is taken back."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.editor_files import EditorFile
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import ManagedFile
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.document import parse
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.editor import (
    Edit,
    Merge,
    Put,
    Remove,
    edited,
    same,
)

_FLAGS = "go.languageServerFlags"
# What is ours to say; other flags are the user's own.
_OURS = ("-remote", "--remote")
_TRACE = "-rpc.trace"


class Told(t.NamedTuple):
    """What an editor is told: ``flags`` and ``settings`` of gopls, and the program to run instead, where not empty.

    ``former`` are the settings that it was told before.
    """

    flags: t.Sequence[str]
    settings: t.Mapping[str, t.Any]
    former: t.Mapping[str, t.Any]
    program: str = ""


def settings_file(account: Account, path: str, told: Told, *, create: bool) -> ManagedFile:
    """Return the machine settings at ``path``, which are made only where ``create`` says so."""
    content = functools.partial(_updated, path, told, create)
    return ManagedFile(path, content, whole=False, mode=0o600, owner=account, as_owner=True)


def _updated(path: str, told: Told, create: bool, now: str | None) -> str | None:
    if now is None and not create:
        return None
    file = EditorFile(path, parse(now or "", path=path))
    edits: list[Edit] = [*_flags(file, told.flags), *_gone(file, told)]
    if told.settings:
        edits.append(Merge({"gopls": dict(told.settings)}))
    if told.program:
        edits.append(Put(["go.alternateTools", "gopls"], told.program))
    return edited(now or "", edits, path=path)


def _flags(file: EditorFile, wanted: t.Sequence[str]) -> list[Edit]:
    """Return what makes the list of flags hold ``wanted`` first, and the user's own behind them."""
    present = file.value(_FLAGS)
    if not isinstance(present, list):
        return [Put([_FLAGS], list(wanted))] if wanted else []
    own = [flag for flag in present if flag != _TRACE and str(flag).partition("=")[0] not in _OURS]
    flags = [*wanted, *own]
    if flags == present:
        return []
    return [Put([_FLAGS], flags)] if flags else [Remove([_FLAGS])]


def _gone(file: EditorFile, told: Told) -> list[Edit]:
    """Return what takes away the settings that are no longer declared, unless the user has changed them since."""
    present = file.value("gopls")
    if not isinstance(present, dict):
        return []
    names = [name for name in told.former if name not in told.settings and name in present]
    return [Remove(["gopls", name]) for name in names if same(present[name], told.former[name])]
