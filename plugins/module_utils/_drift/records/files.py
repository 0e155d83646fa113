# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings file of go, and the files that provisioning manages."""

from __future__ import annotations

import typing as t

from ..._core.provenance import Source
from ..._environment import goenv_file
from ..._host.accounts import Account
from ..._host.managed_files import Rights


class SettingsFile(t.NamedTuple):
    """The file that ``go env -w`` writes, as ``account`` can read it.

    ``text`` is None if there is no such file. ``error`` is the reason why it cannot be read, and ``closed`` the
    directory above it that denies that, with its owner, if there is one. ``missing_target`` is the target of a link to
    a file that does not exist.
    """

    account: Account
    path: str
    text: str | None
    error: str = ""
    missing_target: str = ""
    closed: str = ""
    closed_owner: str = ""

    @property
    def lines(self) -> list[str]:
        return (self.text or "").split("\n")

    @property
    def settings(self) -> list[goenv_file.GoenvSetting]:
        return goenv_file.settings(self.text or "")


class WrongRights(t.NamedTuple):
    """A file or directory of the collection with the rights that it has and the rights that it must have."""

    path: str
    user: str
    actual: Rights
    expected: Rights


class ForeignFile(t.NamedTuple):
    """A file that is written with the rights of ``user``, and the reason why these do not suffice."""

    path: str
    user: str
    problem: str
    remedy: str


class ManagedFiles(t.NamedTuple):
    """The state of the files that provisioning manages.

    In the files in ``repaired`` provisioning corrects declared values, except in the lines of users' files that are in
    ``kept``, by path. ``outdated`` has the files that lack lines that were rendered for a user, by user and context; it
    has no users whose values are all as declared. ``unprovisioned`` are the users without any file of the collection
    on the host, each with one that is missing. ``unrendered`` are the declared variables that no file of a user has,
    with one of the files on the host that lack them, by user; a user cannot change these. ``unmanaged`` are the files
    of checkouts that provisioning does not edit, with the action that changes that.
    """

    repaired: frozenset[str] = frozenset()
    outdated: t.Mapping[str, t.Mapping[str, t.Sequence[str]]] = {}
    wrong_rights: t.Sequence[WrongRights] = ()
    foreign: t.Sequence[ForeignFile] = ()
    unmanaged: t.Mapping[str, str] = {}
    kept: t.Mapping[str, t.Container[int | None]] = {}
    unprovisioned: t.Mapping[str, str] = {}
    unrendered: t.Mapping[str, tuple[t.Sequence[str], str]] = {}

    def repairs(self, source: Source | None) -> bool:
        """Return whether provisioning changes the line that a value came from."""
        file = (source.file if source else None) or ""
        return source is not None and file in self.repaired and source.line not in self.kept.get(file, ())
