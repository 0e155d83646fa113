# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's cache of built tools: one directory for each build with its binary, named by its SHA-256."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import stat
import typing as t

from .._core.errors import DevserverError
from .._host.files import sha256_of_file, sync_directory
from .._host.lock import locked

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_INCOMING = ".incoming"


def default_directory(environ: t.Mapping[str, str]) -> str:
    """Return the cache directory of a user with this environment, by the XDG base directory specification."""
    base = environ.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else "~/.cache", "gopherops-devserver", "tools")


def _make_directory(path: str) -> None:
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise DevserverError(
            f"cannot make {path} in the controller's cache of tools: {error.strerror}",
            expected="a directory that this user can write to",
            remedy="correct devserver_tools_cache_dir (cache_dir)",
            path=path,
        ) from error


class ToolCache:
    """A cache in ``directory``, which is made if it is missing. Raises DevserverError if others can write to it."""

    def __init__(self, directory: str) -> None:
        self._directory = os.path.abspath(os.path.expanduser(directory))
        _make_directory(self._directory)
        status = os.stat(self._directory)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o022:
            raise DevserverError(
                f"others can write to the controller's cache of tools {self._directory}, whose content runs on hosts",
                expected="a directory of this user that only this user can write to",
                remedy="correct its owner and mode, or devserver_tools_cache_dir (cache_dir)",
                path=self._directory,
            )

    def find(self, key: str) -> str:
        """Return the path of a build, whose file name is its digest, or an empty text if it is missing or damaged."""
        for path in sorted(glob.glob(os.path.join(glob.escape(self._path(key)), "*"))):
            # The run that has claimed the build may be replacing a damaged file.
            with contextlib.suppress(FileNotFoundError):
                if _DIGEST.match(os.path.basename(path)) and sha256_of_file(path) == os.path.basename(path):
                    return path
        return ""

    @contextlib.contextmanager
    def claim(self, key: str, *, timeout: float) -> t.Iterator[None]:
        """Lock a build, so that one host builds it while the others wait, at most ``timeout`` seconds."""
        _make_directory(self._path(key))
        with locked(os.path.join(self._path(key), ".lock"), timeout=timeout):
            yield

    def store(self, key: str, digest: str, fetch: t.Callable[[str], object]) -> None:
        """Store the file that ``fetch`` writes to the path it is called with. The caller has claimed the build."""
        incoming, path = (os.path.join(self._path(key), name) for name in (_INCOMING, digest))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(incoming)  # A killed run left it.
        try:
            fetch(incoming)
            if sha256_of_file(incoming) != digest:
                raise DevserverError(
                    f"the binary of the build {key} that was fetched has another SHA-256 than the host reported",
                    expected=digest,
                    remedy="run again",
                )
            with open(incoming, "rb") as file:
                os.fchmod(file.fileno(), 0o600)
                os.fsync(file.fileno())
            os.replace(incoming, path)
            for previous in glob.glob(os.path.join(glob.escape(self._path(key)), "*")):
                if previous != path and _DIGEST.match(os.path.basename(previous)):
                    os.unlink(previous)
            sync_directory(self._path(key))
        finally:
            if os.path.lexists(incoming):
                os.unlink(incoming)

    def _path(self, key: str) -> str:
        if not re.match(r"[\w][\w.+-]*\Z", key):
            raise DevserverError(
                f"a host requests the build {key!r}, which is not a valid name",
                expected="a name of letters, digits and _ . + -",
                remedy="check that host: the module go_tool has not made its result",
            )
        return os.path.join(self._directory, key)
