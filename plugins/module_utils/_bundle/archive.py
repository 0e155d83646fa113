# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle: a plain tar whose first member is the manifest, followed by its signature if it has one."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import shutil
import tarfile
import typing as t

from .._core.errors import DevserverError
from .._host.files import LARGEST, open_nonblocking, replacing
from .._host.tempdirs import temporary_directory
from .manifest import Entry, Manifest, digest_of_text, parse_manifest

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"

_CHUNK = 1 << 20
_COPY_AGAIN = "copy the bundle again from the host that made it; nothing was changed"


def tempdir_location(path: str) -> tuple[str, str]:
    """Return the directory and the prefix of the temporary directories for writing the bundle ``path``."""
    return os.path.dirname(path), f".{os.path.basename(path)}.writing-"


def write_bundle(path: str, manifest: str, signature: str, files: t.Mapping[str, str]) -> None:
    """Replace the file ``path`` by a bundle in one step; ``files`` are the paths of its members' content by name.

    The same content gives the same bytes: sorted names, no times, no owners.
    """
    # Hosts store it as a file, and read it with read_text.
    if len(manifest) > LARGEST:
        raise DevserverError(
            f"the manifest of the bundle has {len(manifest)} bytes",
            expected=f"at most {LARGEST}, enough for twenty thousand files",
            remedy="make a bundle for fewer workspaces",
        )
    headers = {MANIFEST: manifest, **({SIGNATURE: signature} if signature else {})}
    with temporary_directory(*tempdir_location(path)) as scratch, replacing(
        path, mode=0o644, directory=scratch.path
    ) as file:
        _pack(file, headers, files)


def _pack(file: t.BinaryIO, headers: t.Mapping[str, str], files: t.Mapping[str, str]) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, text in headers.items():
            content = text.encode()
            archive.addfile(_member(name, len(content)), io.BytesIO(content))
        for name in sorted(files):
            with open(files[name], "rb") as source:
                archive.addfile(_member(name, os.fstat(source.fileno()).st_size), source)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


class BundleFiles:
    """The files in an open tar; each that is read is verified against its entry in the manifest.

    ``remedy`` is for the error if one differs.
    """

    def __init__(self, archive: tarfile.TarFile, remedy: str) -> None:
        self._archive = archive
        self._remedy = remedy

    @functools.cached_property
    def _members(self) -> dict[str, tarfile.TarInfo]:
        # TarFile.getmember searches all members each time.
        return {member.name: member for member in self._archive.getmembers()}

    def verify(self, entry: Entry) -> None:
        """Read a file; raise DevserverError if it differs from the manifest."""
        with self._open_verified(entry) as content:
            while content.read(_CHUNK):
                pass

    def extract(self, entry: Entry, path: str) -> None:
        """Write a file to the new file ``path``."""
        with self._open_verified(entry) as content, open(path, "xb") as file:
            shutil.copyfileobj(content, file, _CHUNK)

    def copy(self, entry: Entry, archive: tarfile.TarFile) -> None:
        """Write a file to another tar."""
        with self._open_verified(entry) as content:
            archive.addfile(_member(entry.path, entry.size), t.cast("t.IO[bytes]", content))

    @contextlib.contextmanager
    def _open_verified(self, entry: Entry) -> t.Iterator[_HashingReader]:
        member = self._members.get(entry.path)
        if member is None or not _is_plain(member) or member.size != entry.size:
            raise self._mismatch(entry, "there is no such file of this size")
        hashed = _HashingReader(t.cast("t.IO[bytes]", self._archive.extractfile(member)))
        yield hashed
        if hashed.hexdigest() != entry.sha256:
            raise self._mismatch(entry, f"its SHA-256 is {hashed.hexdigest()}")

    def _mismatch(self, entry: Entry, reason: str) -> DevserverError:
        return DevserverError(
            f"{entry.path} in the bundle differs from its manifest: {reason}",
            expected=f"{entry.size} bytes with the SHA-256 {entry.sha256}",
            remedy=self._remedy,
            path=entry.path,
        )


class _HashingReader:
    """A file that is read once, and the digest of what was read."""

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
    """An open bundle: its manifest as text and parsed, the manifest's signature (or an empty text), and its files."""

    text: str
    signature: str
    manifest: Manifest
    files: BundleFiles

    @property
    def sha256(self) -> str:
        """The SHA-256 of the manifest in hex, which identifies the whole bundle."""
        return digest_of_text(self.text)


@contextlib.contextmanager
def open_bundle(path: str) -> t.Iterator[Bundle]:
    """Yield the bundle at ``path``; raise DevserverError if it is not one, or is truncated where it is read."""
    try:
        with _open(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            text = _read_text(archive, archive.next(), MANIFEST)
            if not text:
                raise tarfile.ReadError(f"its first member is not {MANIFEST}")
            signature = _read_text(archive, archive.next(), SIGNATURE)
            yield Bundle(text, signature, parse_manifest(text), BundleFiles(archive, _COPY_AGAIN))
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error


def _open(path: str) -> t.BinaryIO:
    try:
        return open(path, "rb", opener=open_nonblocking)
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error


def _unreadable(path: str, reason: str) -> DevserverError:
    return DevserverError(
        f"the bundle {path} cannot be read: {reason}",
        expected="a file made by playbooks/bundle.yml",
        remedy="copy it again from the host that made it, or correct devserver_bundle_file (file)",
        path=path,
    )


@contextlib.contextmanager
def open_transfer(path: str) -> t.Iterator[BundleFiles]:
    """Yield the files of a tar without a manifest; raise DevserverError if it cannot be read."""
    try:
        with open(path, "rb", opener=open_nonblocking) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            yield BundleFiles(archive, "run again; nothing was changed")
    except tarfile.TarError as error:
        raise DevserverError(
            f"the transferred part of the bundle cannot be read: {error}", expected="a complete tar", remedy="run again"
        ) from error


def _read_text(archive: tarfile.TarFile, member: tarfile.TarInfo | None, name: str) -> str:
    if member is None or member.name != name or not _is_plain(member) or member.size > LARGEST:
        return ""
    return t.cast("t.IO[bytes]", archive.extractfile(member)).read().decode("utf-8")


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Return whether the tar contains all bytes of a file; a few bytes of a sparse file can mean gigabytes."""
    return member.isreg() and not member.issparse()
