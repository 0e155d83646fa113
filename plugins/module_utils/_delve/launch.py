# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch configurations by which VS Code's Go extension attaches to debug services, in the users' own launch.json."""

from __future__ import annotations

import functools
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import Service
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import ManagedFile
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.document import parse
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.editor import Edit, Put, Remove, edited

_LIST = "configurations"
# What VS Code writes into a new file.
_VERSION = "0.2.0"


class Launch(t.NamedTuple):
    """What becomes of a launch.json, reached as ``owner``: configurations to set by name, and names to take out."""

    owner: Account
    wanted: dict[str, dict[str, t.Any]]
    stale: list[str]


def launch_file(service: Service) -> str:
    """Return the file that the service's configuration stands in; empty where none is asked for.

    Links are followed, so that one file has one path, however its workspace is reached.
    """
    return os.path.join(_real_workspace(service), ".vscode/launch.json") if service.launch else ""


def _real_workspace(service: Service) -> str:
    with acting_as(service.account):
        return os.path.realpath(service.workspace)


def title_of(name: str) -> str:
    """Return the name of the configuration for the debug service ``name``."""
    return f"Attach to dlv-{name}"


def configuration_of(service: Service) -> dict[str, t.Any]:
    """Return the configuration for a service; paths are mapped where the workspace is reached through a link.

    The compiler notes where sources really lie, and the editor asks for them where the user has opened them.
    """
    real = _real_workspace(service)
    mapped = {"substitutePath": [{"from": service.workspace, "to": real}]} if real != service.workspace else {}
    return {
        "name": title_of(service.name),
        "type": "go",
        "request": "attach",
        "mode": "remote",
        # What the extension would choose for a remote one speaks another protocol.
        "debugAdapter": "dlv-dap",
        "host": service.listen.host,
        "port": service.listen.port,
        **mapped,
    }


def managed_launch_files(launches: t.Mapping[str, Launch]) -> list[ManagedFile]:
    """Return the files by their paths; one whose workspace is not there is left for a later run."""
    files = []
    for path, launch in launches.items():
        with acting_as(launch.owner):
            there = os.path.isdir(os.path.dirname(os.path.dirname(path)))
        if there:
            content = functools.partial(_updated, launch, path)
            files.append(ManagedFile(path, content, whole=False, owner=launch.owner, as_owner=True))
    return files


def _updated(launch: Launch, path: str, now: str | None) -> str | None:
    if now is None and not launch.wanted:
        return None
    text = now or ""
    if not text.strip():
        text = edited(text, [Put(["version"], _VERSION), Put([_LIST], [])], path=path)
    for name in launch.stale:
        text = edited(text, _without(text, name, path), path=path)
    for name, configuration in launch.wanted.items():
        text = edited(text, _with(text, name, configuration, path), path=path)
    return text


def _without(text: str, name: str, path: str) -> list[Edit]:
    return [Remove([_LIST, number]) for number in reversed(_places(text, name, path))]


def _with(text: str, name: str, configuration: t.Mapping[str, t.Any], path: str) -> list[Edit]:
    """Return the edits that set a configuration key by key, so that what the user has added to it stays."""
    places = _places(text, name, path)
    if not places:
        return [Put([_LIST, len(_configurations(text, path))], dict(configuration))]
    gone = [] if "substitutePath" in configuration else [Remove([_LIST, places[0], "substitutePath"])]
    return [*gone, *(Put([_LIST, places[0], key], value) for key, value in configuration.items())]


def _places(text: str, name: str, path: str) -> list[int]:
    every = enumerate(_configurations(text, path))
    return [number for number, one in every if isinstance(one, dict) and one.get("name") == name]


def _configurations(text: str, path: str) -> list[t.Any]:
    node = parse(text, path=path).node([_LIST])
    return node.value if node and isinstance(node.value, list) else []
