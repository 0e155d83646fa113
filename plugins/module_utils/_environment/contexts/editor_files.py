# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of JSON with comments that feed a context: their variables with lines, and the corrections of them."""

from __future__ import annotations

import abc
import glob
import json
import os
import re
import typing as t

from ..._core.errors import DevserverError
from ..._core.provenance import Assignment, Source
from ..._host.accounts import Account
from ..._host.files import read_text
from ..._host.managed_files import ManagedFile, users_file
from ..._host.user_access import acting_as
from ..._jsonc.document import Document, Key, Node, Path, parse
from ..._jsonc.editor import Edit, Put, Remove, apply_edits
from ..._jsonc.members import MemberList
from ..declaration import DIRECTORY_VARIABLES, Declaration, UserEnvironment
from .base import Context, Probe

# VS Code writes this version into a new launch.json.
LAUNCH_LIST = MemberList("configurations", "name", {"version": "0.2.0"}, ("substitutePath",))

_REFERENCE = re.compile(r"\$\{(\w+)(?::([^}:]*)(?::([^}]{0,1000}))?)?\}")
_OF_ENVIRONMENT = ("env", "localEnv")
# Files of multi-root workspaces in one directory: its user may have created any number.
_MOST_WORKSPACES = 20
# Characters in all files that are read of one user: parsed, they take sixty times as much memory.
_MOST_TEXT = 2 << 20
# What was read so far, by user, and why nothing else is.
_parsed: dict[tuple[Account, str], EditorFile] = {}
_characters: dict[Account, int] = {}
_exceeded: dict[Account, DevserverError] = {}
# The beginning of a reference.
_BEGINNING = "${"


class EditorFile(t.NamedTuple):
    """A file as its user can read it: ``document`` is None if there is none, or for the reason in ``problem``.

    All paths of nodes are below ``part``, which is empty for the whole file.
    """

    path: str
    document: Document | None = None
    problem: str = ""
    part: tuple[Key, ...] = ()

    @property
    def exists(self) -> bool:
        return self.document is not None or bool(self.problem)

    def node(self, *path: Key) -> Node | None:
        """Return the node at ``path``; None if there is none."""
        return self.document.node((*self.part, *path)) if self.document else None

    def value(self, *path: Key) -> t.Any:
        """Return the value at ``path``; None if there is none."""
        node = self.node(*path)
        return encodable(node.value) if node else None

    def source(self, node: Node) -> Source:
        line = self.document.position(node.start)[0] if self.document else None
        return Source("file", self.path, line)

    def problem_at(self, node: Node, problem: str) -> str:
        """Return a message about a node, with file, line and column."""
        line, column = self.document.position(node.start) if self.document else (None, None)
        return f"{self.path}:{line}:{column}: {problem}"

    def variables(self, path: Path) -> list[Assignment]:
        """Return the members of the object at ``path`` as variables, in order; null becomes empty text."""
        node = self.node(*path)
        if node is None or node.kind != "object":
            return []
        members = ((str(encodable(child.key)), child.node) for child in node.children)
        assignments = [Assignment(name, _text(member.value), self.source(member)) for name, member in members]
        return list(filter(can_be_given, assignments))

    def corrections(self, path: Path, declared: t.Mapping[str, str]) -> list[Put]:
        """Return the edits by which variables in the object at ``path`` get the declared values; none is added."""
        # A reference was written on purpose; the drift report has its value.
        names = [item.name for item in self.variables(path) if item.name in declared and _BEGINNING not in item.value]
        return [Put([*path, name], declared[name]) for name in dict.fromkeys(names)]

    def removals(self, path: Path, dropped: t.Mapping[str, str]) -> list[Remove]:
        """Return the edits that remove ``dropped`` variables from the object at ``path``, unless they were changed."""
        return [Remove([*path, name]) for name, value in dropped.items() if self.value(*path, name) == value]


class EditorPlace(t.NamedTuple):
    """A part of a file that is evaluated as the editor reads it: ``kind`` is settings, launch or devcontainer."""

    kind: str
    file: EditorFile
    path: tuple[Key, ...] = ()


class EditorContext(Context):
    """A context that is fed by files of an editor."""

    @abc.abstractmethod
    def editor_places(self) -> list[EditorPlace]:
        """Return the files that were read, and the part of each: settings, or one launch configuration."""


class FileContext(Context):
    """Processes on another machine: only what a file gives them is known, and no path of this host applies to them."""

    gives_environment = False
    on_this_host = False
    # Why the file gives nothing; empty if it can be read.
    problem = ""

    def expected(self, user: UserEnvironment) -> t.Mapping[str, str]:
        return portable(user.variables)

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        if self.problem:
            return Probe(None, self.problem)
        return Probe({item.name: item.value for item in self.assignments(account, timeout)})


def can_be_given(item: Assignment) -> bool:
    """Return whether a process can have such a variable."""
    return bool(item.name) and "=" not in item.name and "\0" not in item.name + item.value


