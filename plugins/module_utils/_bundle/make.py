# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a bundle: fetches, builds and downloads in a temporary directory, and writes the bundle in one step."""

from __future__ import annotations

import json
import os
import tempfile
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import find_account
from .._host.disk_space import full_disk_error
from .._host.files import Changes
from .._host.tempdirs import find_abandoned, remove_abandoned, temporary_directory
from .._toolchain.staging import note_leftovers
from .._tools.build_directory import open_build_directory
from .archive import open_bundle, tempdir_location, write_bundle
from .contents import BundleContents, BundleSources
from .manifest import DIRECTORIES, Manifest, digest_of_text
from .request import ExpectedBundle
from .signature import is_signed_by, sign_manifest

# Of the temporary directory for making a bundle.
_PREFIX = "go-bundle-making-"
# Seconds to remove a module cache of any size.
_REMOVAL_SECONDS = 1800.0
# Bytes that go's caches need in the work directory.
_NEEDED = 2 << 30


class BundleTarget(t.NamedTuple):
    """The bundle's path, the file of the signing key (empty: unsigned), and the directory to work in (empty: /tmp).

    ``build_user`` is the account that runs go if this process is root.
    """

    file: str
    signing_key: str
    work_dir: str
    build_user: str


class _CurrentBundle(t.NamedTuple):
    """The existing bundle: its manifest, its digest, whether it is signed as declared; ``state`` for the diff."""

    manifest: Manifest | None
    sha256: str
    signed: bool
    state: str


def make_bundle(
    expected: ExpectedBundle, target: BundleTarget, sources: BundleSources, *, check: bool
) -> dict[str, t.Any]:
    """Make the bundle unless it exists, complete, with the same inputs and signed as declared; return the result.

    Raises DevserverError on any failure, and leaves the previous bundle.
    """
    _check_target(target)
    inputs = json.loads(json.dumps(expected.inputs()))
    current, changes = _inspect(target), Changes()
    same = current.manifest is not None and current.manifest.inputs == inputs
    changes.add(target.file, current.state, _dump(inputs))
    if same and not current.signed:
        # Only a bundle made by this run is signed: the origin of an existing one without a signature is unknown.
        changes.add(f"{target.file}: signature", "none, or by another key\n", f"by {target.signing_key}\n")
    manifest, sha256 = current.manifest, current.sha256
    outdated = bool(changes)
    note_leftovers(find_abandoned(*tempdir_location(target.file)), changes)
    if outdated:
        # Also in check mode, and before all downloads and builds.
        for release in [*expected.releases, *expected.builders.values()]:
            sources.list_offers(release)
        if target.signing_key:
            sign_manifest("", target.signing_key)
    if changes and not check:
        try:
            remove_abandoned(*tempdir_location(target.file))
            if outdated:
                manifest, sha256 = _write(expected, target, sources, inputs)
        except OSError as error:
            raise _unusable(error, target) from error
    return dict(changes.result(), **_result(None if outdated and check else manifest, sha256, target))


def _check_target(target: BundleTarget) -> None:
    if not os.path.isabs(target.file) or not os.path.isdir(os.path.dirname(target.file)):
        raise DevserverError(
            f"devserver_bundle_file (file) is {target.file!r}",
            expected="an absolute path in an existing directory",
            remedy="make the directory, or correct devserver_bundle_file (file)",
        )
    if target.signing_key and not os.path.isfile(target.signing_key):
        raise DevserverError(
            f"bundle_signing_key (signing_key) is {target.signing_key}, and there is no such file",
            expected="a file with an ssh key",
            remedy="make one with ssh-keygen -t ed25519, or correct bundle_signing_key (signing_key)",
        )


def _inspect(target: BundleTarget) -> _CurrentBundle:
    if not os.path.lexists(target.file):
        return _CurrentBundle(None, "", False, "")
    try:
        with open_bundle(target.file) as bundle:
            for entry in bundle.manifest.files:
                bundle.files.verify(entry)
    except DevserverError:
        return _CurrentBundle(None, "", False, "not a complete bundle\n")
    signed = not target.signing_key or is_signed_by(bundle.text, bundle.signature, target.signing_key)
    return _CurrentBundle(bundle.manifest, bundle.sha256, signed, _dump(bundle.manifest.inputs))


def _dump(inputs: t.Mapping[str, t.Any]) -> str:
    return json.dumps(inputs, indent=1, sort_keys=True) + "\n"


def _write(
    expected: ExpectedBundle, target: BundleTarget, sources: BundleSources, inputs: dict[str, t.Any]
) -> tuple[Manifest, str]:
    """Write the bundle; return its manifest and digest."""
    account = find_account(target.build_user) if os.geteuid() == 0 else None
    parent = target.work_dir or tempfile.gettempdir()
    with temporary_directory(parent, _PREFIX, seconds=_REMOVAL_SECONDS) as scratch, open_build_directory(
        scratch.path, account, scratch.lock
    ) as directory:
        contents = BundleContents(directory, sources)
        contents.collect(expected)
        manifest = Manifest(inputs, contents.entries)
        text = manifest.text()
        signature = sign_manifest(text, target.signing_key) if target.signing_key else ""
        write_bundle(target.file, text, signature, contents.files)
    return manifest, digest_of_text(text)


def _result(manifest: Manifest | None, sha256: str, target: BundleTarget) -> dict[str, t.Any]:
    """Return the module's result; ``manifest`` is None if the bundle would be made, in check mode."""
    kinds = {kind: manifest.of_kind(kind) for kind in DIRECTORIES} if manifest else {}
    return {
        "file": target.file,
        "manifest_sha256": sha256 if manifest else None,
        "contents": {
            kind: {"files": len(entries), "bytes": sum(entry.size for entry in entries)}
            for kind, entries in kinds.items()
        },
    }


def _unusable(error: OSError, target: BundleTarget) -> DevserverError:
    paths = [target.file, target.work_dir or tempfile.gettempdir()]
    remedy = "set devserver_bundle_file (file) and bundle_work_dir (work_dir) to directories on another file system"
    return full_disk_error(error, f"make the bundle {target.file}", paths, _NEEDED, remedy) or DevserverError(
        f"cannot make the bundle: {error.filename or target.file}: {error.strerror}",
        expected="paths that this user can write to, with 2 GB of free space in the work directory",
        remedy="correct devserver_bundle_file (file) or bundle_work_dir (work_dir)",
        path=error.filename or target.file,
    )
