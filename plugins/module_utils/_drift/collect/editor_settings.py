# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of editors that were met on the way, as the rules judge them."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import (
    EditorSettings,
    Observation,
    Setting,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.editor_files import (
    EditorContext,
    EditorFile,
    encodable,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.document import Key, Node

# Characters; what is nested deeper is no setting that anything reads.
_DEEPEST = 500


def files_of(observations: t.Sequence[Observation]) -> list[EditorSettings]:
    """Return what contexts have read: settings, launch configurations and dev containers, each once for a user."""
    found: dict[t.Any, EditorSettings] = {}
    for seen in observations:
        places = seen.context.editor_places() if isinstance(seen.context, EditorContext) else []
        for kind, file, place in places:
            key = (seen.user.account.name, file.path, place)
            title = seen.workspace if kind == "launch" else ""
            found.setdefault(key, EditorSettings(seen.user, kind, _settings(file, place), title, _path(file)))
    return list(found.values())


def _path(file: EditorFile) -> str:
    return file.path if file.document else ""


def _settings(file: EditorFile, place: tuple[Key, ...]) -> list[Setting]:
    node = file.document.node(place) if file.document else None
    found = []
    for child in node.children if node and node.kind == "object" else ():
        inner = dict(_places(file, child.node))
        name, value = str(encodable(child.key)), encodable(child.node.value)
        found.append(Setting(name, value, file.source(child.node), inner))
    return found


def _places(file: EditorFile, node: Node, before: str = "") -> t.Iterator[tuple[str, Source]]:
    """Return where the keys of an object stand, those of objects in it by both names."""
    for each in node.children if len(before) < _DEEPEST else ():
        name = f"{before}{encodable(each.key)}"
        yield name, file.source(each.node)
        yield from _places(file, each.node, f"{name}.")
