# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of editors that were met on the way, as the rules judge them."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.contexts import editor_files
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import Context
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.devcontainer import DevcontainerContext
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.editor_files import encodable
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.vscode_debug import VscodeDebugContext
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.vscode_server import VscodeServerContext
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.observe import Observation
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.scene import EditorFile, Setting
from ansible_collections.gopherops.devserver.plugins.module_utils.jsonc.document import Key

_Place = t.Tuple[str, editor_files.EditorFile, t.Tuple[Key, ...]]


def files_of(observations: t.Sequence[Observation]) -> list[EditorFile]:
    """Return what contexts have read: settings, launch configurations and dev containers, each once for a user."""
    found: dict[t.Any, EditorFile] = {}
    for seen in observations:
        for kind, file, place in _places(seen.context):
            key = (seen.user.account.name, file.path, place)
            title = seen.workspace if kind == "launch" else ""
            found.setdefault(key, EditorFile(seen.user, kind, _settings(file, place), title))
    return list(found.values())


def _places(context: Context) -> list[_Place]:
    if isinstance(context, VscodeServerContext):
        return [("settings", file, ()) for file in context.files]
    if isinstance(context, VscodeDebugContext) and context.server and context.launch:
        own: _Place = ("launch", context.launch, tuple(context.configuration))
        return [*_places(context.server), *([own] if context.configuration else [])]
    if isinstance(context, DevcontainerContext) and context.file:
        # The settings that a container brings for the editor stand in the same file.
        return [("devcontainer", context.file, place) for place in ((), ("customizations", "vscode", "settings"))]
    return []


def _settings(file: editor_files.EditorFile, place: tuple[Key, ...]) -> list[Setting]:
    node = file.document.node(place) if file.document else None
    found = []
    for child in node.children if node and node.kind == "object" else ():
        inner = {str(encodable(each.key)): file.source(each.node) for each in child.node.children}
        name, value = str(encodable(child.key)), encodable(child.node.value)
        found.append(Setting(name, value, file.source(child.node), inner))
    return found
