# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a workspace says about its modules: go.work, go.mod and their sums, and those of the folders that they name."""

from __future__ import annotations

import hashlib
import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text

_NAMES = ("go.work", "go.work.sum", "go.mod", "go.sum")
_TOKEN = re.compile(r'//.*|"(?:\\.|[^"\\])*"|=>|[()]|(?:(?!//|=>)[^\s()",])+|,')


class Workspace(t.NamedTuple):
    """A workspace's folder (absolute), and the text of its files and of those that they lead to, by absolute path."""

    folder: str
    files: dict[str, str]

    def inputs(self) -> dict[str, t.Any]:
        """Return what its modules depend on, without the place where the workspace happens to lie."""
        digests = {
            os.path.relpath(path, self.folder): hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
            for path, text in self.files.items()
        }
        return {"name": os.path.basename(self.folder), "files": digests}


def read_workspace(folder: str) -> Workspace:
    """Return the workspace in ``folder``, which is only read; raise DevserverError where there is none."""
    top = os.path.realpath(folder)
    files = _files_of(top)
    if not {"go.work", "go.mod"} & {os.path.basename(path) for path in files}:
        raise DevserverError(
            f"there is no workspace in {folder}",
            expected="a folder with a go.work or a go.mod",
            remedy="correct bundle_workspaces (workspaces)",
            path=folder,
        )
    pending, seen = [top], {top}
    while pending:
        found = _files_of(pending.pop())
        files.update(found)
        for path, text in found.items():
            if path.endswith(".sum"):
                continue
            named = {os.path.normpath(os.path.join(os.path.dirname(path), name)) for name in local_folders(text)}
            pending += named - seen
            seen |= named
    return Workspace(top, files)


def _files_of(folder: str) -> dict[str, str]:
    paths = [os.path.join(folder, name) for name in _NAMES]
    return {path: text for path, text in ((path, read_text(path)) for path in paths) if text is not None}


def local_folders(text: str) -> list[str]:
    """Return the folders that the lines ``use`` and ``replace`` of a go.work or go.mod name, as they are written."""
    found, block = [], ""
    for line in text.split("\n"):
        words = [token for token in _TOKEN.findall(line) if not token.startswith("//")]
        verb = block or (words[0] if words else "")
        if words[-1:] == ["("]:
            block = verb
        elif words == [")"]:
            block = ""
        else:
            found += _named(verb, words if block else words[1:])
    return found


def _named(verb: str, words: t.Sequence[str]) -> list[str]:
    if verb == "use":
        return [_unquoted(word) for word in words[:1]]
    if verb == "replace" and "=>" in words:
        target = [_unquoted(word) for word in words[words.index("=>") + 1 :]]
        return [name for name in target[:1] if name.startswith(("./", "../", "/")) or name in (".", "..")]
    return []


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word[:1] == '"' else word
