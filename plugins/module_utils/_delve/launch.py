# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations in users' launch.json files with which VS Code's Go extension attaches to debug services."""

from __future__ import annotations

import functools
import os
import typing as t

from .._environment.contexts.editor_files import LAUNCH_LIST
from .._host.accounts import Account
from .._host.managed_files import ManagedFile, users_file
from .services import DebugService


class LaunchFileEdit(t.NamedTuple):
    """The edit of a launch.json as ``owner``: expected configurations by name, and the names of those to remove."""

    owner: Account
    expected: dict[str, dict[str, t.Any]]
    removed: list[str]


def launch_file(service: DebugService) -> str:
    """Return the launch.json of the service's workspace.

    Symbolic links are resolved, so that each file has one path.
    """
    return os.path.join(service.real_workspace, ".vscode/launch.json")


def configuration_name(name: str) -> str:
    """Return the name of the configuration for the debug service ``name``."""
    return f"Attach to dlv-{name}"


def launch_configuration(service: DebugService) -> dict[str, t.Any]:
    """Return the configuration for a service, with a path mapping if the workspace is behind a symbolic link.

    The binary contains the resolved paths of its sources, and the editor sends the paths that the user has opened.
    """
    real = service.real_workspace
    mapping = (service.workspace, real) if real != service.workspace else None
    return attach_configuration(configuration_name(service.name), service.listen.host, service.listen.port, mapping)


def attach_configuration(name: str, host: str, port: int, mapping: tuple[str, str] | None) -> dict[str, t.Any]:
    """Return the configuration for a dlv at ``host`` and ``port``; ``mapping`` is from the editor's to dlv's path."""
    configuration: dict[str, t.Any] = {
        "name": name,
        "type": "go",
        "request": "attach",
        "mode": "remote",
        # The extension's default for a remote debugger speaks another protocol.
        "debugAdapter": "dlv-dap",
        "host": host,
        "port": port,
    }
    if mapping:
        configuration["substitutePath"] = [{"from": mapping[0], "to": mapping[1]}]
    return configuration


def managed_launch_files(edits: t.Mapping[str, LaunchFileEdit]) -> list[ManagedFile]:
    """Return the files to manage. A file without its workspace is left to a later run."""
    return [
        users_file(path, functools.partial(_edit_text, edit, path), edit.owner, within=_workspace_of(path))
        for path, edit in edits.items()
    ]


def _workspace_of(path: str) -> str:
    return os.path.dirname(os.path.dirname(path))


def _edit_text(edit: LaunchFileEdit, path: str, before: str | None) -> str | None:
    has_workspace = os.path.isdir(_workspace_of(path))
    if before is None and not (edit.expected and has_workspace):
        return None
    text = LAUNCH_LIST.merge(before or "", [], path=path)
    text = LAUNCH_LIST.remove(text, edit.removed, path=path)
    return LAUNCH_LIST.merge(text, edit.expected.values(), path=path)
