# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a bundle's files on a host: toolchains of its platform, modules and extensions, and beside them the manifest.

The manifest is the receipt: it is removed before the first file is exchanged and put there after the last. While it is
away a journal lists what may lie here, so that what a kill interrupts is ended by the next run.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.archive import MANIFEST, open_files
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.manifest import (
    FOLDERS,
    Entry,
    digest_of_text,
    is_inside,
    parse,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.destinations import check_own_directory
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import (
    LARGEST,
    Changes,
    read_text,
    remove,
    sha256_of_file,
    sync_filesystem,
    write_text,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.lock import locked_folder
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import Platform

_JOURNAL = ".journal"
_INCOMING = ".incoming-"
# The last two are those of files that are just being written.
_TEMPORARY = (_JOURNAL, _INCOMING, f".{_JOURNAL}.", f".{MANIFEST}.")
# Seconds to wait for another run.
_LOCK_WAIT = 600.0
# Tools come to a host by the controller's cache.
_KINDS = ("toolchain", "module", "extension")


class Wish(t.NamedTuple):
    """What a host shall have: below ``root`` the files that the ``manifest`` (its text) lists for the ``platform``.

    ``verify`` reads every file; else one that has the size and the time with which it was placed is taken for right.
    """

    root: str
    manifest: str
    platform: Platform
    verify: bool


class Outcome(t.NamedTuple):
    """What changed, or would; the paths of the files that have to be brought for that."""

    changes: Changes
    wanted: list[str]


class _Plan(t.NamedTuple):
    missing: list[Entry]
    surplus: list[str]
    leftovers: list[str]
    changes: Changes


def receipt_of(root: str, sha256: str) -> str | None:
    """Return the manifest of the bundle that was placed last, where its SHA-256 is ``sha256``; else None."""
    text = read_text(_manifest(root))
    return text if text is not None and digest_of_text(text) == sha256 else None


def place_bundle(wish: Wish, delivered: str, *, ask: bool, check: bool) -> Outcome:
    """Bring the host to what is wished, by the files in the tar ``delivered``.

    Where files are missing and it is to ``ask``, or in ``check`` mode, it only says what it would change. Raises
    DevserverError, with the host as it was, unless the filesystem fails while files are renamed.
    """
    entries = _for_host(wish)
    try:
        check_own_directory("devserver_bundle_root (root)", wish.root)
        plan = _plan(wish, entries)
        if plan.changes and not check and not (ask and plan.missing):
            with locked_folder(wish.root, timeout=_LOCK_WAIT):
                # Another run may have done the work while this one waited.
                plan = _plan(wish, entries)
                if plan.changes:
                    _carry_out(wish, entries, plan, delivered)
    except OSError as error:
        raise _unusable(error, wish.root) from error
    return Outcome(plan.changes, [entry.path for entry in plan.missing])


def _for_host(wish: Wish) -> list[Entry]:
    entries = [entry for entry in parse(wish.manifest).files if entry.kind in _KINDS]
    platforms = {entry.platform for entry in entries if entry.kind == "toolchain"}
    if platforms and wish.platform.archive not in platforms:
        raise DevserverError(
            f"the bundle has no Go for {wish.platform.archive}, which this host is",
            expected=", ".join(sorted(platforms)),
            remedy="add the platform to bundle_platforms and make the bundle anew",
        )
    return [entry for entry in entries if entry.platform in ("", wish.platform.archive)]


def _plan(wish: Wish, entries: t.Sequence[Entry]) -> _Plan:
    receipt = read_text(_manifest(wish.root))
    listed = _listed(receipt)
    known = {} if wish.verify else listed
    missing = [entry for entry in entries if not _is_there(wish.root, entry, known)]
    kept = {entry.path for entry in entries}
    former = {*listed, *_journaled(wish.root)} - kept
    surplus = sorted(path for path in former if os.path.lexists(os.path.join(wish.root, path)))
    leftovers = _leftovers(wish.root)
    changes = Changes()
    for leftover in leftovers:
        changes.add(leftover, "left by an interrupted run\n", "")
    _note(wish.root, missing, surplus, changes)
    changes.add(_manifest(wish.root), _described(receipt), _described(wish.manifest))
    return _Plan(missing, surplus, leftovers, changes)


def _manifest(root: str) -> str:
    return os.path.join(root, MANIFEST)


def _described(manifest: str | None) -> str:
    return f"sha256 {digest_of_text(manifest)}\n" if manifest is not None else ""


def _listed(receipt: str | None) -> dict[str, str]:
    try:
        return {entry.path: entry.sha256 for entry in parse(receipt or "{}").files}
    except DevserverError:
        return {}


def _journaled(root: str) -> list[str]:
    """Return what an interrupted run may have left in the bundle's folders; nothing where none was interrupted."""
    try:
        # It lists what is in two manifests and what the journal before it did.
        paths = json.loads(read_text(os.path.join(root, _JOURNAL), largest=4 * LARGEST) or "[]")
    except ValueError:
        return []
    return [path for path in paths if isinstance(path, str) and is_inside(path)] if isinstance(paths, list) else []


def _leftovers(root: str) -> list[str]:
    if not os.path.isdir(root):
        return []
    return sorted(entry.path for entry in os.scandir(root) if entry.name.startswith(_TEMPORARY))


def _is_there(root: str, entry: Entry, known: t.Mapping[str, str]) -> bool:
    path = os.path.join(root, entry.path)
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    own = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o644
    if not own or status.st_size != entry.size:
        return False
    # Files are placed with the time zero: another one shows that somebody wrote to it.
    return (known.get(entry.path) == entry.sha256 and status.st_mtime_ns == 0) or sha256_of_file(path) == entry.sha256


def _note(root: str, missing: t.Sequence[Entry], surplus: t.Sequence[str], changes: Changes) -> None:
    """Note what changes in each of the folders, in one diff for all of its files."""
    for kind in _KINDS:
        folder = FOLDERS[kind] + "/"
        new = [entry for entry in missing if entry.kind == kind]
        former = [f"{path}\n" for path in surplus if path.startswith(folder)]
        other = [f"{entry.path}, other content\n" for entry in new if os.path.lexists(os.path.join(root, entry.path))]
        changes.add(os.path.join(root, folder), "".join(sorted(former + other)), "".join(e.line() for e in new))


def _carry_out(wish: Wish, entries: t.Sequence[Entry], plan: _Plan, delivered: str) -> None:
    journal = sorted(
        {entry.path for entry in entries} | set(plan.surplus) | set(_listed(read_text(_manifest(wish.root))))
    )
    with tempfile.TemporaryDirectory(prefix=_INCOMING, dir=wish.root) as stage:
        staged = _staged(plan.missing, delivered, stage) if plan.missing else {}
        _write(os.path.join(wish.root, _JOURNAL), json.dumps(journal) + "\n")
        if os.path.lexists(_manifest(wish.root)):
            os.unlink(_manifest(wish.root))
        for name, source in staged.items():
            place = os.path.join(wish.root, name)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.replace(source, place)
    for name in plan.surplus:
        _discard(wish.root, name)
    sync_filesystem(wish.root)
    _write(_manifest(wish.root), wish.manifest)
    for leftover in _leftovers(wish.root):
        remove(leftover)


def _staged(missing: t.Sequence[Entry], delivered: str, stage: str) -> dict[str, str]:
    """Write what was delivered into the folder ``stage``; return the files there by the paths that they are for."""
    if not delivered:
        raise DevserverError(
            f"{missing[0].path} went missing after the host had been asked what it lacks of the bundle",
            remedy="run again; nothing was changed",
        )
    staged = {}
    with open_files(delivered) as files:
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
    """Remove a file, and the folders that are empty then."""
    remove(os.path.join(root, name))
    folder = os.path.dirname(name)
    while folder and not os.listdir(os.path.join(root, folder)):
        os.rmdir(os.path.join(root, folder))
        folder = os.path.dirname(folder)


def _unusable(error: OSError, root: str) -> DevserverError:
    path = error.filename or root
    return DevserverError(
        f"cannot use {path}: {error.strerror}",
        expected="a place that this user may write, with room for the bundle",
        remedy="use become, or another devserver_bundle_root (root)",
        path=path,
    )
