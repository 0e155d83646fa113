# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module go_editor does: settings of editors by which nothing is installed that is not pinned."""

from __future__ import annotations

import functools
import itertools
import os
import re
import time
import typing as t

from .._core.errors import DevserverError
from .._core.result import Outcome
from .._environment.contexts.editor_files import edited_file
from .._environment.contexts.machine_settings import DEFAULTS, MachineSettings, merged
from .._environment.contexts.vscode_server import machine_settings, workspace_settings
from .._environment.declaration import ARGUMENT_SPEC as DECLARATION
from .._environment.declaration import Declaration, declaration_from
from .._gopls.settings import Schema, known_schema, read_schema
from .._host.accounts import Account, find_known_account
from .._host.files import Changes
from .._host.managed_files import FileEdit, ManagedFile, plan_each, write_each
from .._host.records import read_record, record_file, record_path
from .._host.removal import remove_empty_directories, remove_paths
from .._host.skipped_files import SkippedFile, find_failure, skip_errors, split_skipped
from .._host.user_access import has_home
from .._jsonc.editor import Merge
from . import extensions, installation, servers
from .extensions import ROLE, Extension, ExtensionPlace, extension_roots, helper_files
from .servers import EditorServer
from .settings import defaults_for, pinned_tools, validate

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DECLARATION,
    "settings": {"type": "dict", "default": {}},
    "go_extension": {"type": "str", "default": ""},
    "gopls": {"type": "path", "default": "/usr/local/bin/gopls"},
    "pinned": {"type": "list", "elements": "str", "default": []},
    "bin_dir": {"type": "path", "default": "/usr/local/bin"},
    "extensions": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "sha256": {"type": "str", "required": True},
            "url": {"type": "str", "default": ""},
            "path": {"type": "str", "default": ""},
        },
    },
    "servers": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "commit": {"type": "str", "required": True},
            "sha256": {"type": "str", "required": True},
            "url": {"type": "str", "default": ""},
            "path": {"type": "str", "default": ""},
        },
    },
    "timeout": {"type": "int", "default": 60},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}

_VERSION = re.compile(r"(\d+(\.\d+){1,2})?\Z")


class ExtensionPlan(t.NamedTuple):
    """The extensions of users to install and to remove, each with its place."""

    install: t.Sequence[tuple[Account, Extension, ExtensionPlace]]
    remove: t.Sequence[tuple[Account, ExtensionPlace]]


class ServerPlan(t.NamedTuple):
    """The servers of users to unpack, and the commits of those to remove, each with the directory of extensions."""

    install: t.Sequence[tuple[Account, EditorServer, str]]
    remove: t.Sequence[tuple[Account, str, str]]


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Write the settings of the users' editors and install extensions, or remove both; with ``check`` only plan it."""
    absent = params["state"] == "absent"
    listed = [dict(user, state="absent") for user in params["users"]] if absent else params["users"]
    declaration = declaration_from({**params, "users": listed})
    deprecated = [] if absent else _validate(declaration, params)
    departed = _departed(declaration, everybody=absent)
    skipped: list[SkippedFile] = []
    changes = Changes()
    server_plan = _plan_servers(declaration, params, departed, skipped)
    plan = _plan_extensions(declaration, params, departed, skipped)
    if not check:
        # A server has the program that installs extensions.
        server_plan = _apply_servers(server_plan, params["timeout"], skipped)
        plan = _apply_extensions(plan, params["timeout"], skipped)
    for account, server, root in server_plan.install:
        changes.add(servers.server_paths(root, server.commit)[0], "", f"server of {account.name}\n")
    for account, root, commit in server_plan.remove:
        changes.add(servers.server_paths(root, commit)[0], f"server of {account.name}\n", "")
    for account, extension, place in plan.install:
        changes.add(place.path, "", f"{extension.name} {extension.version} of {account.name}\n")
    for account, place in plan.remove:
        changes.add(place.path, f"{place.name} {place.version} of {account.name}\n", "")
    edits = plan_each(_files(declaration, params, departed, skipped), skipped)
    if not check:
        edits = write_each(edits, skipped, functools.partial(_keeps, departed=departed, skipped=skipped))
        if absent:
            remove_paths([extensions.STORE], Changes(), check=False)
        remove_empty_directories([os.path.dirname(record_path(ROLE)), os.path.dirname(extensions.STORE)])
    for edit in edits:
        edit.add_to(changes)
    listed_names = departed if absent else [user.account.name for user in declaration.users]
    failed, warnings = split_skipped(skipped, listed_names)
    result = {"skipped_files": [entry._asdict() for entry in failed], "deprecated": deprecated, **changes.result()}
    return Outcome(result, [*(f"setting {text}" for text in deprecated), *warnings], find_failure(failed))


