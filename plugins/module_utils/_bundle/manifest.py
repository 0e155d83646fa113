# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a bundle: its inputs, and the size and SHA-256 of every file in it."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from .._core.errors import DevserverError
from .._host.path_names import has_usable_length

SCHEMA_VERSION = 1
# The directory in the bundle for each kind of file.
DIRECTORIES = {"toolchain": "toolchains", "tool": "tools", "module": "modules", "extension": "extensions"}

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class Entry(t.NamedTuple):
    """One file of a bundle: ``size`` in bytes, ``what`` describes it, ``platform`` (``linux-amd64``) if it has one.

    ``kind`` is one of DIRECTORIES.
    """

    path: str
    size: int
    sha256: str
    kind: str
    what: str
    platform: str = ""

    def line(self) -> str:
        """Return it as a line for a diff."""
        return f"{self.path} {self.size} {self.sha256}\n"


class Manifest(t.NamedTuple):
    """The files of a bundle, and its ``inputs``: data that the same declaration produces again."""

    inputs: dict[str, t.Any]
    files: list[Entry]

    def text(self) -> str:
        """Return the manifest as it is written: the same bytes for the same content."""
        files = [entry._asdict() for entry in sorted(self.files)]
        content = {"schema_version": SCHEMA_VERSION, "inputs": self.inputs, "files": files}
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    def of_kind(self, kind: str) -> list[Entry]:
        return [entry for entry in self.files if entry.kind == kind]


def digest_of_text(text: str) -> str:
    """Return the SHA-256 of a manifest in hex, which identifies all the files that it lists."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse_manifest(text: str) -> Manifest:
    """Return the manifest in ``text``; raise DevserverError if it is invalid, or a path leads out of a directory."""
    try:
        content = json.loads(text)
        if content["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"its schema_version is {content['schema_version']!r}")
        files = [_parse_entry(fields) for fields in content["files"]]
        paths = {entry.path for entry in files}
        if not isinstance(content["inputs"], dict) or len(paths) < len(files):
            raise ValueError("its inputs are not a mapping, or it lists a path twice")
        if not paths.isdisjoint(parent for path in paths for parent in parents(path)):
            raise ValueError("it lists a path as a file and as a directory")
        return Manifest(content["inputs"], files)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DevserverError(
            f"the manifest of the bundle is invalid: {reason}",
            expected=f"a manifest of the schema_version {SCHEMA_VERSION}",
            remedy="make the bundle again with playbooks/bundle.yml of this version of the collection",
        ) from error


def _parse_entry(fields: t.Mapping[str, t.Any]) -> Entry:
    entry = Entry(**{name: fields[name] for name in Entry._fields})
    texts = (entry.path, entry.sha256, entry.kind, entry.what, entry.platform)
    # True is an int too.
    is_size = isinstance(entry.size, int) and not isinstance(entry.size, bool) and entry.size >= 0
    if not is_size or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{entry.path!r} has a value of the wrong type")
    if not is_inside(entry.path) or entry.path.split("/")[0] != DIRECTORIES.get(entry.kind):
        raise ValueError(f"{entry.path!r} is not a path for a file of the kind {entry.kind!r}")
    if entry.kind == "tool" and entry.path.count("/") != 2:
        raise ValueError(f"{entry.path!r} is not tools/, the name of a build, / and the SHA-256 of its file")
    if not _SHA256.match(entry.sha256):
        raise ValueError(f"{entry.path!r} has the SHA-256 {entry.sha256!r}")
    return entry


def parents(path: str) -> t.Iterator[str]:
    """Yield the directories of a relative path."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def is_inside(path: str) -> bool:
    """Return whether ``path`` is the plain path of a file below one of DIRECTORIES."""
    parts = path.split("/")
    plain = all(part not in ("", ".", "..") for part in parts) and path.isprintable() and has_usable_length(path)
    return plain and len(parts) > 1 and parts[0] in DIRECTORIES.values()
