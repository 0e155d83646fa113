# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches, installs and removes extensions of VS Code."""

from __future__ import annotations

import contextlib
import functools
import glob
import json
import os
import shutil
import tempfile
import time
import typing as t
import zipfile

from .._core.errors import DevserverError
from .._core.redaction import redacted
from .._host.accounts import Account
from .._host.command import run_at_home, session_environment
from .._host.files import Changes, sha256_of_file
from .._host.removal import remove_paths
from .._host.user_access import call_as, each_as
from .._toolchain.fetch import Unreachable, fetch
from . import extensions
from .extensions import Extension, ExtensionPlace, identity, is_missing, listed_extensions

# The directory of an archive that has the extension.
_CONTENT = "extension/"
# Bytes of an unpacked extension.
_LARGEST = 1 << 30
# Seconds for all installations of a user in one run.
SECONDS = 120.0


class Pinned(t.Protocol):
    """A file that is declared with its digest."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def file(self) -> str: ...


def provide(pinned: Pinned, timeout: float) -> None:
    """Make the file of an extension or a server ready for all users, and verify it."""
    if not os.path.exists(pinned.file) and pinned.url:
        os.makedirs(extensions.STORE, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=extensions.STORE) as directory:
            fetched = os.path.join(directory, "file")
            try:
                fetch(pinned.url, fetched, timeout=timeout)
            except Unreachable as error:
                raise DevserverError(
                    f"cannot fetch {pinned.name} from {redacted(pinned.url)}: {error}",
                    remedy="make the URL reachable from this host, or set path to a file on the controller instead",
                ) from error
            os.chmod(fetched, 0o644)
            os.rename(fetched, pinned.file)
    actual = sha256_of_file(pinned.file) if os.path.exists(pinned.file) else "missing"
    if actual != pinned.sha256:
        remove_paths([pinned.file], Changes(), check=False)
        raise DevserverError(
            f"the file of {pinned.name} {pinned.version} has the SHA-256 {actual}",
            expected=pinned.sha256,
            remedy="correct its sha256 in the play, or replace the file that path or url names",
        )


def install(account: Account, extension: Extension, place: ExtensionPlace, deadline: float) -> None:
    """Install an extension for a user, with the server's own program if there is one. Raises DevserverError.

    The installations of the user end by ``deadline``.
    """
    servers = call_as(account, lambda: _servers(place.root))
    if servers:
        argv = [servers[0], "--install-extension", extension.file, "--force", "--extensions-dir", place.root]
        run_at_home(argv, env=session_environment(account), account=account, timeout=_seconds_until(deadline, place))
    # The program may have failed, and no output of a user's program proves that it has not.
    # It takes longer than files do, so it has a limit of its own.
    unpack = functools.partial(_unpack, extension.file)
    each_as(account, unpack, {place.path: place}, seconds=_seconds_until(deadline, place), programs=True)[place.path]()


def _seconds_until(deadline: float, place: ExtensionPlace) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise DevserverError(
            f"{place.path} is not installed: the extensions of this user took longer than {SECONDS:g} s",
            remedy="check as this user that 'bin/*/bin/code-server --version' beside the extensions exits;"
            " then run the play again",
        )
    return seconds


@contextlib.contextmanager
def staging_directory(parent: str) -> t.Iterator[str]:
    """Yield an empty directory in ``parent``, in place of the one that a killed attempt has left."""
    path = os.path.join(parent, ".gopherops-unfinished")
    with contextlib.suppress(OSError):
        os.unlink(path)
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path, 0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _servers(root: str) -> list[str]:
    """Return the programs of the servers whose extensions are in ``root``, the latest first."""
    base = glob.escape(os.path.dirname(root))
    patterns = ("bin/*/bin/code-server*", "cli/servers/*/server/bin/code-server*")
    paths = [
        path for pattern in patterns for path in glob.glob(os.path.join(base, pattern)) if os.access(path, os.X_OK)
    ]
    return sorted(paths, key=os.path.getmtime, reverse=True)


def _unpack(file: str, place: ExtensionPlace) -> None:
    """Unpack an extension where the server finds it, unless it is installed. Runs with the user's rights."""
    if not is_missing(place):
        return
    listed = listed_extensions(place.root)
    os.makedirs(place.root, exist_ok=True)
    with staging_directory(place.root) as directory:
        _extract(file, directory)
        if os.path.lexists(place.path):
            os.rename(place.path, os.path.join(directory, "previous"))
        os.rename(os.path.join(directory, _CONTENT), place.path)
        if listed is not None:
            entry = {
                "identifier": {"id": place.name},
                "version": place.version,
                "location": {"$mid": 1, "path": place.path, "scheme": "file"},
                "relativeLocation": place.directory,
                # As the server's own program notes it: the editor does not update it.
                "metadata": {"pinned": True, "source": "vsix"},
            }
            others = [entry for entry in listed if identity(entry)[0] != place.name.lower()]
            _write_list(place.root, [*others, entry], directory)


def _extract(file: str, directory: str) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [info for info in archive.infolist() if info.filename.startswith(_CONTENT)]
            if not members or sum(info.file_size for info in members) > _LARGEST:
                raise zipfile.BadZipFile(f"it has no directory {_CONTENT}, or more than {_LARGEST >> 20} MiB")
            for info in members:
                path = archive.extract(info, directory)
                if info.external_attr >> 16 & 0o111:
                    os.chmod(path, 0o755)
    # The last two are for encrypted archives, and for methods of compression that Python does not know.
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise DevserverError(
            f"{file} is no extension of VS Code: {error}",
            expected="a .vsix file",
            remedy="replace the file that path or url in editor_extensions names, and its sha256",
        ) from error


def _write_list(root: str, entries: t.Sequence[t.Any], directory: str) -> None:
    path = os.path.join(directory, extensions.LIST)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(entries, file)
    os.replace(path, os.path.join(root, extensions.LIST))


def uninstall(account: Account, place: ExtensionPlace) -> None:
    """Remove an extension of a user. Raises DevserverError."""
    each_as(account, _remove, {place.path: place})[place.path]()


def is_installed(account: Account, place: ExtensionPlace) -> bool:
    return call_as(account, lambda: os.path.isdir(place.path))


def _remove(place: ExtensionPlace) -> None:
    """Runs with the user's rights."""
    listed = listed_extensions(place.root)
    with staging_directory(place.root) as directory:
        if listed is not None:
            removed = (place.name.lower(), place.version)
            _write_list(place.root, [entry for entry in listed if identity(entry) != removed], directory)
        if os.path.lexists(place.path):
            os.rename(place.path, os.path.join(directory, "removed"))
