# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VS Code's servers from given archives, unpacked where Remote-SSH looks for them.

A client takes the server of its own commit alone. One without the program for all connections looks in ``bin``, a newer
one in ``cli/servers``, which gets a link.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import tarfile
import typing as t
import zlib

from .._core.errors import DevserverError
from .._host.accounts import Account
from .._host.user_access import call_as, each_as
from . import extensions
from .installation import staging_directory

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
# Seconds for one user; archives have about 70 MiB.
_SECONDS = 120.0


class EditorServer(t.NamedTuple):
    """A pinned server; its archive of that digest is in the store of extensions, or is fetched from ``url``."""

    commit: str
    sha256: str
    url: str = ""

    @property
    def name(self) -> str:
        return "VS Code's server"

    @property
    def version(self) -> str:
        return self.commit

    @property
    def file(self) -> str:
        return os.path.join(extensions.STORE, f"{self.sha256}.tar.gz")


def parse_servers(entries: t.Sequence[t.Mapping[str, t.Any]]) -> list[EditorServer]:
    """Return the servers of a module's option. Raises DevserverError."""
    servers = [EditorServer(*(entry[name] or "" for name in EditorServer._fields)) for entry in entries]
    for server in servers:
        if not _COMMIT.match(server.commit) or not _DIGEST.match(server.sha256):
            raise DevserverError(
                f"the server of the commit {server.commit!r} is invalid",
                expected="a commit of 40 and a SHA-256 of 64 hexadecimal digits",
                remedy="correct it in editor_servers (servers); 'code --version' on the client shows its commit",
            )
    return servers


def server_paths(root: str, commit: str) -> tuple[str, str]:
    """Return the directory of a server beside the extensions in ``root``, and the link to it."""
    base = os.path.dirname(root)
    return os.path.join(base, "bin", commit), os.path.join(base, "cli/servers", f"Stable-{commit}", "server")


def is_present(account: Account, root: str, commit: str) -> bool:
    """Return whether a server is complete: it has come there in one step."""
    directory, link = server_paths(root, commit)
    return call_as(account, lambda: os.path.isdir(directory) and os.path.isdir(link))


def install(account: Account, server: EditorServer, root: str) -> None:
    """Unpack a server for a user. Raises DevserverError."""
    paths = server_paths(root, server.commit)
    # It takes longer than files do, so it has a limit of its own.
    unpack = functools.partial(_unpack, server.file)
    each_as(account, unpack, {paths[0]: paths}, seconds=_SECONDS, programs=True)[paths[0]]()


def uninstall(account: Account, root: str, commit: str) -> None:
    """Remove a server of a user. Raises DevserverError."""
    paths = server_paths(root, commit)
    each_as(account, _remove, {paths[0]: paths}, seconds=_SECONDS)[paths[0]]()


def _unpack(file: str, paths: tuple[str, str]) -> None:
    """Runs with the user's rights."""
    directory, link = paths
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    os.makedirs(os.path.dirname(link), exist_ok=True)
    if not os.path.isdir(directory):
        # In the same file system, so that the directory is there in one step.
        with staging_directory(os.path.dirname(directory)) as staging:
            try:
                with tarfile.open(file) as archive:
                    archive.extraction_filter = getattr(tarfile, "data_filter", None)
                    archive.extractall(staging)
                content = os.listdir(staging)
                if len(content) != 1:
                    raise tarfile.TarError("it has not one directory")
            except (tarfile.TarError, EOFError, zlib.error) as error:
                raise DevserverError(
                    f"{file} cannot be unpacked: {error}",
                    expected="a .tar.gz file with VS Code's server in one directory",
                    remedy="replace the file that path or url in editor_servers names, and its sha256",
                ) from error
            os.rename(os.path.join(staging, content[0]), directory)
    if not os.path.isdir(link):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link)
        os.symlink(directory, link)


def _remove(paths: tuple[str, str]) -> None:
    """Runs with the user's rights."""
    directory, link = paths
    if os.path.islink(link):
        os.unlink(link)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(link))
    if os.path.isdir(directory):
        shutil.rmtree(directory)
