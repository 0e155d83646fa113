# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads the modules of workspaces, and lists them in go's cache as the files that a module proxy serves."""

from __future__ import annotations

import os
import re
import typing as t

from .._host.user_access import acting_as
from .._toolchain.modules_of_workspace import Workspace
from .._tools.build import Builder, Go

# The files of a version that a module proxy serves: not go's locks, nor its copy of the checksum database.
_SERVED = re.compile(r"(?P<module>[^/].*)/@v/(?P<version>v[^/]+)\.(info|mod|zip)\Z")
# Proxies do not list pseudo-versions, which end in a time and a commit.
_PSEUDO = re.compile(r"[-.]\d{14}-[0-9a-f]{12}(\+incompatible)?\Z")


class ModuleFile(t.NamedTuple):
    """One file of a module: its path, its name below a proxy's URL, and its description."""

    file: str
    name: str
    description: str


def download_modules(workspace: Workspace, name: str, builder: Builder, go: Go) -> None:
    """Download a workspace's modules, with a copy of its files called ``name``; go verifies them by its sums."""
    copy = os.path.join(builder.directory.work, "workspaces", name)
    with acting_as(builder.directory.account):
        for path, text in workspace.files.items():
            _write(copy + path, text)
    work = any(os.path.join(workspace.directory, "go.work") == path for path in workspace.files)
    # The second command fetches the rest of the module graph that gopls and go list read, even if go.sum lacks it.
    for arguments in (["mod", "download"], ["list", *([] if work else ["-mod=mod"]), "-m", "all"]):
        _run_go(builder, go, arguments, workspace.directory, copy)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "x", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)


def _run_go(builder: Builder, go: Go, arguments: t.Sequence[str], directory: str, copy: str) -> None:
    result = builder.run(go, arguments, cwd=copy + directory, GOMODCACHE=_cache(builder), GOFLAGS="-modcacherw")
    if not result.ok:
        raise builder.failure(
            f"download the modules of {directory} with {go.version}",
            result,
            result.stderr.replace(copy, ""),
            "a workspace that builds, and a go.sum that matches the modules in bundle_goproxy (goproxy)",
        )


def _cache(builder: Builder) -> str:
    # Not the cache of the tools, whose modules the workspaces do not need.
    return os.path.join(builder.directory.work, "modules")


def list_modules(builder: Builder) -> list[ModuleFile]:
    """Return the files of all downloaded modules, sorted by name."""
    top = os.path.join(_cache(builder), "cache", "download")
    with acting_as(builder.directory.account):
        paths = [os.path.join(directory, file) for directory, _names, files in os.walk(top) for file in files]
    names = {os.path.relpath(path, top): path for path in paths}
    matches = ((name, _SERVED.match(name)) for name in sorted(names))
    return [ModuleFile(names[name], name, _describe(match)) for name, match in matches if match]


def _describe(match: t.Match[str]) -> str:
    return f"module {_unescape(match['module'])}@{_unescape(match['version'])}"


def _unescape(escaped: str) -> str:
    """Return a module path or version as Go writes it; proxies replace capital letters by ``!`` and a small one."""
    return re.sub("!([a-z])", lambda match: match[1].upper(), escaped)


def version_lists(modules: t.Iterable[ModuleFile]) -> dict[str, str]:
    """Return the lists of versions that a proxy with these modules serves, by the names of the lists."""
    lists: dict[str, list[str]] = {}
    for module in modules:
        match = _SERVED.match(module.name)
        if match and module.name.endswith(".zip"):
            listed = lists.setdefault(f"{match['module']}/@v/list", [])
            if not _PSEUDO.search(match["version"]):
                listed.append(_unescape(match["version"]))
    return {name: "".join(f"{version}\n" for version in versions) for name, versions in lists.items()}
