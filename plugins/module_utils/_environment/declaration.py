# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration: the Go environment of each user, written once and read by every context.

Values may hold placeholders: ``{home}``, ``{user}``, ``{goroot}`` and ``{NAME}`` for another declared variable.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._core.redaction import redacted, shown_value
from .._host.accounts import Account, find_account, reject_number, user_exists
from .go_values import validate_format
from .goenv_file import TELEMETRY_MODES
from .workspace_entry import WorkspaceEntry, parse_entry

STANDARD_VARIABLES = {
    "GOPATH": "{home}/go",
    "GOMODCACHE": "{GOPATH}/pkg/mod",
    "GOBIN": "{GOPATH}/bin",
    "GOCACHE": "{home}/.cache/go-build",
    "GOTOOLCHAIN": "local",
}
STANDARD_PATH = ["{goroot}/bin", "/usr/local/bin", "{GOBIN}"]
# Of Microsoft's server and of code-server.
STANDARD_VSCODE_SETTINGS = [
    "{home}/.vscode-server/data/Machine/settings.json",
    "{home}/.local/share/code-server/Machine/settings.json",
]
DIRECTORY_VARIABLES = ("GOPATH", "GOMODCACHE", "GOBIN", "GOCACHE")
# Their directories may be shared.
_TEMPORARY_VARIABLES = ("GOTMPDIR", "TMPDIR")

# The options of the ``declaration`` documentation fragment.
ARGUMENT_SPEC: dict[str, t.Any] = {
    "users": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "variables": {"type": "dict", "default": {}, "no_log": True},
            "workspaces": {"type": "list", "elements": "raw", "default": []},
            "editor_settings": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "create": {"type": "bool", "default": False},
            "shell": {"type": "str", "default": "/bin/bash"},
            # They are public.
            "authorized_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        },
    },
    "exclusive": {"type": "bool", "default": False},
    "variables": {"type": "dict", "default": {}, "no_log": True},
    "goroot": {"type": "path", "default": "/usr/local/go"},
    "export_goroot": {"type": "bool", "default": False},
    "path": {"type": "list", "elements": "str", "default": []},
    "vscode_settings": {"type": "list", "elements": "str", "default": []},
    "vscode_create": {"type": "bool", "default": False},
    "vscode_tools": {"type": "dict", "default": {}},
}

# Names that are not declared as a variable, and how they are.
_NOT_VARIABLES = {
    "GOROOT": "declare the Go with devserver_goroot; if a program needs GOROOT, set devserver_export_goroot",
    "GOENV": "leave it out: the declaration is written into each user's own settings file, ~/.config/go/env",
}

# What the login, the loader of programs or the shell sets and reads itself: another value breaks logins and commands.
_OWNED = re.compile(
    r"HOME|SHELL|USER|USERNAME|LOGNAME|MAIL|PWD|OLDPWD|SHLVL|TERM|COLUMNS|LINES|(SSH_|SUDO_)(?!AUTH_SOCK|ASKPASS)\w+"
    r"|XDG_(RUNTIME_DIR|SEAT|VTNR|SESSION_\w+)|DBUS_SESSION_BUS_ADDRESS|(LD|BASH|ZSH|FISH|KSH)_\w+|GCONV_PATH"
    r"|GLIBC_TUNABLES|ENV|IFS|TMOUT|PROMPT\d?|PROMPT_COMMAND|R?PS\d|RPROMPT|SHELLOPTS|BASHOPTS|POSIXLY_CORRECT|ZDOTDIR"
    r"|CDPATH|FPATH|MODULE_PATH|FIGNORE|GLOBIGNORE|EXECIGNORE|ARGV0|STTY|E?[UG]ID|PPID|OPT(IND|ARG|ERR)|LINENO|RANDOM"
    r"|SECONDS|ERRNO|HISTCMD|FUNCNEST|(READ)?NULLCMD"
)

