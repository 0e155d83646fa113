# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dev containers: the variables that devcontainer.json gives to the processes in them.

The container is another machine and is not started by a probe: only the variables in the file are known. Declared
variables that contain a path of this host do not apply to it.
"""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ..._core.provenance import Assignment
from ..._host.accounts import Account
from ..._host.managed_files import ManagedFile, users_file
from ..._host.user_access import acting_as
from ..._jsonc.document import Key, parse
from ..._jsonc.editor import Edit, Merge, apply_edits
from ..declaration import Declaration, UserEnvironment
from ..rendered import dropped
from ..workspace_entry import CHECKOUT_FILES
from .base import Context, ContextKind
from .editor_files import (
    EditorContext,
    EditorFile,
    EditorPlace,
    FileContext,
    filled,
    places_of,
    portable,
    read_editor_file,
)

_OF_CONTAINER = re.compile(r"\$\{containerEnv:([^}:]+)(?::[^}]{0,1000})?\}")
_OF_OTHERS = re.compile(r"\$\{(containerEnv|localEnv|env):")
_NAMES = CHECKOUT_FILES["devcontainer"]
# Containers of one workspace: its user may have created any number.
_MOST = 20


class DevcontainerContext(EditorContext, FileContext):
    """containerEnv for every process of the container, and remoteEnv for those of the editor."""

    name = "devcontainer"

    def __init__(self, file: EditorFile, directory: str, title: str = "") -> None:
        self.file = file
        self.checkout_file = file.path
        self.workspace = f"{directory} ({title})" if title else directory
        self._directory = directory
        self.problem = file.problem
        last = {item.name: item for item in self._variables()}
        # Variables of the image and of the editor's machine are known only there.
        self.unknown = {name for name, item in last.items() if _OF_OTHERS.search(item.value)}

    def editor_places(self) -> list[EditorPlace]:
        # The same file contains the settings for an editor in the container.
        places: list[tuple[Key, ...]] = [(), ("customizations", "vscode", "settings")]
        return [EditorPlace("devcontainer", self.file, place) for place in places]

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        places = places_of(self._directory, account)
        known = [item for item in self._variables() if item.name not in self.unknown]
        return [item._replace(value=filled(item.value, {}, places)) for item in known]

    def _variables(self) -> list[Assignment]:
        """Return containerEnv, then remoteEnv, in which references to the first are filled in."""
        container = {item.name: item for item in self.file.variables(["containerEnv"])}
        return [*container.values(), *(_referring(item, container) for item in self.file.variables(["remoteEnv"]))]


class DevcontainerKind(ContextKind):
    """One context for each workspace with a devcontainer.json, and one for each further container of a workspace."""

    name = DevcontainerContext.name
    of_lines = False

    def contexts_of(self, user: UserEnvironment, outer: t.Sequence[Context]) -> t.Sequence[Context]:
        contexts = []
        for directory in user.workspaces:
            files = [read_editor_file(os.path.join(directory, name), user.account) for name in _NAMES]
            contexts += [DevcontainerContext(file, directory) for file in files if file.exists][:1]
            # VS Code offers all of them.
            contexts += [
                DevcontainerContext(file, directory, os.path.basename(os.path.dirname(file.path)))
                for file in _further_files(directory, user.account)
            ]
        return contexts

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        files = []
        for user, directory in declaration.managed_workspaces("devcontainer"):
            paths = [os.path.join(directory, name) for name in _NAMES]
            files += [_managed_file(path, paths[:number], user, directory) for number, path in enumerate(paths)]
        return files


def _further_files(directory: str, account: Account) -> list[EditorFile]:
    """Return each devcontainer.json in a directory of its own."""
    pattern = os.path.join(glob.escape(directory), ".devcontainer/*/devcontainer.json")
    with acting_as(account):
        paths = sorted(glob.glob(pattern))[:_MOST]
    return [read_editor_file(path, account) for path in paths]


def _managed_file(path: str, stronger: t.Sequence[str], user: UserEnvironment, directory: str) -> ManagedFile:
    """Return a devcontainer.json with the declared values, unless a ``stronger`` file is in force."""
    values, before = portable(user.variables), portable(dropped(user))

    def updated(now: str | None) -> str | None:
        if now is None or any(map(os.path.exists, stronger)):
            return now
        file = EditorFile(path, parse(now, path=path))
        edits: list[Edit] = [*file.corrections(["remoteEnv"], values), *file.removals(["containerEnv"], before)]
        return apply_edits(now, [*edits, Merge({"containerEnv": values} if values else {})], path=path)

    return users_file(path, updated, user.account, within=directory)


def _referring(item: Assignment, container: t.Mapping[str, Assignment]) -> Assignment:
    whole = _OF_CONTAINER.fullmatch(item.value)
    if whole and whole.group(1) in container:
        # That line decides, so it is the source.
        return container[whole.group(1)]._replace(name=item.name)
    value = _OF_CONTAINER.sub(
        lambda match: container[match[1]].value if match[1] in container else match[0], item.value
    )
    return item._replace(value=value)
