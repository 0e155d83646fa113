# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings in the editor files that contexts have read."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._core.errors import DevserverError
from ..._core.provenance import Source
from ..._editor.extensions import ROLE, extension_places, extension_roots, is_missing, recorded_extensions
from ..._environment.contexts.editor_files import (
    EditorContext,
    EditorFile,
    EditorPlace,
    encodable,
    filled,
    places_of,
    read_editor_text,
)
from ..._environment.contexts.vscode_debug import attach_places
from ..._environment.declaration import UserEnvironment
from ..._host.reading_limit import reading
from ..._host.records import read_record
from ..._host.user_access import acting_as
from ..._jsonc.document import Key, Node
from ..records.editor_settings import EditorSettings, MissingExtension, Setting
from ..records.observation import Observation

# Characters. No program reads settings that are nested deeper.
_DEEPEST = 500


def files_of(users: t.Sequence[UserEnvironment], observations: t.Sequence[Observation]) -> list[EditorSettings]:
    """Return the files that contexts have read: settings, launch configurations and dev containers, once per user.

    The configurations of ``users`` that attach to a process are no contexts.
    """
    files: dict[t.Any, EditorSettings] = {}
    for user, title, (kind, file, place) in (*_places_of_contexts(observations), *_places_of_attachments(users)):
        key = (user.account.name, file.path, place)
        if key not in files:
            settings = [*_in_force(_settings(file, place))] if kind == "launch" else _settings(file, place)
            title = title if kind == "launch" else ""
            files[key] = with_test_file(EditorSettings(user, kind, settings, title, _path(file)))
    return list(files.values())


def _places_of_contexts(
    observations: t.Iterable[Observation],
) -> t.Iterator[tuple[UserEnvironment, str, EditorPlace]]:
    for observation in observations:
        if isinstance(observation.context, EditorContext):
            for place in observation.context.editor_places():
                yield observation.user, observation.workspace, place


def _places_of_attachments(users: t.Iterable[UserEnvironment]) -> t.Iterator[tuple[UserEnvironment, str, EditorPlace]]:
    for user in users:
        for place in attach_places(user):
            yield user, f"{place.file.path} ({place.path[-1]})", place


def _in_force(settings: t.Sequence[Setting]) -> t.Iterator[Setting]:
    """Yield the attributes of a launch configuration; those in its part for Linux replace others."""
    linux = next((setting for setting in settings if setting.name == "linux"), None)
    if linux is None or not isinstance(linux.value, dict):
        yield from settings
        return
    yield from (setting for setting in settings if setting.name not in linux.value and setting is not linux)
    for name, value in linux.value.items():
        beginning = f"{name}."
        below = {key[len(beginning) :]: at for key, at in linux.inner.items() if key.startswith(beginning)}
        yield Setting(name, value, linux.inner[name], below)


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
    lines: list[str] = []
    with contextlib.suppress(DevserverError):
        lines = ((read_editor_text(path, account) if os.path.isabs(path) else None) or "").split("\n")
    return file._replace(test_file=path, test_lines=lines)


def missing_extensions(users: t.Iterable[UserEnvironment]) -> t.Iterator[MissingExtension]:
    """Yield the extensions of an earlier run that users do not have."""
    record = read_record(ROLE, {})
    declared = recorded_extensions(record.get("extensions", ()))
    for user in (user for user in users if declared and user.account.name in record.get("users", ())):
        for place in extension_places(declared, extension_roots(user.vscode_settings)).values():
            # A list that cannot be parsed lists nothing.
            missing = True
            with reading(user.account), contextlib.suppress(DevserverError), acting_as(user.account):
                missing = is_missing(place)
            if missing:
                yield MissingExtension(user, place.name, place.version, place.path)


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
