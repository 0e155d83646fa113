# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of a support bundle: texts without secrets, of bounded sizes, and a manifest of what is there or not."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import printable, without_secrets

SCHEMA_VERSION = 1


class Item(t.NamedTuple):
    """One thing to collect: ``text`` of a file called ``name``, or the ``problem`` that kept it from being collected.

    Of a text that is too long its end is kept where that says most, as in logs (``tail``), else its beginning.
    """

    name: str
    text: str = ""
    problem: str = ""
    tail: bool = False


class Sizes(t.NamedTuple):
    """Most bytes of a file, and of all of them."""

    item: int
    total: int


class Packed(t.NamedTuple):
    """The bytes of a tar.gz, and its manifest."""

    content: bytes
    manifest: dict[str, t.Any]


def pack(
    items: t.Sequence[Item], *, folder: str, about: t.Mapping[str, t.Any], secrets: t.Collection[str], sizes: Sizes
) -> Packed:
    """Return the archive of ``items`` below ``folder``, with a ``manifest.json`` that holds ``about`` too."""
    buffer = io.BytesIO()
    entries: list[dict[str, t.Any]] = []
    left = sizes.total
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for item in items:
            content, entry = _entry(item, secrets, min(sizes.item, left))
            entries.append(entry)
            if not entry["problem"]:
                left -= len(content)
                _add(archive, f"{folder}/{entry['name']}", content)
        manifest = {"schema_version": SCHEMA_VERSION, **about, "files": entries}
        _add(archive, f"{folder}/manifest.json", json.dumps(manifest, indent=2).encode() + b"\n")
    return Packed(buffer.getvalue(), manifest)


def _entry(item: Item, secrets: t.Collection[str], most: int) -> tuple[bytes, dict[str, t.Any]]:
    # Before anything is cut off: half a secret would not be known any more.
    text = without_secrets(printable(item.text), secrets)
    problem = without_secrets(printable(item.problem), secrets)
    content = text.encode()
    if most <= 0 and not problem:
        problem = "left out: the bundle is as large as it may be"
    truncated = len(content) > most and not problem
    kept = content if not truncated else content[-most:] if item.tail else content[:most]
    entry = {"name": without_secrets(item.name, secrets), "bytes": 0 if problem else len(kept), "sha256": ""}
    if not problem:
        entry["sha256"] = hashlib.sha256(kept).hexdigest()
    return kept, {**entry, "truncated": truncated, "problem": problem}


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    archive.addfile(member, io.BytesIO(content))


def encoded(content: bytes, secrets: t.Collection[str]) -> str:
    """Return ``content`` as base64 text that holds none of ``secrets``, which have more than four characters.

    Ansible puts asterisks for them wherever they stand in a result, within an archive too. A character that is in none
    of them stands after each fourth; b64decode passes over it.
    """
    text = base64.b64encode(content).decode()
    taken = {*"+/=", *"".join(secrets)}
    between = next(char for char in map(chr, range(0x20, 0x2FFF)) if not char.isalnum() and char not in taken)
    return between.join(text[start : start + 4] for start in range(0, len(text), 4))
