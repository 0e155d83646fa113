# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module files of a workspace: go.work, go.mod and their sums, and those of the directories that they name."""

from __future__ import annotations

import hashlib
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._host.files import read_text

MODULE_FILES = ("go.work", "go.work.sum", "go.mod", "go.sum")
# Directories that the files of one workspace name, and characters of all its files.
_MOST_DIRECTORIES, _MOST_TEXT = 5000, 64 * 1024 * 1024
# The end of a line ends a quoted string, too: a search for the end from each of many quotes would be quadratic.
_TOKEN = re.compile(r'//.*|"(?:\\.|[^"\\])*"?|=>|[()]|(?:(?!//|=>)[^\s()",])+|,')


class TooLargeError(DevserverError):
    """The module files of a workspace are too many, or too large, to read them all."""


class Workspace(t.NamedTuple):
    """A workspace's directory (absolute), and the text of its files and of those they refer to, by absolute path."""

    directory: str
    files: dict[str, str]

    def inputs(self) -> dict[str, t.Any]:
        """Return what its modules depend on, without the path of the workspace."""
        digests = {
            os.path.relpath(path, self.directory): hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
            for path, text in self.files.items()
        }
        return {"name": os.path.basename(self.directory), "files": digests}


def read_workspace(directory: str) -> Workspace:
    """Return the workspace in ``directory``, which is only read; raise DevserverError if there is none.

    Raises TooLargeError for one that is too large.
    """
    top = os.path.realpath(directory)
    files = _files_of(top)
    if not {"go.work", "go.mod"} & {os.path.basename(path) for path in files}:
        raise DevserverError(
            f"bundle_workspaces (workspaces) has {directory}, which is not a workspace",
            expected="a directory with a go.work or a go.mod",
            remedy="correct bundle_workspaces (workspaces)",
            path=directory,
        )
    pending, known = [top], {top}
    while pending:
        more = _files_of(pending.pop())
        files.update(more)
        for path, text in more.items():
            if path.endswith(".sum"):
                continue
            named = {os.path.normpath(os.path.join(os.path.dirname(path), name)) for name in local_directories(text)}
            pending += named - known
            known |= named
        if len(known) > _MOST_DIRECTORIES or sum(map(len, files.values())) > _MOST_TEXT:
            raise TooLargeError(
                f"the module files of {directory} name more than {_MOST_DIRECTORIES} directories, or are too large",
                expected=f"at most {_MOST_TEXT} characters in its go.work, go.mod and sum files, and those they name",
                remedy="remove lines 'use' and 'replace' from its go.work and go.mod, or split the workspace",
                path=directory,
            )
    return Workspace(top, files)


def _files_of(directory: str) -> dict[str, str]:
    paths = [os.path.join(directory, name) for name in MODULE_FILES]
    return {path: text for path, text in ((path, read_text(path)) for path in paths) if text is not None}


def local_directories(text: str) -> list[str]:
    """Return the directories in the lines ``use`` and ``replace`` of a go.work or go.mod, as they are written."""
    directories, block = [], ""
    for line in text.split("\n"):
        words = [token for token in _TOKEN.findall(line) if not token.startswith("//")]
        verb = block or (words[0] if words else "")
        if words[-1:] == ["("]:
            block = verb
        elif words == [")"]:
            block = ""
        else:
            directories += _directories_in(verb, words if block else words[1:])
    return directories


def _directories_in(verb: str, words: t.Sequence[str]) -> list[str]:
    if verb == "use":
        return [_unquoted(word) for word in words[:1]]
    if verb == "replace" and "=>" in words:
        target = [_unquoted(word) for word in words[words.index("=>") + 1 :]]
        return [name for name in target[:1] if name.startswith(("./", "../", "/")) or name in (".", "..")]
    return []


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word[:1] == '"' else word
