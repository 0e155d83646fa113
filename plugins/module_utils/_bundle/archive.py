# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle itself: a plain tar whose first member is the manifest, and the second its signature, if there is one."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import shutil
import tarfile
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.manifest import (
    Entry,
    Manifest,
    digest_of_text,
    parse,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import LARGEST, open_at_once, replacing
from ansible_collections.gopherops.devserver.plugins.module_utils._host.tempdirs import scratch_folder

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"

_CHUNK = 1 << 20
_COPY_AGAIN = "copy the bundle again from where it was made; nothing was changed"


def scratch_of(path: str) -> tuple[str, str]:
    """Return the folder and the prefix of the scratch folders that the bundle ``path`` is written in."""
    return os.path.dirname(path), f".{os.path.basename(path)}.writing-"


def write_bundle(path: str, manifest: str, signature: str, files: t.Mapping[str, str]) -> None:
    """Replace the file ``path`` by a bundle in one step; ``files`` are the paths of its files' content by their names.

    The same content gives the same bytes: sorted names, no times, no owners.
    """
    # Hosts keep it as a file, which they read by read_text.
    if len(manifest) > LARGEST:
        raise DevserverError(
            f"the manifest of the bundle would have {len(manifest)} bytes",
            expected=f"no more than {LARGEST}, which is enough for twenty thousand files",
            remedy="make a bundle for fewer workspaces",
        )
    heads = {MANIFEST: manifest, **({SIGNATURE: signature} if signature else {})}
    with scratch_folder(*scratch_of(path)) as scratch, replacing(path, mode=0o644, folder=scratch.path) as file:
        _pack(file, heads, files)


def _pack(file: t.BinaryIO, heads: t.Mapping[str, str], files: t.Mapping[str, str]) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, text in heads.items():
            content = text.encode()
            archive.addfile(_member(name, len(content)), io.BytesIO(content))
        for name in sorted(files):
            _add(archive, name, files[name])


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def _add(archive: tarfile.TarFile, name: str, path: str) -> None:
    with open(path, "rb") as content:
        archive.addfile(_member(name, os.fstat(content.fileno()).st_size), content)


class Files:
    """Files in an open tar; whatever is read of them has been held against its manifest's entry.

    ``remedy`` is what to do where one is not what it should be.
    """

    def __init__(self, archive: tarfile.TarFile, remedy: str) -> None:
        self._archive = archive
        self._remedy = remedy

    @functools.cached_property
    def _members(self) -> dict[str, tarfile.TarInfo]:
        # TarFile's own look-up goes through all of them each time.
        return {member.name: member for member in self._archive.getmembers()}

    def verify(self, entry: Entry) -> None:
        """Read a file; raise DevserverError where it is not the one that the manifest lists."""
        with self._content(entry) as content:
            while content.read(_CHUNK):
                pass

    def extract(self, entry: Entry, path: str) -> None:
        """Write a file to the new file ``path``."""
        with self._content(entry) as content, open(path, "xb") as file:
            shutil.copyfileobj(content, file, _CHUNK)

    def copy(self, entry: Entry, archive: tarfile.TarFile) -> None:
        """Write a file to another tar."""
        with self._content(entry) as content:
            archive.addfile(_member(entry.path, entry.size), t.cast("t.IO[bytes]", content))

    @contextlib.contextmanager
    def _content(self, entry: Entry) -> t.Iterator[_Hashed]:
        member = self._members.get(entry.path)
        if member is None or not member.isreg() or member.size != entry.size:
            raise self._differs(entry, "there is no such file of this size in it")
        hashed = _Hashed(t.cast("t.IO[bytes]", self._archive.extractfile(member)))
        yield hashed
        if hashed.hexdigest() != entry.sha256:
            raise self._differs(entry, f"its SHA-256 is {hashed.hexdigest()}")

    def _differs(self, entry: Entry, reason: str) -> DevserverError:
        return DevserverError(
            f"{entry.path} in the bundle is not what its manifest lists: {reason}",
            expected=f"{entry.size} bytes with the SHA-256 {entry.sha256}",
            remedy=self._remedy,
            path=entry.path,
        )


class _Hashed:
    """A file that is read once, and its digest."""

    def __init__(self, source: t.IO[bytes]) -> None:
        self._source = source
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._source.read(size)
        self._digest.update(chunk)
        return chunk

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class Bundle(t.NamedTuple):
    """An open bundle: its manifest as text and parsed, the manifest's signature or nothing, its files."""

    text: str
    signature: str
    manifest: Manifest
    files: Files

    @property
    def sha256(self) -> str:
        """The SHA-256 of the manifest in hex, which stands for the whole bundle."""
        return digest_of_text(self.text)


@contextlib.contextmanager
def open_bundle(path: str) -> t.Iterator[Bundle]:
    """Give the bundle at ``path``; raise DevserverError where it is none, or breaks off where it is read."""
    try:
        with _opened(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            text = _head(archive, archive.next(), MANIFEST)
            if not text:
                raise tarfile.ReadError(f"its first member is not {MANIFEST}")
            signature = _head(archive, archive.next(), SIGNATURE)
            yield Bundle(text, signature, parse(text), Files(archive, _COPY_AGAIN))
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error


def _opened(path: str) -> t.BinaryIO:
    try:
        return open(path, "rb", opener=open_at_once)
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error


def _unreadable(path: str, reason: str) -> DevserverError:
    return DevserverError(
        f"the bundle {path} cannot be read: {reason}",
        expected="a file that playbooks/bundle.yml has made",
        remedy="make one, copy it again from where it was made, or correct devserver_bundle_file (file)",
        path=path,
    )


@contextlib.contextmanager
def open_files(path: str) -> t.Iterator[Files]:
    """Give the files of a tar without a manifest of its own; raise DevserverError where it cannot be read."""
    try:
        with open(path, "rb", opener=open_at_once) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            yield Files(archive, "run again; nothing was changed")
    except tarfile.TarError as error:
        raise DevserverError(f"what came of the bundle cannot be read: {error}", remedy="run again") from error


def _head(archive: tarfile.TarFile, member: tarfile.TarInfo | None, name: str) -> str:
    if member is None or member.name != name or not member.isreg() or member.size > LARGEST:
        return ""
    return t.cast("t.IO[bytes]", archive.extractfile(member)).read().decode("utf-8")
