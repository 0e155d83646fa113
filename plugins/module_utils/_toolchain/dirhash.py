# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's directory hash ``h1``: the digest of a module in go.sum and in the checksum database."""

from __future__ import annotations

import base64
import hashlib
import typing as t
import zipfile
import zlib

from .._host.files import sha256_of_stream

# The maximum size in bytes of all files of a module; Go rejects modules of more than 500 MiB. The hash is computed
# before the zip is trusted, and a few bytes of a zip can mean gigabytes.
LARGEST = 1 << 30


def h1(digests: t.Mapping[str, str]) -> str:
    """Return the ``h1:`` hash of files given as ``{name: sha256 in hex}``, with names as the module zip has them."""
    lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return "h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()


def h1_of_zip(path: str) -> str:
    """Return the ``h1:`` hash of the module zip at ``path``; raise ValueError if it is not one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(set(names)) != len(names) or any("\n" in name for name in names):
                raise ValueError("a name is in it twice, or has a line break")
            if sum(info.file_size for info in archive.infolist()) > LARGEST:
                raise ValueError(f"its files have more than {LARGEST} bytes")
            digests = {}
            for name in names:
                with archive.open(name) as file:
                    digests[name] = sha256_of_stream(file)
            return h1(digests)
    # A flipped bit can make the reader seek before the file's start, which is the OSError.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise ValueError(f"it is not a readable zip: {error}") from error
