# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may read and change the collection's own files."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts import CONTEXTS, OWN_FOLDERS
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import ManagedFile
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.finding import Finding, Remedy, Rule
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.scene import CONVERGE, Scene, files_of
from ansible_collections.gopherops.devserver.plugins.module_utils.managed_files import (
    Rights,
    wrong_folder,
    wrong_rights,
)
from ansible_collections.gopherops.devserver.plugins.module_utils.provenance import Source

OTHER_RIGHTS = Rule(
    "GD108",
    "error",
    "A file of the collection's own has another owner or mode",
    "A user gets none of the values in it, or others can read or change what processes get, root's among them.",
    why="""\
Every file that is wholly the collection's, and the folders `/etc/gopherops` and `/etc/security/gopherops-go` with what
is below, have an owner and a mode: what all users read is root's and 0644, what may hold a password is its user's or
root's alone. A shell passes over a file that it cannot read without a word. Files of others, in which the collection
has a block or some names, keep the owner and mode that they have.""",
    mend="Provision again: it sets both right. Then look who changed them, and what was changed meanwhile.",
    example="/etc/gopherops/go-environment.sh has owner 0:0, mode 0666 instead of owner 0:0, mode 0644",
)
RULES = (OTHER_RIGHTS,)


def findings(scene: Scene) -> t.Iterator[Finding]:
    for path in OWN_FOLDERS:
        yield from _finding(path, wrong_folder(path))
    for file in _own_files(scene.declaration).values():
        try:
            with acting_as(file.actor):
                rights = wrong_rights(file)
        except OSError:
            continue  # It has gone meanwhile, or its user may not look there, which the contexts tell.
        yield from _finding(file.path, rights, file.owner.name if file.owner else "")


def _own_files(declaration: Declaration) -> dict[str, ManagedFile]:
    found: dict[str, ManagedFile] = {}
    for context in CONTEXTS:
        files = (file for file in files_of(context, declaration) if file.whole)
        # What there shall not be has no rights to keep.
        found.update({file.path: file for file in files if file.content(None) is not None})
    return found


def _finding(path: str, rights: tuple[Rights, Rights] | None, user: str = "") -> t.Iterator[Finding]:
    if rights:
        cause = f"{path} has {rights[0]} instead of {rights[1]}"
        yield Finding(OTHER_RIGHTS, cause, Remedy(CONVERGE), user, source=Source("file", path), subject=path)
