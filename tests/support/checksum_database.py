# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small checksum database of Go modules, as the paths and responses of a module proxy that carries it."""

from __future__ import annotations

import base64
import hashlib
import typing as t

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ALGORITHM = b"\x01"


class ChecksumDatabase:
    """A database of less than 256 ``records``, which are lines of go.sum by module and version."""

    def __init__(self, name: str, records: t.Mapping[str, str]) -> None:
        self._name = name
        self._key = Ed25519PrivateKey.generate()
        self._records = dict(records)

    @property
    def _public(self) -> bytes:
        return _ALGORITHM + self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def _key_hash(self) -> bytes:
        return hashlib.sha256(self._name.encode() + b"\n" + self._public).digest()[:4]

    @property
    def verifier(self) -> str:
        """The name with the public key, as in GOSUMDB."""
        return f"{self._name}+{self._key_hash.hex()}+{base64.b64encode(self._public).decode()}"

    def routes(self) -> dict[str, bytes]:
        """Return the responses by path."""
        base = f"/sumdb/{self._name}"
        leaves = [hashlib.sha256(b"\0" + text.encode()).digest() for text in self._records.values()]
        note = self._note(leaves)
        lookups = {
            f"{base}/lookup/{module}": f"{number}\n{text}\n{note}".encode()
            for number, (module, text) in enumerate(self._records.items())
        }
        tile = f"{base}/tile/8/0/000.p/{len(leaves)}"
        return {f"{base}/supported": b"", f"{base}/latest": note.encode(), tile: b"".join(leaves), **lookups}

    def _note(self, leaves: t.Sequence[bytes]) -> str:
        root = base64.b64encode(_tree_hash(leaves)).decode()
        text = f"go.sum database tree\n{len(leaves)}\n{root}\n"
        signature = base64.b64encode(self._key_hash + self._key.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self._name} {signature}\n"


def _tree_hash(leaves: t.Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _tree_hash(leaves[:half]) + _tree_hash(leaves[half:])).digest()
