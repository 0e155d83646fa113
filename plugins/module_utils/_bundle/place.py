# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places a bundle's files on a host: toolchains of its platform, modules and extensions, beside them the manifest.

The manifest is the install record: it is removed before the first file is replaced, and written after the last.
Meanwhile a journal lists the files that may be here, so that the next run completes what a kill interrupts.
"""

from __future__ import annotations

import json
import os
import stat
import typing as t

from .._core.errors import DevserverError
from .._host.destinations import check_own_directory
from .._host.disk_space import full_disk_error
from .._host.files import LARGEST, Changes, read_text, remove, sha256_of_file, sync_filesystem, write_text
from .._host.lock import locked_directory
from .._toolchain.platform import Platform
from .._toolchain.staging import find_leftovers, note_leftovers, staging_directory
from .archive import MANIFEST, open_transfer
from .manifest import DIRECTORIES, Entry, digest_of_text, is_inside, parse_manifest

_JOURNAL = ".journal"
_INCOMING = ".incoming-"
# The last two are prefixes of files that are being written.
_TEMPORARY = (_JOURNAL, _INCOMING, f".{_JOURNAL}.", f".{MANIFEST}.")
# Seconds to wait for another run.
_LOCK_WAIT = 600.0
# Hosts get the tools from the controller's cache.
_KINDS = ("toolchain", "module", "extension")


class ExpectedFiles(t.NamedTuple):
    """The files below ``root`` that the ``manifest`` (its text) lists for the ``platform``.

    ``verify`` reads every file; without it, a file with the size and time it was placed with counts as unchanged.
    """

    root: str
    manifest: str
    platform: Platform
    verify: bool


class PlacementResult(t.NamedTuple):
    """What changed, or would change, and the paths of the files that were missing."""

    changes: Changes
    missing: list[str]


class _PlacementPlan(t.NamedTuple):
    missing: list[Entry]
    surplus: list[str]
    changes: Changes


def find_manifest(root: str, sha256: str) -> str | None:
    """Return the manifest of the placed bundle if its SHA-256 is ``sha256``; else None."""
    text = read_text(_manifest_path(root))
    return text if text is not None and digest_of_text(text) == sha256 else None


def place_bundle(expected: ExpectedFiles, transfer: str, *, report_missing: bool, check: bool) -> PlacementResult:
    """Place the expected files, with the missing ones from the tar ``transfer``, and remove those of earlier bundles.

    With ``report_missing`` nothing changes if files are missing, and with ``check`` nothing at all. Raises
    DevserverError with the host unchanged, unless the filesystem fails while files are renamed.
    """
    missing = entries = _select_entries(expected)
    try:
        check_own_directory("devserver_bundle_root (root)", expected.root)
        plan = _plan(expected, entries)
        missing = plan.missing
        if plan.changes and not check and not (report_missing and plan.missing):
            with locked_directory(expected.root, timeout=_LOCK_WAIT):
                # Another run may have done the work while this one waited.
                plan = _plan(expected, entries)
                if plan.changes:
                    _apply(expected, entries, plan, transfer)
    except OSError as error:
        needed = sum(entry.size for entry in missing)
        raise _unusable(error, expected.root, needed) from error
    return PlacementResult(plan.changes, [entry.path for entry in plan.missing])


def _select_entries(expected: ExpectedFiles) -> list[Entry]:
    entries = [entry for entry in parse_manifest(expected.manifest).files if entry.kind in _KINDS]
    platforms = {entry.platform for entry in entries if entry.kind == "toolchain"}
    if platforms and expected.platform.archive not in platforms:
        raise DevserverError(
            f"the bundle has no Go for {expected.platform.archive}, the platform of this host",
            expected=", ".join(sorted(platforms)),
            remedy="add the platform to bundle_platforms, and make the bundle again",
        )
    return [entry for entry in entries if entry.platform in ("", expected.platform.archive)]


def _plan(expected: ExpectedFiles, entries: t.Sequence[Entry]) -> _PlacementPlan:
    record = read_text(_manifest_path(expected.root))
    recorded = _list_recorded(record)
    trusted = {} if expected.verify else recorded
    missing = [entry for entry in entries if not _is_present(expected.root, entry, trusted)]
    previous = {*recorded, *_read_journal(expected.root)} - {entry.path for entry in entries}
    surplus = sorted(path for path in previous if os.path.lexists(os.path.join(expected.root, path)))
    changes = Changes()
    note_leftovers(find_leftovers(expected.root, *_TEMPORARY), changes)
    _note_files(expected.root, missing, surplus, changes)
    changes.add(_manifest_path(expected.root), _describe(record), _describe(expected.manifest))
    return _PlacementPlan(missing, surplus, changes)


def _manifest_path(root: str) -> str:
    return os.path.join(root, MANIFEST)


def _describe(manifest: str | None) -> str:
    return f"sha256 {digest_of_text(manifest)}\n" if manifest is not None else ""


def _list_recorded(record: str | None) -> dict[str, str]:
    try:
        return {entry.path: entry.sha256 for entry in parse_manifest(record or "{}").files}
    except DevserverError:
        return {}


def _read_journal(root: str) -> list[str]:
    """Return the files that an interrupted run may have left; an empty list if none was interrupted."""
    try:
        # It lists the files of two manifests, and those of the journal before it.
        paths = json.loads(read_text(os.path.join(root, _JOURNAL), largest=4 * LARGEST) or "[]")
    except ValueError:
        return []
    return [path for path in paths if isinstance(path, str) and is_inside(path)] if isinstance(paths, list) else []


def _is_present(root: str, entry: Entry, trusted: t.Mapping[str, str]) -> bool:
    path = os.path.join(root, entry.path)
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    valid = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o644
    if not valid or status.st_size != entry.size:
        return False
    # Files are placed with the time zero: another time means that the file was written to.
    return (trusted.get(entry.path) == entry.sha256 and status.st_mtime_ns == 0) or sha256_of_file(path) == entry.sha256


def _note_files(root: str, missing: t.Sequence[Entry], surplus: t.Sequence[str], changes: Changes) -> None:
    """Note the changes in each directory, in one diff for all of its files."""
    for kind in _KINDS:
        directory = DIRECTORIES[kind] + "/"
        new = [entry for entry in missing if entry.kind == kind]
        before = [f"{path}\n" for path in surplus if path.startswith(directory)]
        before += [f"{entry.path}, other content\n" for entry in new if os.path.lexists(os.path.join(root, entry.path))]
        changes.add(os.path.join(root, directory), "".join(sorted(before)), "".join(entry.line() for entry in new))


def _apply(expected: ExpectedFiles, entries: t.Sequence[Entry], plan: _PlacementPlan, transfer: str) -> None:
    recorded = _list_recorded(read_text(_manifest_path(expected.root)))
    journal = sorted({*(entry.path for entry in entries), *plan.surplus, *recorded})
    with staging_directory(expected.root, _INCOMING) as stage:
        staged = _stage(plan.missing, transfer, stage) if plan.missing else {}
        _write(os.path.join(expected.root, _JOURNAL), json.dumps(journal) + "\n")
        if os.path.lexists(_manifest_path(expected.root)):
            os.unlink(_manifest_path(expected.root))
        for name, source in staged.items():
            path = os.path.join(expected.root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.replace(source, path)
    for name in plan.surplus:
        _discard(expected.root, name)
    sync_filesystem(expected.root)
    _write(_manifest_path(expected.root), expected.manifest)
    for leftover in find_leftovers(expected.root, *_TEMPORARY):
        remove(leftover)


def _stage(missing: t.Sequence[Entry], transfer: str, stage: str) -> dict[str, str]:
    """Extract the tar ``transfer`` into the directory ``stage``; return the files there by their final paths."""
    if not transfer:
        raise DevserverError(
            f"{missing[0].path} has disappeared since the host reported its missing files",
            expected="files that no other process changes during the run",
            remedy="run again; nothing was changed",
        )
    staged = {}
    with open_transfer(transfer) as files:
        for number, entry in enumerate(missing):
            path = staged[entry.path] = os.path.join(stage, str(number))
            files.extract(entry, path)
            os.chmod(path, 0o644)
            os.utime(path, (0, 0))
    sync_filesystem(stage)
    return staged


def _write(path: str, text: str) -> None:
    write_text(path, text, mode=0o644, uid=os.geteuid(), gid=os.getegid(), keep=False)


def _discard(root: str, name: str) -> None:
    """Remove a file, and the directories that are empty without it."""
    remove(os.path.join(root, name))
    directory = os.path.dirname(name)
    while directory and not os.listdir(os.path.join(root, directory)):
        os.rmdir(os.path.join(root, directory))
        directory = os.path.dirname(directory)


def _unusable(error: OSError, root: str, needed: int) -> DevserverError:
    path = error.filename or root
    remedy = "set devserver_bundle_root (root) to a directory on another file system"
    return full_disk_error(error, f"place the bundle in {root}", [root], needed, remedy) or DevserverError(
        f"cannot use {path}: {error.strerror}",
        expected="a path that this user can write to, with free space for the bundle",
        remedy="set become: true, or choose another devserver_bundle_root (root)",
        path=path,
    )