_PLACEHOLDER = re.compile(r"\{(home|user|goroot|[A-Z][A-Z0-9_]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Names of accounts that file names, PAM, crontabs and systemd take as they are; CORP\alice is one of winbind. PAM
# would read brackets and # otherwise, and a shell blanks and quotes.
_USER_NAME = re.compile(r"\w[\w.@+\\-]*\$?")
# File names have at most 255 bytes.
_LONGEST_USER_NAME = 200


@dataclasses.dataclass(frozen=True)
class UserEnvironment:
    """The environment of one user's processes: ``path`` is the beginning of PATH, ``variables`` all the rest.

    ``workspaces`` are directories, ``vscode_settings`` the machine settings of each VS Code server, the main one first.
    ``telemetry`` is GOTELEMETRY, which is a file and no variable to go; empty if it is not declared. ``manage`` has
    the kinds of files that are edited, by workspace, ``workspace_settings`` the editor's settings there, ``entries``
    all that is expected in them.
    """

    account: Account
    variables: dict[str, str]
    path: list[str]
    workspaces: t.Sequence[str] = ()
    vscode_settings: t.Sequence[str] = ()
    telemetry: str = ""
    manage: t.Mapping[str, t.Collection[str]] = dataclasses.field(default_factory=dict)
    editor_settings: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    workspace_settings: t.Mapping[str, t.Mapping[str, t.Any]] = dataclasses.field(default_factory=dict)
    entries: t.Sequence[WorkspaceEntry] = ()

    @property
    def directories(self) -> dict[str, str]:
        """The directories that Go writes to, by variable; of a GOPATH list the first, where Go installs."""
        return {name: self.variables[name].split(":")[0] for name in DIRECTORY_VARIABLES if name in self.variables}

    @property
    def temporary_directories(self) -> dict[str, str]:
        """The directories in which go builds, by variable."""
        return {name: self.variables[name] for name in _TEMPORARY_VARIABLES if self.variables.get(name)}


@dataclasses.dataclass(frozen=True)
class Declaration:
    """The declaration for one host; ``path`` also applies to users who are not listed.

    ``vscode_tools`` are the paths of tools for VS Code's Go extension, by name; with ``vscode_create`` the main
    settings of each user are created. ``vscode_settings`` are the paths of settings as declared, with placeholders.
    What was rendered for users who are ``absent`` is removed; with ``exclusive`` that of all users who are not listed.
    """

    users: list[UserEnvironment]
    goroot: str
    path: list[str]
    vscode_tools: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    vscode_create: bool = False
    vscode_settings: t.Sequence[str] = ()
    absent: t.Collection[str] = ()
    exclusive: bool = False

    def removes(self, name: str) -> bool:
        """Return whether what was rendered for the user ``name`` is to be removed."""
        return name in self.absent or (self.exclusive and name not in [user.account.name for user in self.users])

    def values_for(self, user: UserEnvironment) -> dict[str, str]:
        """Return the values that declared variables must have in every file that sets them, with GOROOT."""
        return {"GOROOT": self.goroot, **user.variables}

    def managed_workspaces(self, kind: str) -> list[tuple[UserEnvironment, str]]:
        """Return the users and workspaces in which files of a kind are edited."""
        pairs = ((user, workspace) for user in self.users for workspace in user.workspaces)
        return [(user, workspace) for user, workspace in pairs if kind in user.manage.get(workspace, ())]


def declaration_from(params: t.Mapping[str, t.Any]) -> Declaration:
    """Return the declaration in a module's parameters (documented in the ``declaration`` fragment)."""
    goroot = _absolute("devserver_goroot (goroot)", params["goroot"], "every user")
    path = params["path"] or STANDARD_PATH
    present = [user for user in params["users"] if user.get("state") != "absent"]
    pending = pending_users(present)
    created = [user for user in present if user["name"] not in pending]
    validate_accounts([user["name"] for user in created])
    users = [_user_environment(user, params, path) for user in created]
    # An account may be gone before the user is removed.
    absent = [user["name"] for user in params["users"] if user not in present]
    _validate_unique([*(user.account.name for user in users), *pending, *absent])
    shared = [entry.replace("{goroot}", goroot) for entry in path if not set(_PLACEHOLDER.findall(entry)) - {"goroot"}]
    tools = {
        tool: _absolute(tool, str(file or ""), "devserver_vscode_tools (vscode_tools)")
        for tool, file in params["vscode_tools"].items()
    }
    everyone = [_absolute("PATH (devserver_path)", entry, "every user") for entry in shared]
    settings = params["vscode_settings"] or STANDARD_VSCODE_SETTINGS
    create, exclusive = params["vscode_create"], params["exclusive"]
    return Declaration(users, goroot, everyone, tools, create, settings, absent, exclusive)


def pending_users(users: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """Return the listed users whose account the module ssh_access has yet to create; they get nothing until then."""
    names = [user["name"] for user in users if user.get("create") and user.get("state") != "absent"]
    return [name for name in names if not user_exists(name)]


def _user_environment(user: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any], path: list[str]) -> UserEnvironment:
    account = find_account(user["name"])
    validate_account(account)
    raw = dict(STANDARD_VARIABLES, **(params["variables"] or {}))
    raw.update(user.get("variables") or {})
    _validate_names(raw, account.name)
    if params["export_goroot"]:
        raw["GOROOT"] = "{goroot}"
    templates = {name: _joined(name, value) for name, value in raw.items() if value is not None}
    fixed = {"home": account.home, "user": account.name, "goroot": params["goroot"].rstrip("/")}
    variables = {name: _expand(name, templates, fixed, account.name) for name in templates}
    for name, value in variables.items():
        validate_format(name, value, account.name)
    telemetry = _telemetry(variables.pop("GOTELEMETRY", ""), account.name)
    for name in filter(variables.__contains__, DIRECTORY_VARIABLES):
        for entry in variables[name].split(":"):
            _absolute(name, entry, account.name)
    for name in filter(variables.get, _TEMPORARY_VARIABLES):
        _absolute(name, variables[name], account.name)
    known = dict(fixed, **variables)

    def paths(option: str, entries: t.Sequence[str]) -> list[str]:
        values = [_expand(option, {option: entry}, known, account.name) for entry in entries]
        return [_absolute(option, value, account.name) for value in values]

    entries = [parse_entry(entry, account.name) for entry in user.get("workspaces") or []]
    keys = ["".join(paths("deploy_key", [entry.deploy_key] if entry.deploy_key else [])) for entry in entries]
    places = paths("workspaces", [entry.path for entry in entries])
    workspaces = {place: e._replace(path=place, deploy_key=key) for e, place, key in zip(entries, places, keys)}
    return UserEnvironment(
        account,
        variables,
        paths("PATH (devserver_path)", path),
        list(workspaces),
        paths("vscode_settings (devserver_vscode_settings)", params["vscode_settings"] or STANDARD_VSCODE_SETTINGS),
        telemetry,
        {path: entry.manage for path, entry in workspaces.items() if entry.manage},
        user.get("editor_settings") or {},
        {path: entry.settings for path, entry in workspaces.items() if entry.settings},
        list(workspaces.values()),
    )


def _telemetry(mode: str, user: str) -> str:
    if mode and mode not in TELEMETRY_MODES:
        raise DevserverError(
            f"GOTELEMETRY of user {user} is {mode!r}", expected=" or ".join(TELEMETRY_MODES), remedy="set one of them"
        )
    return mode


def _joined(name: str, value: t.Any) -> str:
    """Return ``value`` as Go reads it: a list becomes words for GOFLAGS and a comma-separated list for the rest."""
    if not _VARIABLE_NAME.match(name) or name == "PATH":
        raise DevserverError(
            f"{name!r} cannot be declared as a variable",
            expected="a name of capital letters, digits and underscores",
            remedy="declare PATH with its own option; correct other names",
        )
    if isinstance(value, bool) or not isinstance(value, (str, int, list)):
        raise DevserverError(
            f"{name} must be a string or a list, got {shown_value(name, repr(value))}",
            expected="a string or a list of strings",
            remedy="put the value in quotes, or make it a list, in devserver_variables or the user's variables",
        )
    separator = " " if name == "GOFLAGS" else ","
    text = separator.join(map(str, value)) if isinstance(value, list) else str(value)
    if _CONTROL.search(text):
        raise DevserverError(
            f"{name} has a control character in its value {shown_value(name, text)!r}",
            expected="one line of text",
            remedy="remove it",
        )
    return text


def _validate_names(raw: t.Mapping[str, t.Any], user: str) -> None:
    owned = [name for name, value in raw.items() if value is not None and _OWNED.fullmatch(name)]
    if owned:
        raise DevserverError(
            f"{', '.join(owned)} of user {user} cannot be declared: the login or the shell sets and reads such names",
            expected="variables of Go and of the programs that it runs",
            remedy="remove them from devserver_variables and from the variables of users in devserver_users",
            user=user,
            variables=owned,
        )
    for name, remedy in _NOT_VARIABLES.items():
        if raw.get(name) is not None:
            raise DevserverError(
                f"{name} is declared as a variable, with {redacted(repr(raw[name]))}",
                expected=f"no {name} among the variables",
                remedy=remedy,
            )


def _expand(name: str, templates: t.Mapping[str, str], fixed: t.Mapping[str, str], user: str) -> str:
    """Return the value of variable ``name`` with all placeholders in it filled, at any depth."""

    def value(current: str, above: tuple[str, ...]) -> str:
        if current in fixed:
            return fixed[current]
        if current in above or current not in templates:
            raise _bad_placeholder(above[-1], current, user, "circular" if current in above else "not declared")
        return _PLACEHOLDER.sub(lambda match: value(match.group(1), (*above, current)), templates[current])

    return value(name, ())


def _bad_placeholder(name: str, other: str, user: str, problem: str) -> DevserverError:
    return DevserverError(
        f"{name} of user {user} refers to {{{other}}}, which is {problem}",
        expected="{home}, {user}, {goroot} or the name of another declared variable",
        remedy=f"correct the value of {name}",
    )


def _absolute(name: str, path: str, user: str) -> str:
    if not path.startswith("/") or ":" in path or _CONTROL.search(path):
        raise DevserverError(
            f"{name} of {user} is {path!r}",
            expected="an absolute path without a colon and control characters",
            remedy="write the absolute path, or use {home}",
        )
    return path.rstrip("/") or "/"


def validate_accounts(names: t.Sequence[str]) -> None:
    """Raise DevserverError with every user that the host does not know."""
    unknown = [name for name in names if not user_exists(name)]
    if len(unknown) > 1:
        raise DevserverError(
            "users {} do not exist on this host".format(", ".join(map(repr, unknown))),
            expected="names of existing accounts",
            remedy="create the accounts first, or correct their names in the play's list of users",
            users=unknown,
        )


def validate_account(account: Account) -> None:
    """Raise DevserverError for an account that the files of some context cannot name."""
    reject_number(account.name)
    if not _USER_NAME.fullmatch(account.name) or len(os.fsencode(account.name)) > _LONGEST_USER_NAME:
        raise DevserverError(
            f"the user name {account.name!r} cannot be part of the files that give users their environment",
            expected=f"letters, digits, and . _ @ + - \\, at most {_LONGEST_USER_NAME} bytes",
            remedy="give the account another name, or remove it from devserver_users",
            user=account.name,
        )
    if not account.home.startswith("/") or _CONTROL.search(account.home):
        raise DevserverError(
            f"the home directory of user {account.name} is {account.home!r}",
            expected="an absolute path",
            remedy=f"set it with usermod --home, or remove {account.name} from devserver_users",
            user=account.name,
        )


def _validate_unique(names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DevserverError(
            "user {} is listed more than once".format(", ".join(repeated)), remedy="merge the entries of that user"
        )