def _plan_servers(
    declaration: Declaration, params: t.Mapping[str, t.Any], departed: t.Sequence[str], skipped: list[SkippedFile]
) -> ServerPlan:
    declared = servers.parse_servers(params["servers"])
    record = read_record(ROLE, {"vscode_settings": declaration.vscode_settings})
    install, remove = [], []
    for user, server in itertools.product(declaration.users, declared):
        root = extension_roots(user.vscode_settings)[0]
        with skip_errors(skipped, user.account.name, servers.server_paths(root, server.commit)[0]):
            if has_home(user.account) and not servers.is_present(user.account, root, server.commit):
                install.append((user.account, server, root))
    accounts = filter(None, map(find_known_account, departed))
    for account, commit in itertools.product(accounts, record.get("servers", ())):
        for root in extension_roots(machine_settings(account, record["vscode_settings"])):
            with skip_errors(skipped, account.name, servers.server_paths(root, commit)[0]):
                if servers.is_present(account, root, commit):
                    remove.append((account, root, commit))
    return ServerPlan(install, remove)


def _apply_servers(plan: ServerPlan, timeout: float, skipped: list[SkippedFile]) -> ServerPlan:
    """Unpack and remove servers; return what was done."""
    for server in dict.fromkeys(server for _account, server, _root in plan.install):
        installation.provide(server, timeout)
    installed, removed = [], []
    for account, server, root in plan.install:
        with skip_errors(skipped, account.name, servers.server_paths(root, server.commit)[0]):
            servers.install(account, server, root)
            installed.append((account, server, root))
    for account, root, commit in plan.remove:
        with skip_errors(skipped, account.name, servers.server_paths(root, commit)[0]):
            servers.uninstall(account, root, commit)
            removed.append((account, root, commit))
    return ServerPlan(installed, removed)


def _plan_extensions(
    declaration: Declaration, params: t.Mapping[str, t.Any], departed: t.Sequence[str], skipped: list[SkippedFile]
) -> ExtensionPlan:
    declared = {extension.directory: extension for extension in extensions.parse_extensions(params["extensions"])}
    install = []
    for user in declaration.users if declared else ():
        # Before a first login that makes it, there is no home.
        if not _has_home(user.account, skipped):
            continue
        places = extensions.extension_places(declared.values(), extension_roots(user.vscode_settings))
        missing = extensions.missing_places(user.account, places, skipped)
        install += [(user.account, declared[place.directory], place) for place in missing]
    record = read_record(ROLE, {"vscode_settings": declaration.vscode_settings})
    recorded = extensions.recorded_extensions(record.get("extensions", ()))
    remove = []
    for account in filter(None, map(find_known_account, departed if recorded else ())):
        places = extensions.extension_places(
            recorded, extension_roots(machine_settings(account, record["vscode_settings"]))
        )
        for place in places.values():
            with skip_errors(skipped, account.name, place.path):
                if installation.is_installed(account, place):
                    remove.append((account, place))
    return ExtensionPlan(install, remove)


def _apply_extensions(plan: ExtensionPlan, timeout: float, skipped: list[SkippedFile]) -> ExtensionPlan:
    """Install and remove extensions; return what was done."""
    for extension in dict.fromkeys(extension for _account, extension, _place in plan.install):
        installation.provide(extension, timeout)
    installed, removed = [], []
    deadlines: dict[Account, float] = {}
    for account, extension, place in plan.install:
        deadline = deadlines.setdefault(account, time.monotonic() + installation.SECONDS)
        with skip_errors(skipped, account.name, place.path):
            installation.install(account, extension, place, deadline)
            installed.append((account, extension, place))
    for account, place in plan.remove:
        with skip_errors(skipped, account.name, place.path):
            installation.uninstall(account, place)
            removed.append((account, place))
    return ExtensionPlan(installed, removed)


def _departed(declaration: Declaration, *, everybody: bool) -> list[str]:
    """Return the users whose settings are removed."""
    known = {*read_record(ROLE, {}).get("users", ()), *declaration.absent}
    return sorted(name for name in known if everybody or declaration.removes(name))


