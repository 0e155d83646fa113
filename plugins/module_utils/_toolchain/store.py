# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder that holds the toolchains: one tree for each version, beside it the list of its files and its receipt.

A toolchain counts as present only with its receipt. The receipt is removed before a tree is exchanged and put there
after it, so a kill at any moment leaves a tree that is whole, or one that the next run replaces.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import SYSTEM_PATH, run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.destinations import (
    GO_TREE,
    is_go_tree,
    rejection,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text, remove, sync_directory
from ansible_collections.gopherops.devserver.plugins.module_utils._host.lock import locked_folder
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.exchange import swap
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.filelist import (
    Differences,
    compare,
    digest_of,
    exposed,
    parse,
    scan,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import Platform
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.requirements import order

# Seconds to wait for another run that is installing.
LOCK_WAIT = 600.0

_STAGE = ".installing-"


class Receipt(t.NamedTuple):
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
    """A finished tree that lies in a stage, and what goes beside it."""

    tree: str
    files: str
    receipt: Receipt

    def write(self) -> None:
        """Write the list and the receipt beside the tree, so that they need a rename only."""
        content = json.dumps(self.receipt._asdict(), indent=2, sort_keys=True) + "\n"
        for path, text in ((self.tree + ".files", self.files), (self.tree + ".json", content)):
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)


class Store:
    """The toolchains below the folder ``root``."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, version: str) -> str:
        return os.path.join(self.root, version)

    def present(self, version: str, platform: Platform) -> Receipt | None:
        """Return the receipt of a toolchain that is there, whole and of exactly this version; else None."""
        receipt = self._receipt(version)
        tree = self.path(version)
        if receipt is None or receipt.platform != platform.archive or os.path.islink(tree):
            return None
        return receipt if fault(tree, version, platform) is None else None

    def check_place(self, version: str) -> None:
        """Raise DevserverError where something else than a toolchain would be replaced by this version."""
        tree = self.path(version)
        replaceable = os.path.islink(tree) or not os.path.lexists(tree) or is_go_tree(tree)
        # A kill may have left only one of the two beside a tree that was broken before.
        if not replaceable and not any(os.path.isfile(tree + suffix) for suffix in (".json", ".files")):
            raise rejection("toolchain_root (root)", tree, GO_TREE.expected)

    def installed(self) -> list[Receipt]:
        """Return the receipts that lie here, whatever became of their trees."""
        if not os.path.lexists(self.root):
            return []
        names = sorted(entry.name for entry in os.scandir(self.root) if entry.name.endswith(".json"))
        return [receipt for receipt in (self._receipt(name[: -len(".json")]) for name in names) if receipt]

    def _receipt(self, version: str) -> Receipt | None:
        try:
            content = json.loads(read_text(self.path(version) + ".json") or "null")
            receipt = Receipt(**{name: content[name] for name in Receipt._fields})
        except (ValueError, TypeError, KeyError):
            return None
        return receipt if receipt.version == version else None

    def leftovers(self) -> list[str]:
        """Return the temporary folders of runs that were killed, or of one that is under way."""
        if not os.path.lexists(self.root):
            return []
        return sorted(entry.path for entry in os.scandir(self.root) if entry.name.startswith(_STAGE))

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Keep other runs out; raise DevserverError where one keeps the lock for more than LOCK_WAIT seconds."""
        with locked_folder(self.root, timeout=LOCK_WAIT):
            yield

    @contextlib.contextmanager
    def stage(self) -> t.Iterator[str]:
        """Give a temporary folder on the store's own filesystem; it is gone afterwards."""
        folder = tempfile.mkdtemp(prefix=_STAGE, dir=self.root)
        try:
            yield folder
        finally:
            remove(folder)

    def put(self, staged: Staged) -> None:
        """Move what is staged to its place; what was there moves into the stage."""
        place = self.path(staged.receipt.version)
        # First, so that at any moment something beside the tree says that it is ours to replace.
        os.replace(staged.tree + ".files", place + ".files")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(place + ".json")
        swap(staged.tree, place)
        sync_directory(self.root)
        os.replace(staged.tree + ".json", place + ".json")
        sync_directory(self.root)

    def differences(self, receipt: Receipt) -> Differences:
        """Compare a tree with the list of its files; where that list is not the recorded one, it is the difference.

        What others than root and the owner of the store may write counts as changed.
        """
        tree = self.path(receipt.version)
        text = read_text(tree + ".files")
        if text is None or digest_of(text) != receipt.files:
            name = f"../{receipt.version}.files"
            return Differences([name] if text else [], [], [] if text else [name])
        return compare(parse(text), scan(tree), exposed(tree, os.stat(self.root).st_uid))

    def discard(self, version: str) -> None:
        """Remove a toolchain and its receipt, which goes last, so that the next run ends what a kill interrupts."""
        with self.stage() as stage:
            for suffix in ("", ".files"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self.path(version) + suffix, os.path.join(stage, f"tree{suffix}"))
            sync_directory(self.root)
            os.unlink(self.path(version) + ".json")


def fault(tree: str, version: str, platform: Platform) -> str | None:
    """Say what keeps ``tree`` from being the toolchain ``version``, judged by its VERSION file and its own ``go``."""
    named = version_named(tree)
    if named != version:
        return f"its VERSION file names {f'go{named}' if named else 'no version'}"
    go = os.path.join(tree, "bin", "go")
    if not os.access(go, os.X_OK):
        return "bin/go is missing or cannot be run"
    try:
        done = run([go, "version"], env={"PATH": SYSTEM_PATH, "GOTOOLCHAIN": "local", "GOENV": "off"}, timeout=60)
    except DevserverError as error:
        return error.what
    expected = f"go version go{version} {platform.reported}"
    if done.ok and done.stdout.strip() == expected:
        return None
    return f"its go answers {(done.stdout + done.stderr).strip()!r}, not {expected!r}"


def version_named(tree: str) -> str | None:
    """Return the version in a tree's VERSION file, without the prefix ``go``; None where there is none to be read."""
    try:
        match = re.match(r"go(\S+)", read_text(os.path.join(tree, "VERSION")) or "")
        return match.group(1) if match and order(match.group(1)) else None
    except (DevserverError, ValueError):
        return None
