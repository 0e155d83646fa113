# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VS Code's server and what its extensions start: gopls, go commands, tests.

The server asks the user's shell once for an environment, started as interactive login shell in the environment that ssh
gives; then the Go extension lays its settings over that.
"""

from __future__ import annotations

import functools
import os
import shlex
import threading
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import (
    PRINT_ENVIRONMENT,
    Context,
    ContextKind,
    Probe,
    probe_of,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.editor_files import (
    EditorContext,
    EditorFile,
    EditorPlace,
    can_be_given,
    corrections,
    declared_values,
    filled,
    places_of,
    read_editor_file,
    removals,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import own_files
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.previous import dropped
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.shell import (
    followed,
    login_kinds,
    uncovered,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.ssh import (
    SshContext,
    ask_over_ssh,
    environment_over_ssh,
    given_over_ssh,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    CHECKOUT_FILES,
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.go_command import executables
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, can_log_in
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import run_at_home, session_environment
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import ManagedFile
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.document import parse
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.editor import Edit, Merge, Put, apply_edits
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.fish_trace import spare_directories
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.startup import Startup
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.systemctl import manager_runs

# Seconds; the server goes on without an answer then.
_PATIENCE = 10
# The server sets it for start-up files that want to know who asks.
_ASKING = "VSCODE_RESOLVING_ENVIRONMENT"
# A process of its own, or what the shell that sshd starts has taken would count as this one's time too.
_AS_CHILD = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
_OPTIONS = ("-i", "-l")
_TERMINALS = "terminal.integrated.env.linux"


class VscodeServerContext(EditorContext):
    """What the Go extension gives to the processes it starts; ``files`` are settings, the weakest first."""

    name = "vscode_server"
    over_ssh = True
    has_fixed_limit = True

    def __init__(
        self, files: t.Sequence[EditorFile] = (), shell: Shell | None = None, workspace: str = "", folder: str = ""
    ) -> None:
        self.files = files
        self.shell = shell or Shell()
        self.workspace = workspace
        self._folder = folder

    def in_folder(self, folder: str, settings: EditorFile) -> VscodeServerContext:
        """Return this server as it is for a workspace with settings of its own."""
        return VscodeServerContext([*self.files, settings], self.shell, folder, folder)

    def fed_by(self, account: Account) -> t.Sequence[str]:
        return ["ssh", *login_kinds(account)]

    def editor_places(self) -> list[EditorPlace]:
        return [EditorPlace("settings", file) for file in self.files]

    def applies_to(self, account: Account) -> bool:
        return can_log_in(account)

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        got = self.shell.probe(account, timeout)
        broken = [file.problem for file in self.files if file.problem]
        if got.environment is None or broken:
            return got._replace(environment=None, problem=got.problem or broken[0])
        environment = self.environment(account, timeout)
        # How its start-up went is told of the server as such.
        seen = Probe(environment) if self._folder else got._replace(environment=environment)
        return seen._replace(login=got.environment)

    def start_up(self, account: Account, timeout: float) -> Startup:
        return _start_up(account, given_over_ssh(account, timeout))

    def forget(self) -> None:
        self.shell.forget()

    def environment(self, account: Account, timeout: float) -> dict[str, str]:
        """Return what the Go extension's processes get; nothing where the shell gave no answer."""
        got = self.shell.probe(account, timeout).environment
        if got is None:
            return {}
        return {**got, **{item.name: item.value for item in self._extension(account, got, timeout)}}

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        got = self.shell.probe(account, timeout).environment
        own = self._extension(account, got, timeout) if got is not None else []
        given = given_over_ssh(account, timeout)
        return given + followed(_start_up(account, given), min(timeout, _PATIENCE)) + own

    def _extension(self, account: Account, environment: t.Mapping[str, str], timeout: float) -> list[Assignment]:
        """Return what the Go extension lays over an environment: its go first in PATH, toolsEnvVars, go.gopath."""
        places = places_of(self._folder, account) if self._folder else {"userHome": account.home}
        given = [self._path(account, environment, places, timeout)]
        for file in self.files:
            given += file.variables(["go.toolsEnvVars"])
        given += [self._setting("go.gopath", "GOPATH")]
        found = [item for item in given if item]
        return [item._replace(value=filled(item.value, environment, places)) for item in found]

    def _path(
        self, account: Account, environment: t.Mapping[str, str], places: t.Mapping[str, str], timeout: float
    ) -> Assignment | None:
        """Return PATH with the folder of the go that the settings name, where there is one and PATH leads elsewhere."""
        own = self._setting("go.alternateTools", "PATH", "go")
        if own is None or not os.path.isabs(own.value):
            root = self._setting("go.goroot", "PATH")
            own = root._replace(value=os.path.join(root.value, "bin/go")) if root else None
        if own is None:
            return None
        path = environment.get("PATH", "")
        folder, name = os.path.split(filled(own.value, environment, places))
        # One that is missing is passed over without a word. The user's rights say what is there.
        there = executables([name], folder, account, timeout=timeout)[name]
        first = executables(["go"], path, account, timeout=timeout)["go"][:1] if there else []
        return own._replace(value=f"{folder}:{path}") if there and there != first else None

    def _setting(self, name: str, variable: str, *inner: str) -> Assignment | None:
        """Return the text that the strongest file has for a setting, as what it gives to ``variable``."""
        for file in reversed(self.files):
            node = file.document.node([name, *inner]) if file.document else None
            found = Assignment(variable, file.value(name, *inner), file.source(node)) if node else None
            if found and isinstance(found.value, str) and found.value and can_be_given(found):
                return found
        return None