def _keeps(edit: FileEdit, departed: t.Container[str], skipped: t.Sequence[SkippedFile]) -> bool:
    """Return whether a record stays, so that a later run removes the settings from a file that was skipped."""
    is_record = os.path.dirname(edit.file.path) == os.path.dirname(record_path(ROLE))
    return is_record and any(entry.user in departed for entry in skipped)


def _validate(declaration: Declaration, params: t.Mapping[str, t.Any]) -> list[str]:
    """Return messages about deprecated settings. Raises DevserverError."""
    extension = params["go_extension"]
    if not _VERSION.match(extension):
        raise DevserverError(
            f"go_extension is {extension!r}",
            expected="a version such as 0.42.1",
            remedy="correct editor_go_extension, or remove it",
        )
    schema = functools.lru_cache(None)(functools.partial(_schema, params["gopls"]))
    options = {"editor_settings": params["settings"] or {}}
    for user in declaration.users:
        options[f"editor_settings of user {user.account.name}"] = user.editor_settings
        for path, settings in user.workspace_settings.items():
            options[f"settings of the workspace {path}"] = settings
    messages = [message for option, value in options.items() for message in validate(value, option, extension, schema)]
    return list(dict.fromkeys(messages))


def _schema(gopls: str) -> Schema:
    return read_schema(gopls) if os.path.exists(gopls) else known_schema()


def _files(
    declaration: Declaration, params: t.Mapping[str, t.Any], departed: t.Sequence[str], skipped: list[SkippedFile]
) -> list[ManagedFile]:
    settings = _declared_settings(declaration, params)
    files = []
    for user in declaration.users:
        # Who gets extensions uses the editor. Before a first login that makes it, there may be no home.
        create = (declaration.vscode_create or bool(params["extensions"])) and _has_home(user.account, skipped)
        for number, path in enumerate(user.vscode_settings):
            files.append(settings.file(user.account, path, create=create and number == 0))
        for directory, values in user.workspace_settings.items():
            files.append(_workspace_file(user.account, directory, values))
        files += _helpers(user.account, user.vscode_settings, skipped, present=True)
    record = {
        "vscode_settings": declaration.vscode_settings,
        "users": [user.account.name for user in declaration.users],
        "servers": [entry["commit"] for entry in params["servers"]],
        "extensions": [f"{entry['name']}@{entry['version']}" for entry in params["extensions"]],
    }
    templates = read_record(ROLE, record)["vscode_settings"]
    for account in filter(None, map(find_known_account, departed)):
        paths = machine_settings(account, templates)
        files += [settings.cleared_file(account, path) for path in paths]
        files += _helpers(account, paths, skipped, present=False)
    if declaration.users:
        files.append(record_file(ROLE, record))
    elif params["state"] == "absent":
        files.append(ManagedFile(record_path(ROLE), lambda _now: None))
    return [*files, settings.record(departed.__contains__)]


def _has_home(account: Account, skipped: list[SkippedFile]) -> bool:
    """Return whether there is a home; a first login may make it. One that does not respond is skipped."""
    with skip_errors(skipped, account.name, account.home):
        return has_home(account)
    return False


def _helpers(
    account: Account, settings: t.Sequence[str], skipped: list[SkippedFile], *, present: bool
) -> list[ManagedFile]:
    with skip_errors(skipped, account.name, account.home):
        return helper_files(account, extension_roots(settings), present=present)
    return []


def _declared_settings(declaration: Declaration, params: t.Mapping[str, t.Any]) -> MachineSettings:
    pinned, bin_dir = params["pinned"], params["bin_dir"]
    everyone = merged(pinned_tools(pinned, bin_dir, declaration.vscode_tools), params["settings"] or {})
    names = {user.account.name: user for user in declaration.users}
    defaults = {name: defaults_for(user, pinned, bin_dir) for name, user in names.items()}
    declared = {name: merged(everyone, user.editor_settings) for name, user in names.items()}
    return MachineSettings({DEFAULTS: defaults, ROLE: declared})


def _workspace_file(account: Account, directory: str, values: t.Mapping[str, t.Any]) -> ManagedFile:
    """Return the settings of a workspace with the declared values; they are not removed again."""
    path = workspace_settings(directory)
    return edited_file(path, account, lambda _file: [Merge(values)], create=True, within=directory)
