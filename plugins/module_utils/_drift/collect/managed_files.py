# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the files that provisioning manages: their rights, and the rendered lines that they lack."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from ..._core.errors import DevserverError
from ..._environment.contexts import KINDS, OWN_DIRECTORIES
from ..._environment.contexts.base import ContextKind
from ..._environment.declaration import Declaration, UserEnvironment
from ..._environment.workspace_entry import CHECKOUT_FILES
from ..._host.files import read_text
from ..._host.managed_files import (
    ManagedFile,
    compare_directory_rights,
    compare_rights,
    describe_owner_repair,
    find_owner_problem,
)
from ..._host.path_names import is_below
from ..._host.user_access import acting_as
from ..cells import Cell
from ..records.files import ForeignFile, ManagedFiles, WrongRights


def managed_files_of(
    declaration: Declaration,
    cells: t.Sequence[Cell],
    kinds: t.Sequence[ContextKind] = KINDS,
    directories: t.Sequence[str] = OWN_DIRECTORIES,
) -> ManagedFiles:
    """Return the state of the files of ``kinds``, and of the collection's own ``directories``."""
    files = [file for kind in kinds for file in files_of(kind, declaration)]
    repaired = frozenset(file.path for file in files if file.whole or file.as_owner)
    rights = [*_wrong_directories(directories), *_wrong_files(files)]
    outdated = outdated_files(declaration, cells, kinds)
    foreign = list(_foreign_files(files, declaration))
    kept = {file.path: _kept_lines(file) for file in files if file.as_owner}
    unprovisioned = _unprovisioned(declaration, outdated, kinds)
    unrendered = _unrendered(declaration, cells, unprovisioned, kinds)
    unmanaged = _unmanaged_files(declaration)
    return ManagedFiles(repaired, outdated, rights, foreign, unmanaged, kept, unprovisioned, unrendered)


def _unprovisioned(declaration: Declaration, names: t.Container[str], kinds: t.Sequence[ContextKind]) -> dict[str, str]:
    """Return those of the users ``names`` that have none of the collection's own files on the host, with one file."""
    shared, missing = _own_files(dataclasses.replace(declaration, users=[]), kinds), {}
    for user in (user for user in declaration.users if user.account.name in names):
        files = _own_files(dataclasses.replace(declaration, users=[user]), kinds)
        of_user = [path for path in files if path not in shared]
        if of_user and not any(map(os.path.lexists, of_user)):
            missing[user.account.name] = of_user[0]
    return missing


def _unrendered(
    declaration: Declaration, cells: t.Iterable[Cell], unprovisioned: t.Container[str], kinds: t.Sequence[ContextKind]
) -> dict[str, tuple[list[str], str]]:
    """Return the names among the differing ``cells`` of each user that no file has, and a file that lacks the first."""
    differing: dict[str, dict[str, None]] = {}
    for cell in cells:
        if cell.status in ("drift", "missing") and cell.user not in unprovisioned:
            differing.setdefault(cell.user, {})[cell.variable] = None
    unrendered = {}
    for user in (user for user in declaration.users if user.account.name in differing):
        alone = dataclasses.replace(declaration, users=[user])
        files = {file.path: file for kind in kinds if kind.of_lines for file in files_of(kind, alone)}
        texts = {path: _texts(file) for path, file in files.items()}
        lacking = {}
        for name in (name for name in sorted(differing[user.account.name]) if name in (*user.variables, "PATH")):
            others = dataclasses.replace(alone, users=[_without(user, name)])
            path = _find_lacking(files, texts, [file for kind in kinds for file in files_of(kind, others)])
            lacking.update({name: path} if path else {})
        if lacking:
            unrendered[user.account.name] = (list(lacking), next(iter(lacking.values())))
    return unrendered


def _without(user: UserEnvironment, name: str) -> UserEnvironment:
    variables = {key: value for key, value in user.variables.items() if key != name}
    return dataclasses.replace(user, variables=variables, path=[] if name == "PATH" else user.path)


def _texts(file: ManagedFile) -> tuple[str, str]:
    """Return the present and the rendered text of a file."""
    with contextlib.suppress(OSError, DevserverError), acting_as(file.actor):
        now = read_text(file.path)
        return now or "", file.content(now) or ""
    return "", ""


def _find_lacking(
    files: t.Mapping[str, ManagedFile], texts: t.Mapping[str, tuple[str, str]], without: t.Iterable[ManagedFile]
) -> str:
    """Return a file of the host that lacks the lines that are not in the rendered files ``without`` a variable.

    Empty if any file has some of these lines, or if no file of the host is to have them.
    """
    lacking = []
    for file in (file for file in without if file.path in files):
        now, rendered = (set(text.split("\n")) for text in texts[file.path])
        with contextlib.suppress(OSError, DevserverError):
            lines = rendered - {*(file.content(texts[file.path][0]) or "").split("\n")}
            if lines & now:
                return ""
            lacking += [file.path] if lines and files[file.path].whole and not files[file.path].as_owner else []
    return next(iter(lacking), "")


