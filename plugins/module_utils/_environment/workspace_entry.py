# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of a user's workspaces: a path, or what is expected in the workspace beside it."""

from __future__ import annotations

import os
import re
import typing as t
from urllib.parse import urlsplit

from .._core.errors import DevserverError

# The files of a user's checkout that a workspace may let go_env correct, by the kinds of its option "manage". Of
# several names the first that exists counts.
CHECKOUT_FILES = {
    "settings": (".vscode/settings.json",),
    "launch": (".vscode/launch.json",),
    "devcontainer": (".devcontainer/devcontainer.json", ".devcontainer.json"),
}
MANAGED_KINDS = (*CHECKOUT_FILES, "tasks", "extensions", "code-workspace")

_TEXT = re.compile(r"[^\x00-\x1f\x7f]+")
# Of git's transports those that authenticate the server; the short form of ssh has no password.
_URL = re.compile(r"(?:https://|ssh://|file:///)[^\s?#]+|[\w.-]+@[\w.-]+:[^\s:][^\s]*")
_REF = re.compile(r"\w(?!.*(?:\.\.|//|@\{))[\w./+@-]*(?<![/.])")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_KINDS = {str: "text", int: "a whole number", bool: "true or false", list: "a list of texts", dict: "a dictionary"}


class WorkspaceEntry(t.NamedTuple):
    """One workspace. ``repo`` is cloned at ``ref``, or the remote's default branch, with ``depth`` commits, 0 for all.

    ``settings`` are those of the editor. ``modules`` are the directories that go.work uses, ``go`` the version that
    prepares them, ``warm_up`` the packages that are built in advance. ``manage`` has the kinds of files that are
    edited; with ``manage_commit`` exclude, git ignores those that it does not track. With ``repair_checksums`` lines
    of go.sum that do not match are replaced. With ``allow_shared_workspace`` others may be able to change it.
    """

    path: str
    manage: t.Sequence[str] = ()
    settings: t.Mapping[str, t.Any] = {}
    manage_commit: str = ""
    repo: str = ""
    ref: str = ""
    depth: int = 0
    deploy_key: str = ""
    modules: t.Sequence[str] = ()
    go: str = ""
    warm_up: t.Sequence[str] = ()
    repair_checksums: bool = False
    allow_shared_workspace: bool = False

    @property
    def has_modules(self) -> bool:
        """Whether the modules of the workspace are prepared."""
        return bool(self.repo or self.modules or self.go or self.warm_up)


def parse_entry(entry: t.Any, user: str) -> WorkspaceEntry:
    """Return an entry of the workspaces of a user, with the paths as they are declared."""
    if isinstance(entry, str):
        return WorkspaceEntry(entry)
    names = list(WorkspaceEntry._fields)
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str) or set(entry) - set(names):
        # An address may contain a password.
        shown = {name: value for name, value in entry.items() if name != "repo"} if isinstance(entry, dict) else entry
        raise DevserverError(
            f"workspaces of user {user} has the entry {shown!r}",
            expected=f"a path, or a dictionary with path and any of {', '.join(names[1:])}",
            remedy="write it as {path: '{home}/shop', manage: [settings, launch, devcontainer]}",
        )
    values = {name: value for name, value in entry.items() if value is not None}
    for name, value in values.items():
        # The default has the type.
        kind = type(WorkspaceEntry._field_defaults.get(name, ""))
        kind = list if kind is tuple else kind
        is_valid = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
        texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        if not is_valid or not all(isinstance(text, str) and _TEXT.fullmatch(text or "-") for text in texts):
            raise _error(user, values["path"], name, value, _KINDS[kind])
    parsed = WorkspaceEntry(**values)
    for name, (is_valid, expected) in _checks(parsed).items():
        if not is_valid:
            raise _error(user, parsed.path, name, values[name], expected)
    return parsed._replace(modules=[os.path.normpath(module) for module in parsed.modules])


def _checks(entry: WorkspaceEntry) -> dict[str, tuple[bool, str]]:
    return {
        "manage": (set(entry.manage) <= set(MANAGED_KINDS), f"a list of {', '.join(MANAGED_KINDS)}"),
        "settings": (not entry.settings or "settings" in entry.manage, "a dictionary, with settings in manage"),
        "manage_commit": (entry.manage_commit in ("", "exclude"), "exclude, or nothing"),
        "repo": (
            not entry.repo or _is_repository(entry.repo),
            "an address such as https://…, ssh://…, file:///… or user@host:path, without a password or a token,"
            " which git takes from deploy_key, an ssh agent, .netrc or a credential helper",
        ),
        "ref": (not entry.ref or bool(_REF.fullmatch(entry.ref)), "a branch, a tag or a whole commit ID"),
        "depth": (entry.depth >= 0, "a number of commits, or 0 for all"),
        "modules": (all(map(_is_inside, entry.modules)), "directories relative to the workspace and in it"),
        "go": (not entry.go or bool(_VERSION.fullmatch(entry.go)), "a version such as 1.22.12, in quotes"),
        "warm_up": (not any(name.startswith("-") for name in entry.warm_up), "packages such as ./..."),
    }


def _is_repository(url: str) -> bool:
    if not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    # A name without a password is a token where it is one of https.
    return "://" not in url or (parts.password is None and (parts.scheme == "ssh" or "@" not in parts.netloc))


def _is_inside(directory: str) -> bool:
    plain = os.path.normpath(directory)
    return not os.path.isabs(plain) and plain.split("/")[0] != ".." and not plain.startswith("-")


def _error(user: str, path: str, name: str, value: t.Any, expected: str) -> DevserverError:
    if name == "manage" and isinstance(value, list):
        value = [kind for kind in value if kind not in MANAGED_KINDS] or value
    shown = {"repo": "no address of a repository", "settings": "invalid"}.get(name, repr(value))
    return DevserverError(
        f"{name} of the workspace {path} of user {user} is {shown}",
        expected=expected,
        remedy="correct it in devserver_users; workflow files are never edited",
        user=user,
    )
