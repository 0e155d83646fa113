# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small toolchains whose ``go`` is a shell script."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
import typing as t
import zipfile

from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.dirhash import h1
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import this_platform

HERE = this_platform()


@dataclasses.dataclass(frozen=True)
class Toolchain:
    """One Go version as both of its distributions."""

    version: str
    tar: bytes
    zip: bytes
    h1: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.tar).hexdigest()

    @property
    def tar_name(self) -> str:
        return f"go{self.version}.{HERE.archive}.tar.gz"

    @property
    def zip_name(self) -> str:
        return f"v0.0.1-go{self.version}.{HERE.module}.zip"

    @property
    def zip_path(self) -> str:
        return f"/golang.org/toolchain/@v/{self.zip_name}"


def go_script(version: str) -> bytes:
    return f'#!/bin/sh\n[ "$*" = version ] && echo "go version go{version} {HERE.reported}"\n'.encode()


def make_toolchain(version: str, extra: t.Mapping[str, bytes] | None = None) -> Toolchain:
    files = {
        "VERSION": f"go{version}\ntime 2026-01-01T00:00:00Z\n".encode(),
        "bin/go": go_script(version),
        "bin/gofmt": b"#!/bin/sh\n",
        "pkg/tool/x/compile": b"#!/bin/sh\n",
        "src/go.mod": b"module std\n",
        "src/fmt/print.go": b"package fmt\n",
        **(extra or {}),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo("go/" + name)
            info.size = len(content)
            info.mode = 0o755 if name.startswith(("bin/", "pkg/tool/")) else 0o644
            archive.addfile(info, io.BytesIO(content))
    prefix = f"golang.org/toolchain@v0.0.1-go{version}.{HERE.module}/"
    entries = {prefix + name.replace("go.mod", "_go.mod"): content for name, content in files.items()}
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in entries.items()}
    return Toolchain(version, packed.getvalue(), zipped.getvalue(), h1(digests))
