# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads the modules of workspaces, and reads what go then has of them in the form of a module proxy's files."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import redacted
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.modules_of_workspace import Workspace
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build import Builder, Go, last_words

# What a module proxy serves of a version; go's locks and its copy of the checksum database are none of it.
_SERVED = re.compile(r"(?P<module>[^/].*)/@v/(?P<version>v[^/]+)\.(info|mod|zip)\Z")
# A pseudo-version is not listed by proxies: it ends in a time and a commit.
_PSEUDO = re.compile(r"[-.]\d{14}-[0-9a-f]{12}(\+incompatible)?\Z")


class Module(t.NamedTuple):
    """One file of a module: its path, its name below a proxy's URL, and what it is."""

    file: str
    name: str
    what: str


def download(workspace: Workspace, name: str, builder: Builder, go: Go) -> None:
    """Download what a workspace needs, by a copy of its files called ``name``; go holds it against their sums."""
    copy = os.path.join(builder.workshop.work, "workspaces", name)
    with acting_as(builder.workshop.account):
        for path, text in workspace.files.items():
            _write(copy + path, text)
    work = any(os.path.join(workspace.directory, "go.work") == path for path in workspace.files)
    # The second one fetches what else of the module graph gopls and go list look at, also where go.sum lacks it.
    for arguments in (["mod", "download"], ["list", *([] if work else ["-mod=mod"]), "-m", "all"]):
        _go(builder, go, arguments, workspace.directory, copy)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "x", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)


def _go(builder: Builder, go: Go, arguments: t.Sequence[str], folder: str, copy: str) -> None:
    done = builder.run(go, arguments, cwd=copy + folder, GOMODCACHE=_cache(builder), GOFLAGS="-modcacherw")
    if not done.ok:
        said = redacted(done.stderr.replace(copy, "").strip())
        what, remedy = builder.explained(done, said)
        raise DevserverError(
            f"cannot download the modules of {folder} by {go.version}: {what}{last_words(said)}",
            expected="a workspace that builds, whose go.sum holds for what bundle_goproxy (goproxy) serves",
            remedy=remedy,
            path=folder,
            cmd=list(done.argv),
            rc=done.returncode,
            stderr=said,
        )


def _cache(builder: Builder) -> str:
    # Not that of the tools, whose modules are of no use to the workspaces.
    return os.path.join(builder.workshop.work, "modules")


def downloaded(builder: Builder) -> list[Module]:
    """Return the files of all modules that were downloaded, sorted by name."""
    top = os.path.join(_cache(builder), "cache", "download")
    with acting_as(builder.workshop.account):
        paths = [os.path.join(folder, file) for folder, _folders, files in os.walk(top) for file in files]
    names = {os.path.relpath(path, top): path for path in paths}
    found = ((name, _SERVED.match(name)) for name in sorted(names))
    return [Module(names[name], name, _what(match)) for name, match in found if match]


def _what(match: t.Match[str]) -> str:
    return f"module {_spelled(match['module'])}@{_spelled(match['version'])}"


def _spelled(escaped: str) -> str:
    """Return a module path or version as Go writes it; a proxy has an exclamation mark before capital letters."""
    return re.sub("!([a-z])", lambda match: match[1].upper(), escaped)


def version_lists(modules: t.Iterable[Module]) -> dict[str, str]:
    """Return the lists of versions that a proxy with these modules serves, by their names."""
    lists: dict[str, list[str]] = {}
    for module in modules:
        match = _SERVED.match(module.name)
        if match and module.name.endswith(".zip"):
            listed = lists.setdefault(f"{match['module']}/@v/list", [])
            if not _PSEUDO.search(match["version"]):
                listed.append(_spelled(match["version"]))
    return {name: "".join(f"{version}\n" for version in versions) for name, versions in lists.items()}
