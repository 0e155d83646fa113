# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes to files so that a reader, or a kill at any moment, meets the old state or the new one."""

from __future__ import annotations

import os
import stat
import tempfile
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.redaction import printable, redacted

# Bytes; none of the configuration files that are read here comes near, and a device or /proc/kcore is far beyond.
_LARGEST = 8 * 1024 * 1024


def read_text(path: str) -> str | None:
    """Return the file's text, or None where there is no such file. Bytes that are not UTF-8 survive a round trip."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="", opener=open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
                raise DevserverError(
                    f"{path} is not a regular file of less than {_LARGEST} bytes", remedy="move it away", path=path
                )
            return file.read(_LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DevserverError(
            f"cannot read {path}: {error.strerror}", remedy="make it readable, or move it away", path=path
        ) from error


def open_at_once(path: str, flags: int) -> int:
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
        _replace(target, text.encode("utf-8", "surrogateescape"), mode, (uid, gid) if owned else None)
    except OSError as error:
        raise DevserverError(
            f"cannot write {path}: {error.strerror}",
            remedy="make its folder writable, and the file its user's own",
            path=path,
        ) from error


def _replace(target: str, content: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", dir=os.path.dirname(target))
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if owner:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(os.path.dirname(target))


def sync_directory(path: str) -> None:
    """Make a rename inside ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Changes:
    """Collects what a module changes, or would change, as ``changed`` and ``diff`` of its result."""

    def __init__(self) -> None:
        self._diff: list[dict[str, str]] = []

    def add(self, what: str, before: str, after: str) -> None:
        """Note that ``what`` (a path, as a rule) goes from ``before`` to ``after``; equal states are no change."""
        if before != after:
            shown = {"before": printable(redacted(before)), "after": printable(redacted(after))}
            self._diff.append(dict(shown, before_header=what, after_header=what))

    def __bool__(self) -> bool:
        return bool(self._diff)

    def result(self) -> dict[str, t.Any]:
        """Return ``changed`` and ``diff`` as AnsibleModule.exit_json takes them."""
        return {"changed": bool(self), "diff": self._diff}
