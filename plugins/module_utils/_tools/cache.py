# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's cache of built tools: one folder for each build, and in it the binary, named by its SHA-256."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import stat
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import sha256_of_file, sync_directory
from ansible_collections.gopherops.devserver.plugins.module_utils._host.lock import locked

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_INCOMING = ".incoming"


def default_folder(environ: t.Mapping[str, str]) -> str:
    """Return where the cache of a user with this environment lies, as the XDG base directories have it."""
    base = environ.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else "~/.cache", "gopherops-devserver", "tools")


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise DevserverError(
            f"cannot make the folder {path} of the controller's cache of tools: {error.strerror}",
            remedy="name another folder as cache_dir",
            path=path,
        ) from error


class ToolCache:
    """A cache in ``folder``, which is made where it is missing; raises DevserverError where others can write to it."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.abspath(os.path.expanduser(folder))
        _make_folder(self._folder)
        status = os.stat(self._folder)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o022:
            raise DevserverError(
                f"others can write to the controller's cache of tools {self._folder}, whose content runs on hosts",
                expected="a folder of this user, which nobody else can write to",
                remedy="name another folder as cache_dir, or mend its owner and mode",
                path=self._folder,
            )

    def find(self, key: str) -> str:
        """Return the path of a build, its file name is its digest; nothing where there is none that is whole."""
        for path in sorted(glob.glob(os.path.join(glob.escape(self._path(key)), "*"))):
            # Who claims the build may just be replacing a file that is damaged.
            with contextlib.suppress(FileNotFoundError):
                if _DIGEST.match(os.path.basename(path)) and sha256_of_file(path) == os.path.basename(path):
                    return path
        return ""

    @contextlib.contextmanager
    def claimed(self, key: str, *, timeout: float) -> t.Iterator[None]:
        """Hold a build alone, so that one host builds it and the others wait for that, at most ``timeout`` seconds."""
        _make_folder(self._path(key))
        with locked(os.path.join(self._path(key), ".lock"), timeout=timeout):
            yield

    def store(self, key: str, digest: str, fetch: t.Callable[[str], object]) -> None:
        """Keep what ``fetch`` writes to the path that it is called with; for who has claimed the build."""
        incoming, place = (os.path.join(self._path(key), name) for name in (_INCOMING, digest))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(incoming)  # Of a run that was killed.
        try:
            fetch(incoming)
            if sha256_of_file(incoming) != digest:
                raise DevserverError("what came is not what was built", expected=f"a file with the SHA-256 {digest}")
            with open(incoming, "rb") as file:
                os.fchmod(file.fileno(), 0o600)
                os.fsync(file.fileno())
            os.replace(incoming, place)
            for former in glob.glob(os.path.join(glob.escape(self._path(key)), "*")):
                if former != place and _DIGEST.match(os.path.basename(former)):
                    os.unlink(former)
            sync_directory(self._path(key))
        finally:
            if os.path.lexists(incoming):
                os.unlink(incoming)

    def _path(self, key: str) -> str:
        if not re.match(r"[\w][\w.+-]*\Z", key):
            raise DevserverError(f"a host asks for the build {key!r}, which is no name of one")
        return os.path.join(self._folder, key)
