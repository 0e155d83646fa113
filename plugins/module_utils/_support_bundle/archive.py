# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of a support bundle: texts without secrets, with limited sizes, and a manifest of all files."""

from __future__ import annotations

import base64
import collections
import hashlib
import io
import json
import tarfile
import typing as t
from types import MappingProxyType

from .._core.redaction import printable, without_secrets

SCHEMA_VERSION = 1
_MANIFEST = "manifest.json"


class BundleItem(t.NamedTuple):
    """A file of the archive: its ``name`` and ``text``, or the ``problem`` that prevented its collection.

    A long text is truncated to its beginning, or with ``tail`` to its end, which is the relevant part of logs. ``user``
    is the user whose processes wrote the text, if any.
    """

    name: str
    text: str = ""
    problem: str = ""
    tail: bool = False
    user: str = ""


class KnownSecrets(t.NamedTuple):
    """Values that no item contains, and those that no item of a user contains.

    A user chooses the latter, so they must not mask anything in the items of others.
    """

    everywhere: t.Collection[str] = ()
    of_users: t.Mapping[str, t.Collection[str]] = MappingProxyType({})

    def of(self, *users: str) -> set[str]:
        """Return the values that no item of these users contains."""
        return {*self.everywhere}.union(*(self.of_users.get(user, ()) for user in users))


class SizeLimits(t.NamedTuple):
    """The maximum size in bytes of one file and of all files."""

    item: int
    total: int


class Archive(t.NamedTuple):
    """The content of a tar.gz, and its manifest."""

    content: bytes
    manifest: dict[str, t.Any]


def create_archive(
    items: t.Sequence[BundleItem],
    *,
    directory: str,
    about: t.Mapping[str, t.Any],
    secrets: KnownSecrets,
    sizes: SizeLimits,
) -> Archive:
    """Return the archive of ``items`` in ``directory``, with a ``manifest.json`` that also contains ``about``."""
    buffer = io.BytesIO()
    entries: list[dict[str, t.Any]] = []
    remaining = sizes.total
    numbers = collections.Counter([_MANIFEST])
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for item in items:
            content, entry = _create_entry(item, secrets.of(item.user), min(sizes.item, remaining))
            entry["name"] = _unique_name(entry["name"], numbers)
            entries.append(entry)
            if not entry["problem"]:
                remaining -= len(content)
                _add_file(archive, f"{directory}/{entry['name']}", content)
        manifest = {"schema_version": SCHEMA_VERSION, **about, "files": entries}
        _add_file(archive, f"{directory}/{_MANIFEST}", json.dumps(manifest, indent=2).encode() + b"\n")
    return Archive(buffer.getvalue(), manifest)


def _create_entry(item: BundleItem, secrets: t.Collection[str], limit: int) -> tuple[bytes, dict[str, t.Any]]:
    # Before the text is truncated: a part of a secret would not match.
    text = without_secrets(printable(item.text), secrets)
    problem = without_secrets(printable(item.problem), secrets)
    content = text.encode()
    if limit <= 0 and not problem:
        problem = "omitted: the bundle has reached max_size"
    truncated = len(content) > limit and not problem
    kept = content if not truncated else content[-limit:] if item.tail else content[:limit]
    entry = {"name": without_secrets(item.name, secrets), "bytes": 0 if problem else len(kept), "sha256": ""}
    if not problem:
        entry["sha256"] = hashlib.sha256(kept).hexdigest()
    return kept, {**entry, "truncated": truncated, "problem": problem}


def _unique_name(name: str, numbers: collections.Counter[str]) -> str:
    """Return ``name`` with a number if another item has it, such as by the same asterisks."""
    while numbers[name]:
        numbers[name] += 1
        name = f"{name}.{numbers[name]}"
    numbers[name] += 1
    return name


def _add_file(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    archive.addfile(member, io.BytesIO(content))


def encode_archive(content: bytes, secrets: t.Collection[str]) -> str:
    """Return ``content`` as base64 text that contains none of ``secrets``, which have more than four characters.

    Ansible masks secrets everywhere in a result, also inside an archive. Therefore a character that is in none of them
    follows each group of four characters; b64decode ignores it.
    """
    text = base64.b64encode(content).decode()
    used = {*"+/=", *"".join(secrets)}
    separator = next(char for char in map(chr, range(0x20, 0x2FFF)) if not char.isalnum() and char not in used)
    return separator.join(text[start : start + 4] for start in range(0, len(text), 4))
