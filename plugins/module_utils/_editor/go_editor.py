# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module go_editor does: settings of editors by which nothing is installed that is not pinned."""

from __future__ import annotations

import functools
import os
import re
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
from .._host.removal import remove_empty_directories
from .._host.skipped_files import SkippedFile, find_failure, split_skipped
from .._jsonc.editor import Merge
from .extensions import extension_roots, helper_files
from .settings import defaults_for, pinned_tools, validate

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DECLARATION,
    "settings": {"type": "dict", "default": {}},
    "go_extension": {"type": "str", "default": ""},
    "gopls": {"type": "path", "default": "/usr/local/bin/gopls"},
    "pinned": {"type": "list", "elements": "str", "default": []},
    "bin_dir": {"type": "path", "default": "/usr/local/bin"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}

_ROLE = "editor"
_VERSION = re.compile(r"(\d+(\.\d+){1,2})?\Z")


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Write the settings of the users' editors, or remove them; with ``check`` only plan it."""
    absent = params["state"] == "absent"
    listed = [dict(user, state="absent") for user in params["users"]] if absent else params["users"]
    declaration = declaration_from({**params, "users": listed})
    deprecated = [] if absent else _validate(declaration, params)
    departed = _departed(declaration, everybody=absent)
    skipped: list[SkippedFile] = []
    edits = plan_each(_files(declaration, params, departed, everybody=absent), skipped)
    if not check:
        edits = write_each(edits, skipped, functools.partial(_keeps, departed=departed, skipped=skipped))
        remove_empty_directories([os.path.dirname(record_path(_ROLE))])
    changes = Changes()
    for edit in edits:
        edit.add_to(changes)
    listed_names = departed if absent else [user.account.name for user in declaration.users]
    failed, warnings = split_skipped(skipped, listed_names)
    result = {"skipped_files": [entry._asdict() for entry in failed], "deprecated": deprecated, **changes.result()}
    return Outcome(result, [*(f"setting {text}" for text in deprecated), *warnings], find_failure(failed))


def _departed(declaration: Declaration, *, everybody: bool) -> list[str]:
    """Return the users whose settings are removed."""
    known = {*read_record(_ROLE, {}).get("users", ()), *declaration.absent}
    return sorted(name for name in known if everybody or declaration.removes(name))


def _keeps(edit: FileEdit, departed: t.Container[str], skipped: t.Sequence[SkippedFile]) -> bool:
    """Return whether a record stays, so that a later run removes the settings from a file that was skipped."""
    is_record = os.path.dirname(edit.file.path) == os.path.dirname(record_path(_ROLE))
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
    declaration: Declaration, params: t.Mapping[str, t.Any], departed: t.Sequence[str], *, everybody: bool
) -> list[ManagedFile]:
    settings = _declared_settings(declaration, params)
    files = []
    for user in declaration.users:
        for number, path in enumerate(user.vscode_settings):
            create = declaration.vscode_create and number == 0
            files.append(settings.file(user.account, path, create=create))
        for directory, values in user.workspace_settings.items():
            files.append(_workspace_file(user.account, directory, values))
        files += helper_files(user.account, extension_roots(user.vscode_settings), present=True)
    record = {
        "vscode_settings": declaration.vscode_settings,
        "users": [user.account.name for user in declaration.users],
    }
    templates = read_record(_ROLE, record)["vscode_settings"]
    for account in filter(None, map(find_known_account, departed)):
        paths = machine_settings(account, templates)
        files += [settings.cleared_file(account, path) for path in paths]
        files += helper_files(account, extension_roots(paths), present=False)
    if declaration.users:
        files.append(record_file(_ROLE, record))
    elif everybody:
        files.append(ManagedFile(record_path(_ROLE), lambda _now: None))
    return [*files, settings.record(departed.__contains__)]


def _declared_settings(declaration: Declaration, params: t.Mapping[str, t.Any]) -> MachineSettings:
    pinned, bin_dir = params["pinned"], params["bin_dir"]
    everyone = merged(pinned_tools(pinned, bin_dir, declaration.vscode_tools), params["settings"] or {})
    names = {user.account.name: user for user in declaration.users}
    defaults = {name: defaults_for(user, pinned, bin_dir) for name, user in names.items()}
    declared = {name: merged(everyone, user.editor_settings) for name, user in names.items()}
    return MachineSettings({DEFAULTS: defaults, _ROLE: declared})


def _workspace_file(account: Account, directory: str, values: t.Mapping[str, t.Any]) -> ManagedFile:
    """Return the settings of a workspace with the declared values; they are not removed again."""
    return edited_file(workspace_settings(directory), account, lambda _file: [Merge(values)], create=True)
