# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacks a Go archive or toolchain module inside this process, and nothing of it outside the given directory.

No tar or unzip is started, so nothing keeps writing when this process is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import re
import tarfile
import threading
import typing as t
import zipfile
import zlib

from .._core.errors import DevserverError
from .._host.path_names import has_usable_length, is_below
from .filelist import Files, file_entry, link_entry

_CHUNK = 1 << 20
# Linux's fcntl for the capacity of a pipe; Python has a name for it from 3.10 on.
_F_SETPIPE_SZ = 1031
# A module zip has no execute bits. The patterns are those of Go's own distributions.
_EXECUTABLE = re.compile(r"bin/|pkg/tool/|.*\.(bash|sh|pl|rc)\Z|(.*/)?go_[^/]+_[^/]+_exec\Z")

_BAD = (ValueError, EOFError, zlib.error, FileExistsError, FileNotFoundError, NotADirectoryError)


class _Readable(t.Protocol):
    def read(self, size: int) -> bytes: ...


class _Tree:
    """The directory that is being filled, and the list of its files.

    Links are created last, so that no file can be written through one.
    """

    def __init__(self, root: str, prefix: str) -> None:
        self._root = root
        self._prefix = prefix + "/"
        self._directories = {root}
        self.files: Files = {}
        self._links: list[tuple[bool, str, str]] = []

    def path(self, name: str) -> str:
        """Return where the entry ``name`` goes; raise ValueError if it leads out of the tree."""
        # After the prefix, a second slash would begin an absolute path.
        if name.startswith("/") or "//" in name or "\0" in name or ".." in name.split("/"):
            raise ValueError("its name leads out of the tree")
        if "\n" in name:
            raise ValueError("its name has a line break")
        if not has_usable_length(name):
            raise ValueError("its name is too long")
        if self._prefix.startswith(name.rstrip("/") + "/"):
            return self._root
        if not name.startswith(self._prefix):
            raise ValueError(f"its name does not begin with {self._prefix}")
        return os.path.join(self._root, os.path.normpath(name[len(self._prefix) :]))

    def directory(self, path: str) -> None:
        if path not in self._directories:
            os.makedirs(path, mode=0o755, exist_ok=True)
            self._directories.add(path)

    def file(self, path: str, content: _Readable, size: int, *, executable: bool) -> None:
        """Write ``size`` bytes of ``content``; raise EOFError if it has less."""
        self.directory(os.path.dirname(path))
        mode = 0o755 if executable else 0o644
        digest = hashlib.sha256()
        # Buffered: a raw file reports a full disk only in the return value of write.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
            for chunk in _chunks(content, size):
                digest.update(chunk)
                file.write(chunk)
        self.files[self._name(path)] = file_entry(mode, digest.hexdigest())

    def _name(self, path: str) -> str:
        return path[len(self._root) + 1 :]

    def link(self, path: str, target: str, *, symbolic: bool) -> None:
        if not has_usable_length(target):
            raise ValueError("its target is too long")
        self._links.append((symbolic, path, target))

    def finish(self) -> None:
        """Create the links; raise ValueError for one that leads out of the tree, even through another."""
        for _symbolic, path, _target in self._links:
            self.directory(os.path.dirname(path))
        for symbolic, path, target in sorted(self._links):
            (os.symlink if symbolic else os.link)(target, path)
            self.files[self._name(path)] = link_entry(target) if symbolic else self.files[self._name(target)]
        root = os.path.realpath(self._root)
        for _symbolic, path, target in self._links:
            if not is_below(os.path.realpath(path), root):
                raise ValueError(f"the link {self._name(path)} leads out of the tree, to {target}")


def _chunks(content: _Readable, size: int) -> t.Iterator[bytes]:
    while size:
        chunk = content.read(min(size, _CHUNK))
        if not chunk:
            raise EOFError("unexpected end of data")
        size -= len(chunk)
        yield chunk


class _Forward:
    """A stream for tarfile that knows its position and seeks forward only.

    tarfile's own mode for streams copies every block once more, which costs as much as writing the files.
    """

    def __init__(self, stream: t.IO[bytes]) -> None:
        self._stream = stream
        self._position = 0

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self._position += len(content)
        return content

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        """Read on to ``position``, or to the end; raise io.UnsupportedOperation for an earlier one."""
        if position < self._position:
            raise io.UnsupportedOperation(f"cannot go back from byte {self._position} to {position}")
        while self._position < position and self.read(min(position - self._position, _CHUNK)):
            pass


