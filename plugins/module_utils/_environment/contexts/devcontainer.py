# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dev containers: the variables that devcontainer.json gives to the processes in them.

The container is another machine and is not started by a probe: only the variables in the file are known. Declared
variables that contain a path of this host do not apply to it.
"""

from __future__ import annotations

import functools
import os
import re
import typing as t

from ..._core.provenance import Assignment
from ..._host.accounts import Account
from ..._host.managed_files import ManagedFile
from ..._jsonc.document import Key, parse
from ..._jsonc.editor import Edit, Merge, apply_edits
from ..declaration import CHECKOUT_FILES, Declaration, UserEnvironment
from .base import Context, ContextKind, Probe
from .editor_files import (
    EditorContext,
    EditorFile,
    EditorPlace,
    corrections,
    filled,
    places_of,
    portable,
    read_editor_file,
    removals,
)
from .previous import dropped

_OF_CONTAINER = re.compile(r"\$\{containerEnv:([^}:]+)(?::[^}]*)?\}")
_OF_OTHERS = re.compile(r"\$\{(containerEnv|localEnv|env):")
_NAMES = CHECKOUT_FILES["devcontainer"]


class DevcontainerContext(EditorContext):
    """containerEnv for every process of the container, and remoteEnv for those of the editor."""

    name = "devcontainer"
    gives_environment = False
    on_this_host = False

    def __init__(self, file: EditorFile, workspace: str) -> None:
        self.file = file
        self.checkout_file = file.path
        self.workspace = workspace
        last = {item.name: item for item in self._given()}
        # Variables of the image and of the editor's machine are known only there.
        self.unknown = {name for name, item in last.items() if _OF_OTHERS.search(item.value)}

    def expected(self, user: UserEnvironment) -> t.Mapping[str, str]:
        return portable(user.variables)

    def editor_places(self) -> list[EditorPlace]:
        # The same file contains the settings for an editor in the container.
        places: list[tuple[Key, ...]] = [(), ("customizations", "vscode", "settings")]
        return [EditorPlace("devcontainer", self.file, place) for place in places]

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        if self.file.problem:
            return Probe(None, self.file.problem)
        return Probe({item.name: item.value for item in self.assignments(account, timeout)})

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        places = places_of(self.workspace, account)
        known = [item for item in self._given() if item.name not in self.unknown]
        return [item._replace(value=filled(item.value, {}, places)) for item in known]

    def _given(self) -> list[Assignment]:
        """Return containerEnv, then remoteEnv, in which references to the first are filled in."""
        container = {item.name: item for item in self.file.variables(["containerEnv"])}
        return [*container.values(), *(_referring(item, container) for item in self.file.variables(["remoteEnv"]))]


class DevcontainerKind(ContextKind):
    """One context for each workspace with a devcontainer.json."""

    name = DevcontainerContext.name
    of_lines = False

    def contexts_of(self, user: UserEnvironment, outer: t.Sequence[Context]) -> t.Sequence[Context]:
        found = []
        for directory in user.workspaces:
            files = [read_editor_file(os.path.join(directory, name), user.account) for name in _NAMES]
            found += [DevcontainerContext(file, directory) for file in files if file.there][:1]
        return found

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        files = []
        for user in declaration.users:
            before = portable(dropped(user))
            for directory in user.managed_workspaces("devcontainer"):
                for number, name in enumerate(_NAMES):
                    stronger = [os.path.join(directory, other) for other in _NAMES[:number]]
                    path = os.path.join(directory, name)
                    content = functools.partial(_updated, portable(user.variables), before, path, stronger)
                    files.append(ManagedFile(path, content, whole=False, owner=user.account, as_owner=True))
        return files


def _referring(item: Assignment, container: t.Mapping[str, Assignment]) -> Assignment:
    whole = _OF_CONTAINER.fullmatch(item.value)
    if whole and whole.group(1) in container:
        # That line decides, so it is the source.
        return container[whole.group(1)]._replace(name=item.name)
    value = _OF_CONTAINER.sub(lambda one: container[one[1]].value if one[1] in container else one[0], item.value)
    return item._replace(value=value)


def _updated(
    values: t.Mapping[str, str],
    before: t.Mapping[str, str],
    path: str,
    stronger: t.Sequence[str],
    now: str | None,
) -> str | None:
    if now is None or any(map(os.path.exists, stronger)):
        return now
    file = EditorFile(path, parse(now, path=path))
    edits: list[Edit] = [*corrections(file, ["remoteEnv"], values), *removals(file, ["containerEnv"], before)]
    return apply_edits(now, [*edits, Merge({"containerEnv": values} if values else {})], path=path)
