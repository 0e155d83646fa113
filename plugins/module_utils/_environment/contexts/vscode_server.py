# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VS Code's server and what its extensions start: gopls, go commands, tests.

The server starts the user's shell once, as an interactive login shell in the environment of a command over ssh, and
takes its environment. The Go extension lays its settings over that.
"""

from __future__ import annotations

import functools
import os
import threading
import typing as t

from ..._core.provenance import Assignment
from ..._host.accounts import Account, can_log_in
from ..._host.command import session_environment
from ..._host.managed_files import ManagedFile
from ..._host.records import read_record, record_file
from ..._jsonc.editor import Edit, Put
from ..._shells.startup import Startup
from ..._systemd.systemctl import manager_runs
from ..declaration import Declaration, UserEnvironment
from ..go_command import executables
from ..rendered import HOMES, ROLE, departed, described_home, dropped, recorded_variables
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
    removals_of,
)
from .login import interactive_login
from .machine_settings import MachineSettings
from .shell import login_kinds, probe_startup, trace_startup, unsupported_shell
from .ssh import SshContext, environment_over_ssh, probe_login, variables_over_ssh

# Seconds; after that the server continues without the result.
_PATIENCE = 10
# The server sets it for startup files that depend on the program that starts them.
_RESOLVING = "VSCODE_RESOLVING_ENVIRONMENT"
# Variables of the command's own shell.
_OF_THE_COMMAND = ("SHLVL", "_")
_OPTIONS = ("-i", "-l")
# The extension's own installer takes the latest tools, and may take another Go.
_UPDATES = {"go.toolsManagement.autoUpdate": False, "go.toolsManagement.checkForUpdates": "off"}
_TERMINALS = "terminal.integrated.env.linux"


class VscodeServerContext(EditorContext):
    """What the Go extension gives to the processes it starts; ``files`` are settings, the weakest first."""

    name = "vscode_server"
    over_ssh = True
    has_fixed_limit = True

    def __init__(
        self, files: t.Sequence[EditorFile] = (), shell: Shell | None = None, workspace: str = "", directory: str = ""
    ) -> None:
        self.files = files
        self.shell = shell or Shell()
        self.workspace = workspace
        self._directory = directory

    def in_workspace(self, directory: str, settings: EditorFile, name: str = "") -> VscodeServerContext:
        """Return this server as it is for a workspace with settings of its own, by default that of the directory."""
        return VscodeServerContext([*self.files, settings], self.shell, name or directory, directory)

    def fed_by(self, account: Account) -> t.Sequence[str]:
        return ["ssh", *login_kinds(account)]

    def editor_places(self) -> list[EditorPlace]:
        return [EditorPlace("settings", file) for file in self.files]

    def applies_to(self, account: Account) -> bool:
        return can_log_in(account)

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        result = self.shell.probe(account, timeout)
        broken = [file.problem for file in self.files if file.problem]
        if result.environment is None or broken:
            return result._replace(environment=None, problem=result.problem or broken[0])
        environment = self.environment(account, timeout)
        # A problem of the startup is reported for the main server.
        settled = (
            Probe(environment, given_by=result.given_by)
            if self._directory
            else result._replace(environment=environment)
        )
        return settled._replace(login=result.environment)

    def start_up(self, account: Account, timeout: float) -> Startup:
        return _start_up(account, variables_over_ssh(account, timeout))

    def forget(self) -> None:
        self.shell.forget()

    def environment(self, account: Account, timeout: float) -> dict[str, str]:
        """Return the environment of the Go extension's processes; empty if the shell has no result."""
        environment = self.shell.probe(account, timeout).environment
        if environment is None:
            return {}
        laid_over = self._extension(account, environment, timeout)
        return {**environment, **{item.name: item.value for item in laid_over}}

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        environment = self.shell.probe(account, timeout).environment
        settings = self._extension(account, environment, timeout) if environment is not None else []
        return self.shell.assignments(account, timeout) + settings

    def _extension(self, account: Account, environment: t.Mapping[str, str], timeout: float) -> list[Assignment]:
        """Return what the Go extension lays over an environment: its go first in PATH, toolsEnvVars, go.gopath."""
        places = places_of(self._directory, account) if self._directory else {"userHome": account.home}
        settings = [self._path(account, environment, places, timeout)]
        for file in self.files:
            settings += file.variables(["go.toolsEnvVars"])
        settings += [self._setting("go.gopath", "GOPATH")]
        assignments = [item for item in settings if item]
        return [item._replace(value=filled(item.value, environment, places)) for item in assignments]

    def _path(
        self, account: Account, environment: t.Mapping[str, str], places: t.Mapping[str, str], timeout: float
    ) -> Assignment | None:
        """Return PATH with the directory of the settings' go first, if it exists and PATH leads to another one."""
        go = self._setting("go.alternateTools", "PATH", "go")
        if go is None or not os.path.isabs(go.value):
            root = self._setting("go.goroot", "PATH")
            go = root._replace(value=os.path.join(root.value, "bin/go")) if root else None
        if go is None:
            return None
        path = environment.get("PATH", "")
        directory, name = os.path.split(filled(go.value, environment, places))
        # VS Code ignores a missing one silently. The user's rights decide what exists.
        there = executables([name], directory, account, timeout=timeout)[name]
        first = executables(["go"], path, account, timeout=timeout)["go"][:1] if there else []
        return go._replace(value=f"{directory}:{path}") if there and there != first else None

    def _setting(self, name: str, variable: str, *inner: str) -> Assignment | None:
        """Return the text of a setting in the strongest file, as a value of ``variable``."""
        for file in reversed(self.files):
            node = file.node(name, *inner)
            assignment = Assignment(variable, file.value(name, *inner), file.source(node)) if node else None
            if assignment and isinstance(assignment.value, str) and assignment.value and can_be_given(assignment):
                return assignment
        return None