class VscodeServerKind(ContextKind):
    """The main server of each user, each other one with settings, and each workspace with settings of its own."""

    name = VscodeServerContext.name
    of_lines = False

    def contexts_of(self, user: UserEnvironment, outer: t.Sequence[Context]) -> t.Sequence[Context]:
        shell = Shell()
        files = [read_editor_file(path, user.account) for path in user.vscode_settings]
        others = [VscodeServerContext([file], shell, file.path) for file in files[1:] if file.there]
        main = VscodeServerContext(files[:1], shell)
        own = {folder: read_editor_file(workspace_settings(folder), user.account) for folder in user.workspaces}
        return [main, *others, *(main.in_folder(folder, file) for folder, file in own.items() if file.there)]

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        machine = [
            _settings(user, declaration, path, create=declaration.vscode_create and number == 0)
            for user in declaration.users
            for number, path in enumerate(user.vscode_settings)
        ]
        workspaces = [
            _settings_of_workspace(user, declaration, workspace_settings(folder))
            for user in declaration.users
            for folder in user.managed_workspaces("settings")
        ]
        return [*machine, *workspaces]


def workspace_settings(folder: str) -> str:
    """Return the path of a workspace's own settings."""
    return os.path.join(folder, *CHECKOUT_FILES["settings"])


