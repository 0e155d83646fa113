# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings in the editor files that contexts have read."""

from __future__ import annotations

import os
import typing as t

from ..._core.provenance import Source
from ..._environment.contexts.editor_files import EditorContext, EditorFile, encodable, filled, places_of
from ..._jsonc.document import Key, Node
from ..records.editor_settings import EditorSettings, Setting
from ..records.observation import Observation
from .go_files import lines_of

# Characters. No program reads settings that are nested deeper.
_DEEPEST = 500


def files_of(observations: t.Sequence[Observation]) -> list[EditorSettings]:
    """Return the files that contexts have read: settings, launch configurations and dev containers, once per user."""
    files: dict[t.Any, EditorSettings] = {}
    for observation in observations:
        places = observation.context.editor_places() if isinstance(observation.context, EditorContext) else []
        for kind, file, place in places:
            key = (observation.user.account.name, file.path, place)
            title = observation.workspace if kind == "launch" else ""
            if key not in files:
                files[key] = with_test_file(
                    EditorSettings(observation.user, kind, _settings(file, place), title, _path(file))
                )
    return list(files.values())


def with_test_file(file: EditorSettings) -> EditorSettings:
    """Return ``file`` with the lines of the file that its ``go.testEnvFile`` names."""
    named = (
        setting for setting in file.settings if setting.name == "go.testEnvFile" and isinstance(setting.value, str)
    )
    setting = next(named, None) if file.kind == "settings" else None
    if setting is None:
        return file
    account, workspace = file.user.account, os.path.dirname(os.path.dirname(setting.source.file or ""))
    path = filled(setting.value, {"HOME": account.home}, places_of(workspace, account))
    return file._replace(test_file=path, test_lines=lines_of(path, account))


def _path(file: EditorFile) -> str:
    return file.path if file.document else ""


def _settings(file: EditorFile, place: tuple[Key, ...]) -> list[Setting]:
    node = file.node(*place)
    settings = []
    for child in node.children if node and node.kind == "object" else ():
        inner = dict(_places(file, child.node))
        name, value = str(encodable(child.key)), encodable(child.node.value)
        settings.append(Setting(name, value, file.source(child.node), inner))
    return settings


def _places(file: EditorFile, node: Node, before: str = "") -> t.Iterator[tuple[str, Source]]:
    """Yield the sources of the keys of an object; nested keys have dotted names."""
    for each in node.children if len(before) < _DEEPEST else ():
        name = f"{before}{encodable(each.key)}"
        yield name, file.source(each.node)
        yield from _places(file, each.node, f"{name}.")
