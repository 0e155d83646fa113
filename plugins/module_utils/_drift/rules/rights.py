# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may read and change the collection's own files."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import CONVERGE, Snapshot, files_of
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import CONTEXTS, OWN_FOLDERS
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import (
    ManagedFile,
    Rights,
    foreignness,
    giving,
    wrong_folder,
    wrong_rights,
)

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
NOT_THE_USERS = Rule(
    "GD109",
    "error",
    "A file of a user's own is not the user's",
    "Provisioning stops before it has written anything, and `go env -w` of the user fails.",
    why="""\
Files such as `~/.config/go/env` and settings of editors are written with the rights of their user, and keep the owner
and group that they have. That takes a file that is the user's, with a group of the user's. `sudo go env -w` leaves one
that is root's. Outside of the home, as in a checkout that several share, only a file that is to be changed is
judged.""",
    mend="`chown NAME: PATH` as the cause names them, where the file shall be that user's. Then provision again.",
    example="/home/alice/.config/go/env belongs to uid 0, so it cannot be written for user alice",
)
RULES = (OTHER_RIGHTS, NOT_THE_USERS)


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    for path in OWN_FOLDERS:
        yield from _finding(path, wrong_folder(path))
    for file in _own_files(snapshot.declaration).values():
        try:
            with acting_as(file.actor):
                rights = wrong_rights(file)
        except OSError:
            continue  # It has gone meanwhile, or its user may not look there, which the contexts tell.
        yield from _finding(file.path, rights, file.owner.name if file.owner else "")
    yield from _not_the_users(snapshot.declaration)


def _not_the_users(declaration: Declaration) -> t.Iterator[Finding]:
    files = (file for context in CONTEXTS for file in files_of(context, declaration) if file.actor and not file.whole)
    # Of one path the last counts, as where it is written.
    for file in {file.path: file for file in files}.values():
        foreign, user = _foreignness(file, declaration), file.owner.name if file.owner else ""
        if foreign:
            cause = f"{file.path} {foreign}, so it cannot be written for user {user}"
            mend = Remedy(giving(file.path, user))
            yield Finding(NOT_THE_USERS, cause, mend, user, source=Source("file", file.path), subject=file.path)


def _foreignness(file: ManagedFile, declaration: Declaration) -> str:
    try:
        with acting_as(file.actor):
            told = _to_be_changed(file) or _in_home(file, declaration)
            return foreignness(file) if told else ""
    except (OSError, DevserverError):
        return ""  # It has gone meanwhile, or its user cannot read it, which the contexts tell.


def _in_home(file: ManagedFile, declaration: Declaration) -> bool:
    owners = (user.account for user in declaration.users if user.account == file.owner)
    return any(file.path.startswith(owner.home.rstrip("/") + "/") for owner in owners)


def _to_be_changed(file: ManagedFile) -> bool:
    now = read_text(file.path)
    return file.content(now) != now


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
