# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes files atomically: a reader, or a kill at any moment, finds the old state or the new one."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import io
import os
import shutil
import stat
import tempfile
import typing as t

from .._core.errors import DevserverError
from .._core.redaction import printable, redacted, without_secrets
from .path_names import is_below

# Bytes; all configuration files that the collection reads are smaller, and devices and /proc/kcore are larger.
LARGEST = 8 * 1024 * 1024
# Characters of a file in a difference; Ansible's own modules have this limit too.
_LONGEST_SHOWN = 104448

_CHUNK = 1 << 20
# Not empty in a process of root's that has given up these rights for those of a user.
GAVE_UP_ROOT: list[str] = []
ETC = "/etc"
# In it; for root's temporary files, because logrotate and others read every file of their directories there.
STAGING = ".gopherops-unfinished"


def read_text(path: str, *, largest: int = LARGEST) -> str | None:
    """Return the file's text, or None where there is no such file. Bytes that are not UTF-8 survive a round trip.

    Raises DevserverError for a file that is not regular, has more than ``largest`` bytes or cannot be read, and for a
    user's path to a file in /proc.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="", opener=open_nonblocking) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > largest or _leads_into_proc(path, status):
                raise _irregular(path, largest)
            return file.read(largest)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError as error:
        raise _irregular(path, largest) from error
    except ValueError as error:
        # A zero byte, or a character that is not in any name of a file.
        raise DevserverError(
            f"{path!r} is not the name of a file: {error}", remedy="correct the path", path=path
        ) from error
    except OSError as error:
        # The real user is root's also while the process acts as another user.
        needs_root = isinstance(error, PermissionError) and os.getuid() != 0 and not GAVE_UP_ROOT
        repair = f"correct the owner or mode that 'namei -l {path}' shows, or rename the file; then run the play"
        if os.path.realpath(path) != path:
            repair = (
                f"remove the link that 'namei -l {path}' shows, or let it lead to a file of the user; then run the play"
            )
        raise DevserverError(
            f"cannot read {path}: {error.strerror}",
            remedy="run the play as root: become: true, and become_user: root" if needs_root else repair,
            path=path,
        ) from error


def _leads_into_proc(path: str, status: os.stat_result) -> bool:
    """Return whether a user's path leads into /proc, where a link shows the process that reads, which is root's."""
    for_user = GAVE_UP_ROOT or os.geteuid() != os.getuid() or not path.startswith("/proc/")
    return bool(for_user) and os.path.exists("/proc") and status.st_dev == os.stat("/proc").st_dev


def _irregular(path: str, largest: int) -> DevserverError:
    return DevserverError(
        f"{path} is not a regular file of at most {largest} bytes",
        remedy=f"inspect it with 'stat {path}'; rename or remove it, and run the play again",
        path=path,
    )


def read_text_or_empty(path: str) -> str:
    """Return the text of a file like ``read_text``; empty if it does not exist or cannot be read."""
    try:
        return read_text(path) or ""
    except DevserverError:
        return ""


def split_lines(text: str) -> list[str]:
    """Return the lines of a text as sshd, PAM and shells read them.

    Only a line feed ends a line; the other line ends of str.splitlines are a part of the line.
    """
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def numbered_lines(text: str) -> t.Iterator[tuple[int, str]]:
    """Yield the lines of a text with their numbers from 1 on, as editors count them."""
    yield from enumerate(split_lines(text), start=1)


def open_nonblocking(path: str, flags: int) -> int:
    """Open a file without blocking, as an ``opener`` of ``open``: a pipe in its place does not block the reader."""
    return os.open(path, flags | os.O_NONBLOCK)


def write_text(path: str, text: str, *, mode: int, uid: int, gid: int, keep: bool = True) -> None:
    """Replace the file in one step; a link is followed, not replaced.

    With ``keep`` an existing file keeps its mode and owner, otherwise it gets the given ones. Only root can change the
    owner: another user fails if an existing file would need that, and becomes the owner of a new file.
    """
    target = os.path.realpath(path)
    owned = os.geteuid() == 0
    try:
        if keep and os.path.exists(target):
            status = os.stat(target)
            # Never setuid or setgid: the text is another one.
            mode, uid, gid, owned = status.st_mode & 0o777, status.st_uid, status.st_gid, True
        with replacing(target, mode=mode, owner=(uid, gid) if owned else None) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        repair = (
            f"correct the owner or mode that 'namei -l {path}' shows; check with 'findmnt -T' and 'df' that its file"
            " system is writable and has space left"
        )
        if error.errno == errno.EBUSY:
            # Only a file that is no mount can be replaced in one step.
            repair = (
                f"remove the mount of that file, which 'findmnt {path}' shows (umount {path}), and run the play again"
            )
        raise DevserverError(f"cannot write {path}: {error.strerror}", remedy=repair, path=path) from error


@contextlib.contextmanager
def replacing(
    path: str, *, mode: int, owner: tuple[int, int] | None = None, directory: str = ""
) -> t.Iterator[t.BinaryIO]:
    """Yield a new file that replaces ``path`` in one step, durably; if that fails, nothing has changed.

    ``owner`` is a uid and a gid. The temporary file is in ``directory`` on the same filesystem, or where
    ``find_unfinished`` looks for those of killed runs.
    """
    with contextlib.nullcontext(directory) if directory else _staging(path) as place:
        descriptor, temporary = tempfile.mkstemp(prefix=unfinished_prefix(path), dir=place)
        try:
            with os.fdopen(descriptor, "wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
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
    sync_directory(os.path.dirname(path))


@contextlib.contextmanager
def _staging(path: str) -> t.Iterator[str]:
    """Yield the directory for the temporary file of ``path``; STAGING exists only meanwhile."""
    beside = os.path.dirname(path)
    if os.geteuid() != 0 or not path.startswith(f"{ETC}/") or not _same_mount(beside, ETC):
        yield beside
        return
    staging = os.path.join(ETC, STAGING)
    os.makedirs(staging, mode=0o700, exist_ok=True)
    try:
        yield staging
    finally:
        _remove_empty(staging)


def _remove_empty(staging: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(staging)


def _same_mount(path: str, other: str) -> bool:
    """Return whether a file can be renamed from one directory to another: a bind mount has the same device."""
    mounts = {line.split(" ")[4] for line in split_lines(read_text("/proc/self/mountinfo") or "")}
    return {place for place in mounts if is_below(f"{path}/x", place)} == {
        place for place in mounts if is_below(f"{other}/x", place)
    }


def unfinished_prefix(path: str) -> str:
    """Return the beginning of the names of what will replace ``path``."""
    return f".{os.path.basename(path)}.unfinished-"


def find_unfinished(path: str) -> list[str]:
    """Return the temporary files for ``path`` that killed runs have left."""
    target = os.path.realpath(path)
    prefix = unfinished_prefix(target)
    paths: list[str] = []
    for place in (os.path.dirname(target), os.path.join(ETC, STAGING)):
        # glob would compile an expression for each path.
        with contextlib.suppress(OSError):
            paths += [os.path.join(place, name) for name in os.listdir(place) if name.startswith(prefix)]
    return sorted(filter(_is_abandoned, paths))


def unlink(path: str) -> None:
    """Remove a file or link that may be gone already, and the directory of root's temporary files if it is empty."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    _remove_empty(os.path.join(ETC, STAGING))