class Shell:
    """The environment that one user's shell gives a server; asked once, whoever wants to know."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answer: Probe | None = None

    def probe(self, account: Account, timeout: float) -> Probe:
        with self._lock:
            if self._answer is None:
                self._answer = _ask(account, min(timeout, _PATIENCE))
            return self._answer

    def forget(self) -> None:
        """Ask anew the next time."""
        with self._lock:
            self._answer = None


def _ask(account: Account, limit: float) -> Probe:
    """Return what the shell says within ``limit`` seconds of its own; to get to it may take as long again."""
    problem = uncovered(account)
    if problem:
        return Probe(None, problem)
    argv = ["/usr/bin/env", f"{_ASKING}=1", account.shell, *_OPTIONS, "-c", PRINT_ENVIRONMENT]
    got = _asked([*_AS_CHILD, *argv], account, 2 * limit)
    if got.environment is not None and got.seconds > limit:
        late = f"{os.path.basename(account.shell)} did not come to an end in time"
        got = Probe(None, late, got.seconds, got.noise, failure="timed out")
    if got.environment is None:
        return got._replace(problem=f"{got.problem}; the server goes on with what ssh gives alone")
    environment = {name: value for name, value in got.environment.items() if name != _ASKING}
    # The server finds the answer between marks of its own, whatever else is printed, and waits for the shell alone.
    return got._replace(environment=environment, noise="", held=False)


def _asked(argv: t.Sequence[str], account: Account, timeout: float) -> Probe:
    if SshContext().applies_to(account):
        return ask_over_ssh(account, "exec " + " ".join(map(shlex.quote, argv)), timeout)
    with spare_directories(account) as added:
        env = dict(session_environment(account), **added)
        done = run_at_home(argv, env=env, account=account, timeout=timeout)
        return probe_of(done._replace(argv=argv[len(_AS_CHILD) :]), added=added)


def _start_up(account: Account, given: t.Sequence[Assignment]) -> Startup:
    env = {**environment_over_ssh(account, given), _ASKING: "1"}
    # An interactive shell of POSIX's kind reads that as well; bash does not.
    then = "" if os.path.basename(account.shell) == "bash" else '[ ! -r "${ENV:-}" ] || . "$ENV"\n'
    return Startup(account, _OPTIONS, env, ["/etc/profile"], own_files(account), then)


def _settings(user: UserEnvironment, declaration: Declaration, path: str, *, create: bool) -> ManagedFile:
    content = functools.partial(_updated, user, declaration, path, create, dropped(user))
    # Variables may hold a proxy's password, so new settings are the user's alone.
    return ManagedFile(path, content, whole=False, mode=0o600, owner=user.account, as_owner=True)


def _updated(
    user: UserEnvironment,
    declaration: Declaration,
    path: str,
    create: bool,
    before: t.Mapping[str, str],
    now: str | None,
) -> str | None:
    if now is None and not create:
        return None
    file = EditorFile(path, parse(now or "", path=path))
    edits = [*_corrections(file, user, declaration), *removals(file, ["go.toolsEnvVars"], before)]
    return apply_edits(now or "", [*edits, Merge(_expected(user, declaration))], path=path)


def _settings_of_workspace(user: UserEnvironment, declaration: Declaration, path: str) -> ManagedFile:
    content = functools.partial(_updated_of_workspace, user, declaration, path)
    return ManagedFile(path, content, whole=False, owner=user.account, as_owner=True)


def _updated_of_workspace(user: UserEnvironment, declaration: Declaration, path: str, now: str | None) -> str | None:
    """Return a workspace's settings with the declared values in the place of others; none is added."""
    if now is None:
        return None
    file = EditorFile(path, parse(now, path=path))
    rest = _expected(user, declaration)
    # The corrections have these variables.
    del rest["go.toolsEnvVars"]
    tools = rest.pop("go.alternateTools")
    places: dict[tuple[str, ...], t.Any] = {(name,): value for name, value in rest.items()}
    places.update({("go.alternateTools", name): value for name, value in tools.items()})
    wrong = [Put(list(place), value) for place, value in places.items() if _is_wrong(file.value(*place), value)]
    return apply_edits(now, [*_corrections(file, user, declaration), *wrong], path=path)


def _is_wrong(present: t.Any, expected: t.Any) -> bool:
    """Return whether a setting has another value than the declared one; a reference was written on purpose."""
    return present not in (None, expected) and "${" not in str(present)


def _corrections(file: EditorFile, user: UserEnvironment, declaration: Declaration) -> list[Edit]:
    """Return the edits by which settings that are there get the declared values."""
    declared = declared_values(user, declaration)
    paths = {"go.goroot": "GOROOT", "go.gopath": "GOPATH"}
    edits: list[Edit] = [
        Put([name], declared[variable]) for name, variable in paths.items() if variable in declared and file.value(name)
    ]
    for name in ("go.toolsEnvVars", _TERMINALS):
        edits += corrections(file, [name], declared)
    return edits


def _expected(user: UserEnvironment, declaration: Declaration) -> dict[str, t.Any]:
    return {
        "go.alternateTools": {"go": f"{declaration.goroot}/bin/go", **_tools(declaration)},
        "go.toolsEnvVars": user.variables,
        # The extension's own installer takes the latest tools, and another Go where it likes.
        "go.toolsManagement.autoUpdate": False,
        "go.toolsManagement.checkForUpdates": "off",
    }


def _tools(declaration: Declaration) -> t.Mapping[str, str]:
    """Return the declared tools; for gopls what keeps it within its limits, where no daemon does that.

    It is gopls_service that puts it there, and tells the editor of it too.
    """
    tools = declaration.vscode_tools
    within_limits = stand_in(tools["gopls"]) if "gopls" in tools else ""
    return {**tools, "gopls": within_limits} if within_limits else tools


def shared_path(gopls: str) -> str:
    """Return the path of the script for those who start a gopls themselves: beside ``gopls``."""
    return os.path.join(os.path.dirname(gopls), "gopls-shared")


def stand_in(gopls: str) -> str:
    """Return what users start where no systemd runs their daemons; empty where one does, or none is there."""
    path = shared_path(gopls)
    return path if not manager_runs() and os.path.exists(path) else ""
