# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of the toolchains: one tree for each version, beside it the list of its files and its record.

A toolchain counts as present only with its install record. The record is removed before a tree is exchanged and
written after it, so a kill at any moment leaves a complete tree, or one that the next run replaces.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._host.command import SYSTEM_PATH, run
from .._host.destinations import GO_TREE, LOCK, is_filled, is_go_tree, rejection
from .._host.files import read_text, sync_directory
from .._host.lock import locked_directory
from .._host.symlinks import leads_below
from .exchange import exchange_directories
from .filelist import Differences, compare, digest_of, find_exposed, parse, scan
from .platform import Platform
from .requirements import version_key
from .staging import find_leftovers, staging_directory

# Seconds to wait for another run that is installing.
LOCK_TIMEOUT = 600.0

_STAGE = ".installing-"


class InstallRecord(t.NamedTuple):
    """Where an installed toolchain came from; ``location`` without credentials, ``bytes`` of the file fetched.

    ``files`` is the digest of the list of its files.
    """

    version: str
    platform: str
    source: str
    location: str
    digest: str
    bytes: int
    files: str


class Staged(t.NamedTuple):
    """A complete tree in a staging directory, and the files that go beside it."""

    tree: str
    files: str
    record: InstallRecord

    def write(self) -> None:
        """Write the list and the record beside the tree, so that they need a rename only."""
        content = json.dumps(self.record._asdict(), indent=2, sort_keys=True) + "\n"
        for path, text in ((self.tree + ".files", self.files), (self.tree + ".json", content)):
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)


class ToolchainStore:
    """The toolchains below the directory ``root``."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, version: str) -> str:
        return os.path.join(self.root, version)

    def intact_record(self, version: str, platform: Platform) -> InstallRecord | None:
        """Return the record of a toolchain that is complete and of exactly this version; else None."""
        record = self._record(version)
        tree = self.path(version)
        if record is None or record.platform != platform.archive or os.path.islink(tree):
            return None
        return record if find_fault(tree, version, platform) is None else None

    def newest_go(self, platform: Platform) -> str:
        """Return the path of the go of the newest toolchain that is complete; empty if there is none."""
        versions = [record.version for record in self.records() if self.intact_record(record.version, platform)]
        newest = max(versions, key=version_key, default="")
        return os.path.join(self.path(newest), "bin/go") if newest else ""

    def check_place(self, version: str) -> None:
        """Raise DevserverError where something else than a toolchain would be replaced by this version."""
        tree = self.path(version)
        replaceable = os.path.islink(tree) or not os.path.lexists(tree) or is_go_tree(tree)
        # A kill may have left only one of the two beside a tree that was broken before.
        if not replaceable and not any(os.path.isfile(tree + suffix) for suffix in (".json", ".files")):
            raise rejection("devserver_toolchain_root (root)", tree, GO_TREE.expected)

    def records(self) -> list[InstallRecord]:
        """Return the records that are here, even if their trees are broken."""
        if not os.path.lexists(self.root):
            return []
        names = sorted(entry.name for entry in os.scandir(self.root) if entry.name.endswith(".json"))
        return [record for record in (self._record(name[: -len(".json")]) for name in names) if record]

    def trees(self) -> list[str]:
        """Return the trees that this collection has made, also those that a kill has left without a record."""
        names = sorted(os.listdir(self.root)) if os.path.isdir(self.root) else []
        versions = {name.rpartition(".")[0] for name in names if name.endswith((".json", ".files"))}
        return [self.path(version) for version in sorted(versions)]

    def remove_lock(self) -> None:
        """Remove the lock file that this process holds, if nothing else is in the directory."""
        if os.listdir(self.root) == [LOCK]:
            os.unlink(os.path.join(self.root, LOCK))

    def _record(self, version: str) -> InstallRecord | None:
        try:
            content = json.loads(read_text(self.path(version) + ".json") or "null")
            record = InstallRecord(**{name: content[name] for name in InstallRecord._fields})
        except (ValueError, TypeError, KeyError):
            return None
        return record if record.version == version else None

    def leftovers(self) -> list[str]:
        """Return the temporary directories of runs that were killed, or of one that is running."""
        return find_leftovers(self.root, _STAGE)

    def locked(self) -> t.ContextManager[object]:
        """Exclude other runs; raise DevserverError if one holds the lock for more than LOCK_TIMEOUT seconds."""
        return locked_directory(self.root, timeout=LOCK_TIMEOUT)

    def stage(self) -> t.ContextManager[str]:
        """Create a temporary directory on the store's own filesystem, and remove it at the end."""
        return staging_directory(self.root, _STAGE)

    def put(self, staged: Staged) -> None:
        """Move what is staged to its place; the previous tree moves into the staging directory."""
        path = self.path(staged.record.version)
        # First, so that at any moment a file beside the tree shows that this collection may replace it.
        os.replace(staged.tree + ".files", path + ".files")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + ".json")
        exchange_directories(staged.tree, path)
        sync_directory(self.root)
        os.replace(staged.tree + ".json", path + ".json")
        sync_directory(self.root)

    def differences(self, record: InstallRecord, *, quick: bool = False) -> Differences:
        """Compare a tree with the list of its files; if the list is not the recorded one, it is the difference.

        What users other than root and the owner of the store can write to counts as changed. A ``quick`` comparison
        reads only the files that were changed after the installation: nobody can set the time of that back.
        """
        tree = self.path(record.version)
        text = read_text(tree + ".files")
        if text is None or digest_of(text) != record.files:
            name = f"../{record.version}.files"
            return Differences(changed=[name] if text else [], added=[], missing=[] if text else [name])
        recorded = parse(text)
        installed = os.stat(tree + ".json").st_ctime_ns
        current = scan(tree, recorded, installed) if quick else scan(tree)
        return compare(recorded, current, find_exposed(tree, os.stat(self.root).st_uid))

    def discard(self, version: str) -> None:
        """Remove a toolchain, then its record, so that the next run completes what a kill interrupts."""
        with self.stage() as stage:
            for suffix in ("", ".files"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self.path(version) + suffix, os.path.join(stage, f"tree{suffix}"))
            sync_directory(self.root)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(version) + ".json")


