# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debug sessions: the environment of VS Code's server, and that of a launch configuration over it."""

from __future__ import annotations

import itertools
import os
import re
import typing as t

from ..._core.errors import DevserverError
from ..._core.provenance import Assignment, Source
from ..._host.accounts import Account
from ..._host.assignments import find_assignments
from ..._host.command import session_environment
from ..._host.managed_files import ManagedFile
from ..._jsonc.document import Key
from ..._jsonc.editor import Edit
from ..declaration import Declaration, UserEnvironment
from ..workspace_entry import CHECKOUT_FILES
from .base import Context, ContextKind, Probe
from .editor_files import (
    EditorContext,
    EditorFile,
    EditorPlace,
    can_be_given,
    code_workspaces,
    edited_file,
    filled,
    places_of,
    read_editor_file,
    read_editor_text,
)
from .vscode_server import VscodeServerContext, settings_of, workspace_settings

# As the Go extension reads it; to its language, a byte order mark is a blank.
_LINE = re.compile(r"[\s\ufeff]*(?P<name>[\w.\-]+)\s*=\s*(?P<value>.*)")
_KIND = ("go", "launch")
_ATTACH = ("go", "attach")
# Configurations of one file that are probed: a search of one takes the time of all before it.
_MOST = 200


class VscodeDebugContext(EditorContext):
    """One launch configuration of type go: the server's environment, then envFile, then env.

    ``problem`` is why it has none. ``configuration`` is its place in the file, ``title`` its name.
    """

    name = "vscode_debug"
    has_fixed_limit = True

    def __init__(
        self,
        server: VscodeServerContext,
        launch: EditorFile,
        directory: str = "",
        title: str = "",
        *,
        variables: t.Sequence[Assignment] = (),
        problem: str = "",
        configuration: t.Sequence[Key] = (),
    ) -> None:
        self.launch = launch
        self.configuration = configuration
        # Several files of a directory may have configurations.
        place = launch.path if launch.part else directory
        self.workspace = f"{place} ({title})" if title else place
        self.server = server
        self._directory = directory
        self._variables = variables
        self._problem = problem

    def fed_by(self, account: Account) -> t.Sequence[str]:
        return self.server.fed_by(account)

    def editor_places(self) -> list[EditorPlace]:
        place = EditorPlace("launch", self.launch, tuple(self.configuration))
        return [*self.server.editor_places(), *([place] if self.configuration else [])]

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        if self._problem:
            return Probe(None, self._problem)
        result = self.server.probe(account, declaration, timeout)
        if result.environment is None:
            return result
        laid_over = {item.name: item.value for item in self._filled(account, result.environment)}
        # A problem of the startup is one of the server.
        return Probe({**result.environment, **laid_over}, login=result.login)

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        environment = self.server.environment(account, timeout)
        return self.server.assignments(account, timeout) + self._filled(account, environment)

    def _filled(self, account: Account, environment: t.Mapping[str, str]) -> list[Assignment]:
        places = places_of(self._directory, account)
        # In an envFile ${NAME} is the variable of that name.
        references = {"": {**environment, **places}, self.launch.path: places}
        return [
            item._replace(value=filled(item.value, environment, references.get(item.source.file or "", references[""])))
            for item in self._variables
        ]


class VscodeDebugKind(ContextKind):
    """One context for each launch configuration of Go in the users' workspaces."""

    name = VscodeDebugContext.name
    of_lines = False

    def contexts_of(self, user: UserEnvironment, outer: t.Sequence[Context]) -> t.Sequence[Context]:
        server = next((context for context in outer if isinstance(context, VscodeServerContext)), None)
        if server is None:
            return []
        sessions: list[Context] = []
        for directory in user.workspaces:
            settings = read_editor_file(workspace_settings(directory), user.account)
            launch = _launch_of(directory, settings, user.account)
            sessions += _sessions(server.in_workspace(directory, settings), launch, directory, user.account)
            for file in code_workspaces(directory, user.account):
                # A file that cannot be parsed is a problem of the server's own context.
                within = server.in_workspace(directory, settings_of(file), file.path)
                launch = file._replace(part=("launch",), problem="")
                sessions += _sessions(within, launch, directory, user.account)
        return sessions

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        return [
            _managed_file(directory, user.account, declaration.values_for(user))
            for user, directory in declaration.managed_workspaces("launch")
        ]


def attach_places(user: UserEnvironment) -> t.Iterator[EditorPlace]:
    """Yield the configurations that attach to a process: they are no contexts, as they start no program."""
    for directory in user.workspaces:
        settings = read_editor_file(workspace_settings(directory), user.account)
        parts = (file._replace(part=("launch",)) for file in code_workspaces(directory, user.account))
        for launch in (_launch_of(directory, settings, user.account), *parts):
            for number, _configuration in itertools.islice(_configurations(launch, _ATTACH), _MOST):
                yield EditorPlace("launch", launch, ("configurations", number))