def _own_files(declaration: Declaration, kinds: t.Sequence[ContextKind]) -> list[str]:
    """Return the files outside of users' directories that are rendered whole."""
    whole = (file for kind in kinds for file in files_of(kind, declaration) if file.whole and not file.as_owner)
    return [file.path for file in whole if file.content(None) is not None]


def _kept_lines(file: ManagedFile) -> frozenset[int]:
    """Return the lines of a user's file that provisioning leaves as they are."""
    try:
        with acting_as(file.actor):
            now = read_text(file.path) or ""
            expected = {*(file.content(now) or "").split("\n")} if now else set()
    except (OSError, DevserverError):
        return frozenset()
    return frozenset(number for number, line in enumerate(now.split("\n"), 1) if line in expected)


def _unmanaged_files(declaration: Declaration) -> dict[str, str]:
    return {
        os.path.join(workspace, name): f"add {kind} to `manage` of the workspace {workspace}"
        for user in declaration.users
        for workspace in user.workspaces
        for kind, names in CHECKOUT_FILES.items()
        if kind not in user.manage.get(workspace, ())
        for name in names
    }


def files_of(kind: ContextKind, declaration: Declaration) -> list[ManagedFile]:
    """Return the files that a kind of contexts manages; none if they cannot be rendered, which provisioning rejects."""
    try:
        return list(kind.managed_files(declaration))
    except (DevserverError, OSError):
        return []


def _wrong_directories(directories: t.Iterable[str]) -> t.Iterator[WrongRights]:
    for path in directories:
        rights = compare_directory_rights(path)
        if rights:
            yield WrongRights(path, "", *rights)


def _wrong_files(files: t.Iterable[ManagedFile]) -> t.Iterator[WrongRights]:
    # A file that must not exist has no rights to keep.
    whole_files = {file.path: file for file in files if file.whole and file.content(None) is not None}
    for file in whole_files.values():
        try:
            with acting_as(file.actor):
                rights = compare_rights(file)
        except OSError:
            continue  # It was removed, or its user may not look there, which the contexts report.
        if rights:
            yield WrongRights(file.path, file.owner.name if file.owner else "", *rights)


def _foreign_files(files: t.Iterable[ManagedFile], declaration: Declaration) -> t.Iterator[ForeignFile]:
    # Of several files with one path the last one counts, as for writing.
    for file in {file.path: file for file in files if file.actor and not file.whole}.values():
        problem, user = _foreignness(file, declaration), file.owner.name if file.owner else ""
        if problem:
            with acting_as(file.actor):
                remedy = describe_owner_repair(file, user)
            yield ForeignFile(file.path, user, problem, remedy)


def _foreignness(file: ManagedFile, declaration: Declaration) -> str:
    try:
        with acting_as(file.actor):
            return find_owner_problem(file) if _differs(file) or _is_in_home(file, declaration) else ""
    except (OSError, DevserverError):
        return ""  # It was removed, or its user cannot read it, which the contexts report.


def _is_in_home(file: ManagedFile, declaration: Declaration) -> bool:
    declared = file.owner in [user.account for user in declaration.users]
    return file.owner is not None and declared and is_below(file.path, file.owner.home)


def _differs(file: ManagedFile) -> bool:
    now = read_text(file.path)
    return file.content(now) != now


def outdated_files(
    declaration: Declaration, cells: t.Iterable[Cell], kinds: t.Sequence[ContextKind] = KINDS
) -> dict[str, dict[str, list[str]]]:
    """Return the files that lack lines that were rendered for a user, by user and context.

    Nothing is read for users whose values are all as declared.
    """
    differing = {cell.user for cell in cells if cell.status in ("drift", "missing")}
    users = [user for user in declaration.users if user.account.name in differing]
    return {user.account.name: outdated_for(user, declaration, kinds) for user in users}


def outdated_for(
    user: UserEnvironment, declaration: Declaration, kinds: t.Sequence[ContextKind] = KINDS
) -> dict[str, list[str]]:
    # In a file for all users, only the lines for this one count.
    alone = dataclasses.replace(declaration, users=[user])
    files = {kind.name: files_of(kind, alone) for kind in kinds if kind.of_lines}
    return {
        kind: [file.path for file in managed_files if file.owner in (None, user.account) and is_outdated(file)]
        for kind, managed_files in files.items()
    }


def is_outdated(file: ManagedFile) -> bool:
    """Return whether a file lacks a rendered line, or is hidden from its readers.

    Additional lines do not count, nor does a file that must not exist: it may be that of another user.
    """
    try:
        if file.content(None) is None:
            return False
        with acting_as(file.actor):
            now = read_text(file.path)
            expected = file.content(now)
            hidden = expected is not None and now is not None and is_hidden(file)
    except (DevserverError, OSError):
        return file.whole  # That it cannot be read is a finding of its own, from which other values follow.
    return hidden or not {*(expected or "").split("\n")} <= {*(now or "").split("\n")}


def is_hidden(file: ManagedFile) -> bool:
    """Return whether a file's rights may hide it from its readers; rights that are too wide do not."""
    rights = compare_rights(file)
    return rights is not None and (rights[0].owner != rights[1].owner or rights[1].mode & ~rights[0].mode != 0)