def own_places(roots: t.Iterable[str], links: t.Iterable[str]) -> list[str]:
    """Return the places below which the links of the collection lead: ``roots``, and those ``links`` that are its own.

    A Go that somebody has unpacked in the place of a link has links of its own. Where nothing is, such links are the
    collection's only beside its toolchains.
    """
    roots = list(roots)
    filled = any(map(is_filled, roots))
    return [*roots, *(link for link in links if leads_below(link, roots) or (filled and not os.path.lexists(link)))]


def find_fault(tree: str, version: str, platform: Platform) -> str | None:
    """Return why ``tree`` is not the toolchain ``version``, by its VERSION file and its own ``go``; None if it is."""
    named = version_named(tree)
    if named != version:
        return f"its VERSION file names {f'go{named}' if named else 'no version'}"
    go = os.path.join(tree, "bin", "go")
    if not os.access(go, os.X_OK):
        return "bin/go is missing or not executable"
    try:
        completed = run([go, "version"], env={"PATH": SYSTEM_PATH, "GOTOOLCHAIN": "local", "GOENV": "off"}, timeout=60)
    except DevserverError as error:
        return error.problem
    expected = f"go version go{version} {platform.reported}"
    if completed.ok and completed.stdout.strip() == expected:
        return None
    return f"go version reports {(completed.stdout + completed.stderr).strip()!r}, not {expected!r}"


def version_named(tree: str) -> str | None:
    """Return the version in a tree's VERSION file, without the prefix ``go``; None if it cannot be read."""
    try:
        match = re.match(r"go(\S+)", read_text(os.path.join(tree, "VERSION")) or "")
        return match.group(1) if match and version_key(match.group(1)) else None
    except (DevserverError, ValueError):
        return None
