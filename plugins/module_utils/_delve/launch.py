# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations in users' launch.json files with which VS Code's Go extension attaches to debug services."""

from __future__ import annotations

import functools
import os
import typing as t

from .._host.accounts import Account
from .._host.managed_files import ManagedFile, users_file
from .._jsonc.document import parse
from .._jsonc.editor import Edit, Put, Remove, apply_edits
from .services import DebugService

_LIST = "configurations"
# VS Code writes this version into a new file.
_VERSION = "0.2.0"


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
    return [users_file(path, functools.partial(_edit_text, edit, path), edit.owner) for path, edit in edits.items()]


def _edit_text(edit: LaunchFileEdit, path: str, before: str | None) -> str | None:
    has_workspace = os.path.isdir(os.path.dirname(os.path.dirname(path)))
    if before is None and not (edit.expected and has_workspace):
        return None
    text = before or ""
    if not text.strip():
        text = apply_edits(text, [Put(["version"], _VERSION), Put([_LIST], [])], path=path)
    for name in edit.removed:
        text = apply_edits(text, _removal_edits(text, name, path), path=path)
    for name, configuration in edit.expected.items():
        text = apply_edits(text, _configuration_edits(text, name, configuration, path), path=path)
    return text


def _removal_edits(text: str, name: str, path: str) -> list[Edit]:
    return [Remove([_LIST, number]) for number in reversed(_find_configurations(text, name, path))]


def _configuration_edits(text: str, name: str, configuration: t.Mapping[str, t.Any], path: str) -> list[Edit]:
    """Return the edits that set a configuration key by key, which keeps the keys that the user has added."""
    positions = _find_configurations(text, name, path)
    if not positions:
        return [Put([_LIST, len(_configurations(text, path))], dict(configuration))]
    removals = [] if "substitutePath" in configuration else [Remove([_LIST, positions[0], "substitutePath"])]
    return [*removals, *(Put([_LIST, positions[0], key], value) for key, value in configuration.items())]


def _find_configurations(text: str, name: str, path: str) -> list[int]:
    numbered = enumerate(_configurations(text, path))
    return [number for number, entry in numbered if isinstance(entry, dict) and entry.get("name") == name]


def _configurations(text: str, path: str) -> list[t.Any]:
    node = parse(text, path=path).node([_LIST])
    return node.value if node and isinstance(node.value, list) else []
