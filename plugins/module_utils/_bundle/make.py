# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a bundle: fetches, builds and downloads in a workshop what is declared, and writes it in one step."""

from __future__ import annotations

import json
import os
import tempfile
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.archive import (
    open_bundle,
    scratch_of,
    write_bundle,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.contents import Contents, Means, check_sources
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.goal import Goal
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.manifest import (
    FOLDERS,
    Manifest,
    digest_of_text,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.signature import (
    check_key,
    sign,
    signed_by_key,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes
from ansible_collections.gopherops.devserver.plugins.module_utils._host.tempdirs import (
    abandoned,
    remove_abandoned,
    scratch_folder,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.workshop import open_workshop

# Of the folder that it is made in.
_PREFIX = "go-bundle-making-"


class Place(t.NamedTuple):
    """The bundle's path, the file of the key that signs it (none where empty), and where to work (where empty: /tmp).

    ``build_user`` is the account that runs go where this process is root.
    """

    file: str
    signing_key: str
    work_dir: str
    build_user: str


class _Former(t.NamedTuple):
    """The bundle that is there: its manifest, its digest, whether it is signed as asked; ``state`` for the diff."""

    manifest: Manifest | None
    sha256: str
    signed: bool
    state: str


def make_bundle(goal: Goal, place: Place, means: Means, *, check: bool) -> dict[str, t.Any]:
    """Make the bundle unless it is there, made from the same inputs, whole and signed as asked; return the result.

    Where anything fails DevserverError is raised, and the former bundle stays.
    """
    _check_places(place)
    inputs = json.loads(json.dumps(goal.inputs()))
    former, changes = _look(place), Changes()
    same = former.manifest is not None and former.manifest.inputs == inputs
    changes.add(place.file, former.state, _lines(inputs))
    if same and not former.signed:
        # What is signed was made by that run: nobody vouches for what lies here without a signature.
        changes.add(f"{place.file}: signature", "none, or by another key\n", f"by {place.signing_key}\n")
    manifest, sha256 = former.manifest, former.sha256
    wanted = bool(changes)
    for rest in abandoned(*scratch_of(place.file)):
        changes.add(rest, "left by an interrupted run\n", "")
    if wanted:
        _check_means(goal, place, means)
    if changes and not check:
        try:
            remove_abandoned(*scratch_of(place.file))
            if wanted:
                manifest, sha256 = _write(goal, place, means, inputs)
        except OSError as error:
            raise _unusable(error, place) from error
    current = manifest if not (wanted and check) else None
    return dict(changes.result(), **_result(current, sha256, place))


def _check_means(goal: Goal, place: Place, means: Means) -> None:
    """Raise DevserverError for what can be seen to fail before all the downloads and builds."""
    check_sources(goal, means)
    if place.signing_key:
        check_key(place.signing_key)


def _check_places(place: Place) -> None:
    folder = os.path.dirname(place.file)
    if not os.path.isabs(place.file) or not os.path.isdir(folder):
        raise DevserverError(
            f"the bundle is to be {place.file!r}",
            expected="an absolute path in a folder that is there",
            remedy="make the folder, or correct devserver_bundle_file (file)",
        )
    if place.signing_key and not os.path.isfile(place.signing_key):
        raise DevserverError(
            f"there is no key {place.signing_key} to sign with",
            expected="a file with an ssh key",
            remedy="make one by ssh-keygen -t ed25519, or correct bundle_signing_key (signing_key)",
        )


def _look(place: Place) -> _Former:
    if not os.path.lexists(place.file):
        return _Former(None, "", False, "")
    try:
        with open_bundle(place.file) as bundle:
            for entry in bundle.manifest.files:
                bundle.files.verify(entry)
    except DevserverError:
        return _Former(None, "", False, "not a whole bundle\n")
    signed = not place.signing_key or signed_by_key(bundle.text, bundle.signature, place.signing_key)
    return _Former(bundle.manifest, bundle.sha256, signed, _lines(bundle.manifest.inputs))


def _lines(inputs: t.Mapping[str, t.Any]) -> str:
    return json.dumps(inputs, indent=1, sort_keys=True) + "\n"


def _write(goal: Goal, place: Place, means: Means, inputs: dict[str, t.Any]) -> tuple[Manifest, str]:
    """Write the bundle; return its manifest and digest."""
    account = find_account(place.build_user) if os.geteuid() == 0 else None
    with scratch_folder(place.work_dir or tempfile.gettempdir(), _PREFIX) as scratch, open_workshop(
        scratch.path, account, scratch.lock
    ) as workshop:
        contents = Contents(workshop, means)
        contents.collect(goal)
        manifest = Manifest(inputs, contents.entries)
        text = manifest.text()
        signature = sign(text, place.signing_key) if place.signing_key else ""
        write_bundle(place.file, text, signature, contents.files)
    return manifest, digest_of_text(text)


def _result(manifest: Manifest | None, sha256: str, place: Place) -> dict[str, t.Any]:
    """Return what the bundle holds; nothing of that is known where it would only now be made."""
    kinds = {kind: manifest.of_kind(kind) for kind in FOLDERS} if manifest else {}
    return {
        "file": place.file,
        "manifest_sha256": sha256 if manifest else None,
        "contents": {
            kind: {"files": len(entries), "bytes": sum(entry.size for entry in entries)}
            for kind, entries in kinds.items()
        },
    }


def _unusable(error: OSError, place: Place) -> DevserverError:
    return DevserverError(
        f"cannot make the bundle: {error.filename or place.file}: {error.strerror}",
        expected="a place for the bundle that this user may write, and 2 GB of room to work in",
        remedy="use another devserver_bundle_file (file) or bundle_work_dir (work_dir)",
        path=error.filename or place.file,
    )
