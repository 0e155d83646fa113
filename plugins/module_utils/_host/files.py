# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes to files so that a reader, or a kill at any moment, meets the old state or the new one."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import stat
import tempfile
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import (
    printable,
    redacted,
    without_secrets,
)

# Bytes; none of the configuration files that are read here comes near, and a device or /proc/kcore is far beyond.
LARGEST = 8 * 1024 * 1024

_CHUNK = 1 << 20


def read_text(path: str, *, largest: int = LARGEST) -> str | None:
    """Return the file's text, or None where there is no such file. Bytes that are not UTF-8 survive a round trip.

    Raises DevserverError for what is no regular file, has more than ``largest`` bytes or cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="", opener=open_nonblocking) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > largest:
                raise DevserverError(
                    f"{path} is not a regular file of at most {largest} bytes", remedy="move it away", path=path
                )
            return file.read(largest)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DevserverError(
            f"cannot read {path}: {error.strerror}", remedy="make it readable, or move it away", path=path
        ) from error


def read_text_or_empty(path: str) -> str:
    """Return what ``read_text`` does; empty where that is none, or cannot be read, as of a process that has ended."""
    try:
        return read_text(path) or ""
    except DevserverError:
        return ""


def numbered_lines(text: str) -> t.Iterator[tuple[int, str]]:
    """Yield the lines of a text with their numbers from 1 on, as editors count them.

    Only a line feed ends one: what stands before it, or looks like an end of a line to str.splitlines, is of the line.
    """
    lines = text.split("\n")
    yield from enumerate(lines if lines[-1] else lines[:-1], start=1)


def open_nonblocking(path: str, flags: int) -> int:
    """Serve ``open`` as its ``opener``: a pipe put in the file's place does not hold up the reader for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def write_text(path: str, text: str, *, mode: int, uid: int, gid: int, keep: bool = True) -> None:
    """Replace the file in one step; a link is followed, not replaced.

    With ``keep`` an existing file keeps its own mode and owner, else it gets those that are given too. Only root can
    give a file to somebody else: any other user fails where it would have to, and is not asked to for a new file.
    """
    target = os.path.realpath(path)
    owned = os.geteuid() == 0
    try:
        if keep and os.path.exists(target):
            status = os.stat(target)
            mode, uid, gid, owned = status.st_mode & 0o7777, status.st_uid, status.st_gid, True
        with replacing(target, mode=mode, owner=(uid, gid) if owned else None) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise DevserverError(
            f"cannot write {path}: {error.strerror}",
            remedy="make its folder writable, and the file its user's own",
            path=path,
        ) from error


@contextlib.contextmanager
def replacing(
    path: str, *, mode: int, owner: tuple[int, int] | None = None, folder: str = ""
) -> t.Iterator[t.BinaryIO]:
    """Yield a new file that takes the place of ``path`` in one step, durably; where that fails, nothing has changed.

    ``owner`` is a uid and a gid. Until then the file lies in ``folder``, on the same filesystem; by default beside it.
    """
    beside = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder or beside)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            if owner:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(beside)


def sync_directory(path: str) -> None:
    """Make a rename inside ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(path: str) -> None:
    """Make all that was written to the filesystem of ``path`` durable, which beats syncing thousands of files."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    finally:
        os.close(descriptor)


def sha256_of_file(path: str) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def is_socket(path: str) -> bool:
    """Return whether there is a socket of that name; one that goes while it is looked at is none."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def remove(path: str) -> None:
    """Remove whatever is at ``path``, without following a link."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


class Changes:
    """Collects what a module changes, or would change, as ``changed`` and ``diff`` of its result."""

    def __init__(self) -> None:
        self._diff: list[dict[str, str]] = []

    def add(self, what: str, before: str, after: str, *, whole: bool = True) -> None:
        """Note that ``what`` (a path, as a rule) goes from ``before`` to ``after``; equal states are no change.

        What is not wholly the collection's, but for a part, may hold other people's secrets.
        """
        if before != after:
            hide = redacted if whole else without_secrets
            shown = {"before": printable(hide(before)), "after": printable(hide(after))}
            self._diff.append(dict(shown, before_header=what, after_header=what))

    def __bool__(self) -> bool:
        return bool(self._diff)

    def result(self) -> dict[str, t.Any]:
        """Return ``changed`` and ``diff`` as AnsibleModule.exit_json takes them."""
        return {"changed": bool(self), "diff": self._diff}