def _is_abandoned(path: str) -> bool:
    """Return whether no process writes a temporary file: each holds a lock on it."""
    with contextlib.suppress(OSError), open(path, "rb", opener=open_unfollowed) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    return False


def open_unfollowed(path: str, flags: int) -> int:
    """Open a file like ``open_nonblocking``, and no link in its place."""
    return open_nonblocking(path, flags | os.O_NOFOLLOW)


def sync_directory(path: str) -> None:
    """Make a rename inside ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(path: str) -> None:
    """Make all writes to the filesystem of ``path`` durable, which is faster than syncing thousands of files."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    finally:
        os.close(descriptor)


def sha256_of_file(path: str) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with open(path, "rb", buffering=0) as file:
        return sha256_of_stream(file)


def sha256_of_stream(stream: t.IO[bytes] | io.FileIO) -> str:
    """Return the SHA-256 of the rest of an open file, in hexadecimal."""
    digest = hashlib.sha256()
    for chunk in iter(lambda: stream.read(_CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest()


def is_socket(path: str) -> bool:
    """Return whether ``path`` is a socket; False if it is removed meanwhile."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def remove(path: str) -> None:
    """Remove a file, link or directory, without following a link."""
    if os.path.isdir(path) and not os.path.islink(path):
        try:
            shutil.rmtree(path)
        except RecursionError as error:  # Python before 3.13 calls itself for each level of directories.
            raise OSError(errno.ELOOP, "its directories are nested too deep", path) from error
    else:
        os.unlink(path)


class Changes:
    """Collects what a module changes, or would change, as ``changed`` and ``diff`` of its result."""

    def __init__(self) -> None:
        self._diff: list[dict[str, str]] = []

    def add(self, subject: str, before: str, after: str, *, whole: bool = True) -> None:
        """Record that ``subject`` (usually a path) changes from ``before`` to ``after``; equal states are no change.

        ``whole`` is False for a file that only partly belongs to the collection: it may contain secrets of users.
        """
        if before != after:
            hide = redacted if whole else without_secrets
            shown = {"before": _shown(before, hide), "after": _shown(after, hide)}
            self._diff.append(dict(shown, before_header=subject, after_header=subject))

    def extend(self, others: Changes) -> None:
        """Add the changes of another part of the same run."""
        self._diff += others._diff

    def __bool__(self) -> bool:
        return bool(self._diff)

    def result(self) -> dict[str, t.Any]:
        """Return ``changed`` and ``diff`` as AnsibleModule.exit_json takes them."""
        return {"changed": bool(self), "diff": self._diff}


def _shown(text: str, hide: t.Callable[[str], str]) -> str:
    # To mask megabytes, which any user can put into a file, takes many seconds.
    return printable(hide(text)) if len(text) <= _LONGEST_SHOWN else f"({len(text)} characters, too long to show)\n"