@contextlib.contextmanager
def _inflated(path: str) -> t.Iterator[_Forward]:
    """Yield the content of the gzip file at ``path``; a thread inflates it while another core writes files."""
    with open(path, "rb") as file:
        reader, writer = os.pipe()
        # Fewer switches between the two threads; the host's limit for pipes may be lower.
        with contextlib.suppress(OSError):
            fcntl.fcntl(writer, _F_SETPIPE_SZ, _CHUNK)
        thread = _Inflater(file, writer)
        thread.start()
        try:
            with os.fdopen(reader, "rb", buffering=_CHUNK) as stream:
                yield _Forward(stream)
                while stream.read(_CHUNK):  # The rest after the end of the tar.
                    pass
        finally:
            thread.join()
    if thread.error:
        raise thread.error


class _Inflater(threading.Thread):
    """Writes the content of a gzip file to a pipe and closes it; ``error`` is the failure, if any."""

    def __init__(self, file: t.IO[bytes], writer: int) -> None:
        super().__init__(daemon=True)
        self._file = file
        self._writer = writer
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with os.fdopen(self._writer, "wb", buffering=0) as pipe:
                _inflate(self._file, pipe)
        # A reader that failed has closed its end.
        except (OSError, EOFError, zlib.error) as error:
            self.error = error


def _inflate(file: t.IO[bytes], pipe: t.IO[bytes]) -> None:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in iter(lambda: file.read(_CHUNK >> 1), b""):
        rest = memoryview(inflater.decompress(chunk))
        while rest:
            rest = rest[pipe.write(rest) :]
    if not inflater.eof or inflater.unused_data:
        raise EOFError("it is truncated, or has data after its end")


def unpack_tar(path: str, root: str) -> Files:
    """Unpack the official archive at ``path`` into the existing directory ``root``, without its leading ``go/``.

    Returns the list of its files. Modes become 0755 and 0644, the owner is this process's user. Raises
    DevserverError for an archive with anything but plain files, directories and links inside the tree.
    """
    tree = _Tree(root, "go")
    entry = ""
    try:
        with _inflated(path) as stream, tarfile.open(fileobj=t.cast("t.IO[bytes]", stream), mode="r:") as archive:
            for member in archive:
                entry = member.name
                _unpack_member(stream, member, tree)
        tree.finish()
    except (*_BAD, tarfile.TarError) as error:
        raise _unsafe(path, entry, error) from error
    return tree.files


def _unpack_member(stream: _Forward, member: tarfile.TarInfo, tree: _Tree) -> None:
    target = tree.path(member.name)
    if member.mode & 0o6000:
        raise ValueError("it is setuid or setgid")
    if member.isdir():
        tree.directory(target)
    elif member.isreg() and not member.issparse():
        stream.seek(member.offset_data)
        tree.file(target, stream, member.size, executable=bool(member.mode & 0o111))
    elif member.issym():
        tree.link(target, member.linkname, symbolic=True)
    elif member.islnk():
        tree.link(target, tree.path(member.linkname), symbolic=False)
    else:
        raise ValueError("it is neither a file, a directory nor a link")


def unpack_zip(path: str, root: str, prefix: str) -> Files:
    """Unpack the module at ``path`` into the existing directory ``root``, without the names' ``prefix``.

    Returns the list of its files. What a module zip cannot contain is restored as cmd/go does: execute bits, and
    ``go.mod`` for ``_go.mod``. Raises DevserverError for names that lead out of the tree.
    """
    tree = _Tree(root, prefix)
    entry = ""
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                entry = info.filename
                _unpack_entry(archive, info, tree, executable=bool(_EXECUTABLE.match(entry[len(prefix) + 1 :])))
    except (*_BAD, zipfile.BadZipFile, RuntimeError) as error:
        raise _unsafe(path, entry, error) from error
    return tree.files


def _unpack_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, tree: _Tree, *, executable: bool) -> None:
    directory, name = os.path.split(tree.path(info.filename))
    if info.is_dir():
        tree.directory(os.path.join(directory, name))
        return
    with archive.open(info) as content:
        name = "go.mod" if name == "_go.mod" else name
        tree.file(os.path.join(directory, name), content, info.file_size, executable=executable)


def _unsafe(path: str, entry: str, error: Exception) -> DevserverError:
    return DevserverError(
        f"{os.path.basename(path)} cannot be unpacked: {entry!r}: {error}",
        expected="files, directories and links inside the tree, each once",
        remedy="replace it by the archive from go.dev/dl or a module proxy, and correct its digest in"
        " devserver_toolchain_checksums (checksums)",
        entry=entry,
    )