def _launch_of(directory: str, settings: EditorFile, account: Account) -> EditorFile:
    """Return the launch configurations of a directory: without a file of their own, those in its ``settings``."""
    launch = read_editor_file(_launch_file(directory), account)
    # A file of settings that cannot be parsed is a problem of the server's own context.
    return launch if launch.exists else settings._replace(part=("launch",), problem="")


def _launch_file(directory: str) -> str:
    return os.path.join(directory, *CHECKOUT_FILES["launch"])


def _managed_file(directory: str, account: Account, declared: t.Mapping[str, str]) -> ManagedFile:
    """Return launch configurations with the ``declared`` values in the place of others; none is added."""

    def edits(launch: EditorFile) -> t.Iterator[Edit]:
        for number, _configuration in _configurations(launch):
            for place in (["env"], ["linux", "env"]):
                yield from launch.corrections(["configurations", number, *place], declared)

    return edited_file(_launch_file(directory), account, edits, within=directory)


def _sessions(
    server: VscodeServerContext, launch: EditorFile, directory: str, account: Account
) -> list[VscodeDebugContext]:
    """Return the debug sessions of a workspace with the ``server`` as it is there."""
    node = launch.node("configurations")
    problem = launch.problem
    if node and node.kind != "array":
        # The editor does not report it.
        problem = launch.problem_at(node, "configurations is not a list")
    if problem:
        return [VscodeDebugContext(server, launch, directory, problem=problem)]
    contexts: dict[str, VscodeDebugContext] = {}
    for number, child in enumerate(node.children[:_MOST] if node else ()):
        if child.node.kind != "object":
            problem = launch.problem_at(child.node, f"the configuration {number} is not an object")
            contexts[str(number)] = VscodeDebugContext(server, launch, directory, str(number), problem=problem)
    if node and len(node.children) > _MOST:
        problem = launch.problem_at(node, f"the list has more than {_MOST} configurations; the others are not probed")
        contexts["others"] = VscodeDebugContext(server, launch, directory, "others", problem=problem)
    for number, configuration in itertools.takewhile(lambda pair: pair[0] < _MOST, _configurations(launch)):
        name = str(configuration.get("name") or number)
        title = f"{name} {number}" if name in contexts else name
        place: list[Key] = ["configurations", number]
        try:
            variables, problem = _variables_of(launch, place, directory, account), ""
        except DevserverError as error:
            variables, problem = [], error.problem
        contexts[title] = VscodeDebugContext(
            server, launch, directory, title, variables=variables, problem=problem, configuration=place
        )
    return list(contexts.values())


def _configurations(launch: EditorFile, kind: tuple[str, str] = _KIND) -> list[tuple[int, dict[str, t.Any]]]:
    """Return the configurations of a type and request, with their numbers in the file."""
    every = launch.value("configurations")
    objects = ((n, item) for n, item in enumerate(every if isinstance(every, list) else []) if isinstance(item, dict))
    in_force = ((n, {**item, **_for_linux(item)}) for n, item in objects)
    return [(n, item) for n, item in in_force if (item.get("type"), item.get("request")) == kind]


def _for_linux(configuration: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the attributes that replace those of the same name on Linux."""
    linux = configuration.get("linux")
    return linux if isinstance(linux, dict) else {}


def _variables_of(launch: EditorFile, place: t.Sequence[Key], directory: str, account: Account) -> list[Assignment]:
    """Return the variables of a configuration: of its envFile, then of its env; those for Linux replace the others."""
    variables: list[Assignment] = []
    node = launch.node(*_place_of(launch, place, "envFile"))
    nodes = [child.node for child in node.children] if node and node.kind == "array" else [node]
    for entry in nodes:
        if entry and isinstance(entry.value, str) and entry.value:
            file = filled(entry.value, session_environment(account), places_of(directory, account))
            variables += _read_env_file(file, launch.source(entry), account)
    return variables + launch.variables(_place_of(launch, place, "env"))


def _place_of(launch: EditorFile, configuration: t.Sequence[Key], name: str) -> list[Key]:
    """Return the place of a setting of a configuration: that for Linux if it has a value."""
    linux_place = [*configuration, "linux", name]
    return linux_place if launch.value(*linux_place) is not None else [*configuration, name]


def _read_env_file(path: str, source: Source, account: Account) -> list[Assignment]:
    text = read_editor_text(path, account)
    if text is None:
        raise DevserverError(
            f"{source}: envFile {path} is missing, so that no session starts",
            remedy="create that file, or remove envFile from the configuration",
        )
    assignments = find_assignments(text, path, _LINE, lambda value: re.sub(r"""\A['"]|['"]\Z""", "", value.rstrip()))
    return list(filter(can_be_given, assignments))