def encodable(value: t.Any) -> t.Any:
    """Return ``value`` with each invalid character replaced, such as half of a surrogate pair, as node does."""
    if isinstance(value, dict):
        return {encodable(key): encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [encodable(item) for item in value]
    return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if isinstance(value, str) else value


def _text(value: t.Any) -> str:
    if value is None:
        return ""
    return str(encodable(value)) if isinstance(value, str) else json.dumps(value)


def read_editor_file(path: str, account: Account) -> EditorFile:
    """Read a file with the rights of ``account``, as ``acting_as`` gives them.

    If the files of that user are too large together, the first one that is not read has the problem.
    """
    if account in _exceeded:
        return EditorFile(path)
    try:
        with acting_as(account):
            text = read_text(path)
        known = _parsed.get((account, path))
        if known and known.document and known.document.text == text:
            return known  # Several contexts read it.
        _count_characters(text, path, account)
        file = EditorFile(path, None if text is None else parse(text, path=path))
        root = file.node()
        if root and root.kind != "object":
            return EditorFile(path, problem=file.problem_at(root, "the file does not contain an object"))
        _parsed[account, path] = file
        return file
    except DevserverError as error:
        expected = f"; expected: {error.expected}" if error.expected else ""
        return EditorFile(path, problem=error.problem + expected)


def read_editor_text(path: str, account: Account) -> str | None:
    """Return the text of a file of a workspace, None if there is none, with the rights of ``account``.

    Raises DevserverError from the file on by which those of the user become too large.
    """
    if account in _exceeded:
        raise _exceeded[account]
    with acting_as(account):
        text = read_text(path)
    _count_characters(text, path, account)
    return text


def _count_characters(text: str | None, path: str, account: Account) -> None:
    _characters[account] = _characters.get(account, 0) + len(text or "")
    if _characters[account] > _MOST_TEXT:
        _exceeded[account] = DevserverError(
            f"with {path}, the files of editors and workflows of {account.name} exceed {_MOST_TEXT >> 20} MiB; this and"
            " further ones were not read",
            remedy="make these files smaller, or move them out of the workspaces",
        )
        raise _exceeded[account]


def code_workspaces(directory: str, account: Account) -> list[EditorFile]:
    """Return the files of multi-root workspaces in a directory, as VS Code opens them."""
    pattern = os.path.join(glob.escape(directory), "*.code-workspace")
    with acting_as(account):
        paths = sorted(glob.glob(pattern))[:_MOST_WORKSPACES]
    return [read_editor_file(path, account) for path in paths]


def edited_file(
    path: str,
    user: Account,
    edits: t.Callable[[EditorFile], t.Iterable[Edit]],
    *,
    create: bool = False,
    mode: int = 0o644,
    within: str = "",
) -> ManagedFile:
    """Return a file of ``user`` with the ``edits`` that its content needs; a missing one is made with ``create``.

    ``within`` is the workspace that has the file.
    """

    def updated(text: str | None) -> str | None:
        if text is None and not create:
            return None
        file = EditorFile(path, parse(text or "", path=path))
        return apply_edits(text or "", edits(file), path=path)

    return users_file(path, updated, user, mode=mode, within=within)


def cleared_file(path: str, user: Account, edits: t.Callable[[EditorFile], t.Iterable[Edit]]) -> ManagedFile:
    """Return a file of ``user`` after ``edits`` that remove settings; None, which is no file, if it had no others."""

    def updated(text: str | None) -> str | None:
        if text is None:
            return None
        file = EditorFile(path, parse(text, path=path))
        after = apply_edits(text, edits(file), path=path)
        return None if after != text and "".join(after.split()) == "{}" else after

    return users_file(path, updated, user)


def removals_of(file: EditorFile, name: str, is_removed: t.Callable[[str, t.Any], bool]) -> list[Edit]:
    """Return the edits that remove members of the object ``name`` of a file, and the object if no other is left."""
    members = file.value(name)
    if not isinstance(members, dict):
        return []
    removed = [member for member, value in members.items() if is_removed(member, value)]
    if removed and len(removed) == len(members):
        return [Remove([name])]
    return [Remove([name, member]) for member in removed]


def filled(text: str, environment: t.Mapping[str, str], places: t.Mapping[str, str]) -> str:
    """Return ``text`` with references such as ``${env:HOME}`` and those to ``places`` filled; others stay."""

    def value(match: re.Match[str]) -> str:
        kind, name, otherwise = match.groups()
        if kind in _OF_ENVIRONMENT and name:
            return environment.get(name) or otherwise or ""
        return match.group() if name else places.get(kind, match.group())

    return _REFERENCE.sub(value, text)


def places_of(directory: str, account: Account) -> dict[str, str]:
    """Return the values of the names of places in the files of a workspace."""
    return {
        "workspaceFolder": directory,
        "workspaceRoot": directory,
        "workspaceFolderBasename": os.path.basename(directory),
        "localWorkspaceFolder": directory,
        "localWorkspaceFolderBasename": os.path.basename(directory),
        "userHome": account.home,
        "pathSeparator": "/",
    }


def portable(variables: t.Mapping[str, str]) -> dict[str, str]:
    """Return the variables that have the same meaning on another machine: those without a path of this one."""
    return {
        name: value
        for name, value in variables.items()
        if name not in (*DIRECTORY_VARIABLES, "GOROOT") and not re.search(r"(^|[,=:]|file:/*)/(?!/)", value)
    }
