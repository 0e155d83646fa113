# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a checkout that its entry lets this role edit, and what git shows of them."""

from __future__ import annotations

import functools
import os
import typing as t

from .._core.redaction import printable, without_secrets
from .._environment.contexts.editor_files import LAUNCH_LIST
from .._environment.workspace_entry import WorkspaceEntry
from .._host.accounts import Account
from .._host.files import split_lines
from .._host.managed_files import FileEdit, ManagedFile, users_file
from .._host.user_access import call_as
from .._jsonc.members import Member, MemberList
from .editor_entries import EXTENSION, launch_entries, task_entries, workspace_folders
from .git import Git

_TASKS = MemberList("tasks", "label", {"version": "2.0.0"})
_EXTENSIONS = MemberList("recommendations")
_DIRECTORIES = MemberList("folders", "path")
# Characters of a difference in a warning.
_LONGEST = 4000


def managed_files(
    entry: WorkspaceEntry, account: Account, real_path: str, tools: t.Mapping[str, str]
) -> list[ManagedFile]:
    """Return the files that ``manage`` names; ``real_path`` is the path of the workspace without links."""
    mapping = [{"from": entry.path, "to": real_path}] if real_path != entry.path else []
    files: dict[str, tuple[str, MemberList, t.Sequence[Member]]] = {
        "launch": (
            ".vscode/launch.json",
            LAUNCH_LIST,
            launch_entries(mapping, builds_first="tasks" in entry.manage),
        ),
        "tasks": (".vscode/tasks.json", _TASKS, task_entries(entry.modules, tools)),
        "extensions": (".vscode/extensions.json", _EXTENSIONS, [EXTENSION]),
        "code-workspace": (
            f"{os.path.basename(entry.path)}.code-workspace",
            _DIRECTORIES,
            workspace_folders(entry.modules),
        ),
    }
    return [
        users_file(
            os.path.join(entry.path, name),
            functools.partial(_merged, members, entries, name),
            account,
            within=entry.path,
        )
        for kind, (name, members, entries) in files.items()
        if kind in entry.manage
    ]


def _merged(members: MemberList, entries: t.Sequence[Member], name: str, text: str | None) -> str:
    return members.merge(text or "", entries, path=name)


def exclude_file(
    git: Git, entry: WorkspaceEntry, account: Account, files: t.Sequence[ManagedFile]
) -> list[ManagedFile]:
    """Return git's list of files to ignore in this checkout, with ``files`` in it; none outside of a repository."""
    place = git.run("rev-parse", "--show-prefix", "--git-path", "info/exclude").stdout.split("\n")
    # A program of the user, such as core.fsmonitor, can print anything here.
    if len(place) != 3 or "\0" in place[1]:
        return []
    prefix, path = place[0], os.path.join(entry.path, place[1])
    names = [os.path.relpath(file.path, entry.path) for file in files]
    names += ["go.work", "go.work.sum"] if entry.modules else []
    lines = [f"/{prefix}{name}" for name in names]

    def updated(text: str | None) -> str:
        present = split_lines(text or "")
        missing = "".join(f"{line}\n" for line in lines if line not in present)
        gap = "\n" if missing and text and not text.endswith("\n") else ""
        return f"{text or ''}{gap}{missing}"

    return [users_file(path, updated, account, within=os.path.dirname(os.path.dirname(path)))]


def describe_tracked(git: Git, entry: WorkspaceEntry, account: Account, edits: t.Sequence[FileEdit]) -> list[str]:
    """Return a text with the difference for each edit of a file that is under version control."""
    names = {
        os.path.relpath(edit.file.path, entry.path): edit for edit in edits if edit.file.path.startswith(entry.path)
    }
    tracked = git.tracked(list(names)) if names else []
    return [
        f"{git}: {name} is under version control, and changes, as manage has it:\n"
        + call_as(account, functools.partial(_difference, names[name]))
        for name in tracked
        if name in names
    ]


def _difference(edit: FileEdit) -> str:
    """Return the lines from the first that differs to the last: to compare all can take minutes for a hostile file."""
    before, after = (split_lines(text or "") for text in (edit.before, edit.after))
    start = _count_equal(before, after)
    before, after = before[start:], after[start:]
    end = _count_equal(before[::-1], after[::-1])
    lines = [f"-{line}" for line in before[: len(before) - end]] + [f"+{line}" for line in after[: len(after) - end]]
    shown: str = printable(without_secrets("\n".join(lines)[: 2 * _LONGEST])[:_LONGEST])
    return shown


def _count_equal(lines: t.Sequence[str], others: t.Sequence[str]) -> int:
    """Return the number of lines at the beginning that are equal."""
    pairs = enumerate(zip(lines, others))
    return next((number for number, (line, other) in pairs if line != other), min(len(lines), len(others)))