class VscodeServerKind(ContextKind):
    """The main server of each user, each other one with settings, and each workspace with settings of its own."""

    name = VscodeServerContext.name
    of_lines = False

    def contexts_of(self, user: UserEnvironment, outer: t.Sequence[Context]) -> t.Sequence[Context]:
        shell = Shell()
        files = [read_editor_file(path, user.account) for path in user.vscode_settings]
        others = [VscodeServerContext([file], shell, file.path) for file in files[1:] if file.exists]
        main = VscodeServerContext(files[:1], shell)
        settings_files = {
            directory: read_editor_file(workspace_settings(directory), user.account) for directory in user.workspaces
        }
        return [
            main,
            *others,
            *(main.in_workspace(directory, file) for directory, file in settings_files.items() if file.exists),
            *(
                main.in_workspace(directory, settings_of(file), file.path)
                for directory in user.workspaces
                for file in code_workspaces(directory, user.account)
                if file.problem or file.node("settings")
            ),
        ]

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        settings = _settings(declaration)
        machine = [
            settings.file(
                user.account,
                path,
                previous={"go.toolsEnvVars": dropped(user)},
                corrections=functools.partial(_corrections, user=user, declaration=declaration),
                create=declaration.vscode_create and number == 0,
            )
            for user in declaration.users
            for number, path in enumerate(user.vscode_settings)
        ]
        removed = [
            _cleared_settings(settings, account, path, declaration)
            for account in departed(declaration)
            for path in machine_settings(account, _recorded(declaration)["vscode_settings"])
        ]
        workspaces = [
            _settings_of_workspace(user, declaration, directory, settings.assembled(user.account.name))
            for user, directory in declaration.managed_workspaces("settings")
        ]
        return [*machine, *removed, *workspaces]


def machine_settings(account: Account, templates: t.Iterable[str]) -> list[str]:
    """Return the paths of a user's settings, by those that were declared, if these name only a home or a user."""
    paths = [path.replace("{home}", account.home).replace("{user}", account.name) for path in templates]
    return [path for path in paths if os.path.isabs(path) and "{" not in path]


def settings_of(file: EditorFile) -> EditorFile:
    """Return the part of a multi-root workspace's file that contains its settings."""
    return file._replace(part=("settings",))


def workspace_settings(directory: str) -> str:
    """Return the path of a workspace's own settings."""
    return os.path.join(directory, *CHECKOUT_FILES["settings"])


class Shell:
    """The environment that one user's shell gives to a server; probed and traced once for all contexts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tracing = threading.Lock()
        self._result: Probe | None = None
        self._assignments: list[Assignment] | None = None

    def probe(self, account: Account, timeout: float) -> Probe:
        with self._lock:
            if self._result is None:
                self._result = _probe_shell(account, timeout)
            return self._result

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        with self._tracing:
            if self._assignments is None:
                variables = variables_over_ssh(account, timeout)
                traced = trace_startup(_start_up(account, variables), timeout)
                self._assignments = variables + traced
            return self._assignments

    def forget(self) -> None:
        """Probe again the next time."""
        with self._lock:
            self._result = None


def _probe_shell(account: Account, timeout: float) -> Probe:
    """Return the environment of a shell that starts in time, after a login that may take ``timeout`` seconds."""
    problem = unsupported_shell(account)
    if problem:
        return Probe(None, problem)
    limit = min(timeout, _PATIENCE)
    over_ssh = SshContext().applies_to(account)
    result = probe_login(account, timeout) if over_ssh else Probe(session_environment(account))
    given_by = result.given_by
    if result.environment is not None:
        # Beside other probes, the shell waits for a processor: that time does not count.
        result = probe_startup(Startup(account, _OPTIONS, _in_place_of_command(result.environment)), 2 * limit)
    if result.environment is not None and result.seconds > limit:
        late = f"{os.path.basename(account.shell)} timed out"
        result = Probe(None, late, result.seconds, result.unexpected_output, failure="timed out")
    if result.environment is None:
        return result._replace(problem=f"{result.problem}; the server continues with the environment of ssh alone")
    environment = {name: value for name, value in result.environment.items() if name != _RESOLVING}
    # The server has marks of its own around the result, and waits for the shell alone. It takes the environment alone.
    return result._replace(
        environment=environment, unexpected_output="", held=False, go_is="", limits={}, given_by=given_by
    )


def _in_place_of_command(environment: t.Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which a command over ssh starts another shell in its own place."""
    return {**{name: value for name, value in environment.items() if name not in _OF_THE_COMMAND}, _RESOLVING: "1"}


def _start_up(account: Account, variables: t.Sequence[Assignment]) -> Startup:
    return interactive_login(account, {**environment_over_ssh(account, variables), _RESOLVING: "1"})


def _settings(declaration: Declaration) -> MachineSettings:
    tools = {"go": f"{declaration.goroot}/bin/go", **declaration.vscode_tools}
    declared = {
        user.account.name: {"go.alternateTools": tools, "go.toolsEnvVars": user.variables, **_UPDATES}
        for user in declaration.users
    }
    return MachineSettings({ROLE: declared})


def settings_records(declaration: Declaration) -> list[ManagedFile]:
    """Return the records of what the runs of other roles add to the settings, and later ones need to remove them."""
    records = [_settings(declaration).record(declaration.removes)]
    return [*records, record_file(ROLE, _values_to_record(declaration))] if declaration.users else records


def _recorded(declaration: Declaration) -> dict[str, list[str]]:
    return read_record(ROLE, _values_to_record(declaration))


def _values_to_record(declaration: Declaration) -> dict[str, list[str]]:
    tools = [("go", f"{declaration.goroot}/bin/go"), *declaration.vscode_tools.items()]
    return {
        "vscode_settings": list(declaration.vscode_settings),
        "vscode_tools": [f"{name}={path}" for name, path in tools],
        HOMES: [described_home(user.account) for user in declaration.users],
    }


def _cleared_settings(settings: MachineSettings, account: Account, path: str, declaration: Declaration) -> ManagedFile:
    """Return machine settings without the values of earlier runs, unless the user has changed them since."""
    variables = recorded_variables(account)
    tools = _recorded(declaration)["vscode_tools"]

    def corrections(file: EditorFile) -> list[Edit]:
        return removals_of(file, "go.alternateTools", lambda name, value: f"{name}={value}" in tools)

    previous = {"go.toolsEnvVars": variables, **_UPDATES}
    return settings.cleared_file(account, path, previous=previous, corrections=corrections)


def _settings_of_workspace(
    user: UserEnvironment, declaration: Declaration, directory: str, assembled: t.Mapping[str, t.Any]
) -> ManagedFile:
    """Return a workspace's settings with the declared values in the place of others; none is added."""
    # The corrections have the variables.
    places: dict[tuple[str, ...], t.Any] = {(name,): assembled[name] for name in _UPDATES}
    places.update({("go.alternateTools", name): value for name, value in assembled["go.alternateTools"].items()})

    def edits(file: EditorFile) -> list[Edit]:
        wrong = [Put(list(place), value) for place, value in places.items() if _is_wrong(file.value(*place), value)]
        return [*_corrections(file, user, declaration), *wrong]

    return edited_file(workspace_settings(directory), user.account, edits, within=directory)


def _is_wrong(present: t.Any, expected: t.Any) -> bool:
    """Return whether a setting has another value than the declared one; a reference was written on purpose."""
    return present not in (None, expected) and "${" not in str(present)


def _corrections(file: EditorFile, user: UserEnvironment, declaration: Declaration) -> list[Edit]:
    """Return the edits by which settings that are there get the declared values."""
    declared = declaration.values_for(user)
    paths = {"go.goroot": "GOROOT", "go.gopath": "GOPATH"}
    edits: list[Edit] = [
        Put([name], declared[variable]) for name, variable in paths.items() if variable in declared and file.value(name)
    ]
    for name in ("go.toolsEnvVars", _TERMINALS):
        edits += file.corrections([name], declared)
    return edits


def shared_path(gopls: str) -> str:
    """Return the path, beside ``gopls``, of the script for users without a daemon."""
    return os.path.join(os.path.dirname(gopls), "gopls-shared")


def wrapper_path(gopls: str) -> str:
    """Return the script that users start if no systemd runs their daemons; empty if one does, or without a script."""
    path = shared_path(gopls)
    return path if not manager_runs() and os.path.exists(path) else ""
