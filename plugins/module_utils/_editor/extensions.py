# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The extensions of users, in the directories of their VS Code servers."""

from __future__ import annotations

import glob
import json
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import Account
from .._host.files import read_text
from .._host.managed_files import ManagedFile, users_file
from .._host.skipped_files import SkippedFile, skip_errors
from .._host.user_access import call_as, each_as

ROLE = "editor"
# Where the files of extensions are, which all users can read.
STORE = "/usr/local/lib/gopherops/extensions"
_PATTERNS = {
    "name": re.compile(r"\A[A-Za-z0-9][\w-]*\.[A-Za-z0-9][\w.-]*\Z", re.ASCII),
    "version": re.compile(r"\A\d[\w.+-]*\Z", re.ASCII),
    "sha256": re.compile(r"\A[0-9a-f]{64}\Z"),
    "url": re.compile(r"\A(https?://\S+)?\Z"),
}
# The server's list of the extensions that are installed.
LIST = "extensions.json"

# In place of a program that the Go extension would compile from the latest sources when it starts. It counts uses for
# the telemetry of the extension, and is given them by standard input.
_HELPER = """\
#!/bin/sh
# Written by gopherops.devserver, so that the Go extension does not install its helper for telemetry.
exec cat >/dev/null
"""


def extension_roots(settings: t.Iterable[str]) -> list[str]:
    """Return the directories of extensions, by the paths of the machine settings of each server."""
    servers = (os.path.dirname(os.path.dirname(path)) for path in settings)
    # Microsoft's server has its settings in data/Machine, and code-server in Machine.
    roots = (os.path.dirname(path) if os.path.basename(path) == "data" else path for path in servers)
    return [os.path.join(root, "extensions") for root in dict.fromkeys(roots)]


def helper_files(account: Account, roots: t.Sequence[str], *, present: bool) -> list[ManagedFile]:
    """Return the helper of each installed Go extension: ours in place of none, or none in place of ours."""
    paths = call_as(account, lambda: [path for root in roots for path in _helpers(root)])
    text = _HELPER if present else None
    return [users_file(path, lambda _now: text, account, mode=0o755) for path in paths]


def _helpers(root: str) -> list[str]:
    """Return the paths in which there is no helper, or ours. Runs with the user's rights."""
    directories = sorted(glob.glob(os.path.join(glob.escape(root), "golang.go-*")))
    paths = (os.path.join(directory, "bin", "vscgo") for directory in directories)
    return [path for path in paths if not os.path.lexists(path) or _is_ours(path)]


def _is_ours(path: str) -> bool:
    if not os.path.isfile(path) or os.path.getsize(path) != len(_HELPER):
        return False
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read() == _HELPER


class Extension(t.NamedTuple):
    """A pinned extension: ``name`` has its publisher. A file of the digest is in STORE, or is fetched from ``url``."""

    name: str
    version: str
    sha256: str
    url: str = ""

    @property
    def directory(self) -> str:
        """The directory of the extension, as VS Code names it."""
        return f"{self.name.lower()}-{self.version}"

    @property
    def file(self) -> str:
        return os.path.join(STORE, f"{self.sha256}.vsix")


class ExtensionPlace(t.NamedTuple):
    """An extension in the directory ``root`` of a user's server; a server other than the first need not be there."""

    root: str
    name: str
    version: str
    directory: str
    first: bool

    @property
    def path(self) -> str:
        return os.path.join(self.root, self.directory)


def recorded_extensions(values: t.Iterable[str]) -> list[Extension]:
    """Return the extensions in a record, each as its name and version with an @ between."""
    return [Extension(*value.rpartition("@")[::2], "") for value in values]


def parse_extensions(entries: t.Sequence[t.Mapping[str, t.Any]]) -> list[Extension]:
    """Return the extensions of a module's option. Raises DevserverError."""
    extensions = [Extension(**{name: entry[name] or "" for name in Extension._fields}) for entry in entries]
    for extension in extensions:
        fits = all(pattern.match(getattr(extension, field)) for field, pattern in _PATTERNS.items())
        if not fits or [other.name.lower() for other in extensions].count(extension.name.lower()) > 1:
            raise DevserverError(
                f"the extension {extension.name!r} {extension.version!r} is invalid",
                expected="publisher.name, a version, a SHA-256 in hex, an http(s) URL if any, and each name once",
                remedy="correct it in editor_extensions (extensions)",
            )
    return extensions


def extension_places(extensions: t.Iterable[Extension], roots: t.Sequence[str]) -> dict[str, ExtensionPlace]:
    """Return the places of extensions, by their paths."""
    places = [
        ExtensionPlace(root, extension.name, extension.version, extension.directory, root == roots[0])
        for extension in extensions
        for root in roots
    ]
    return {place.path: place for place in places}


def missing_places(
    account: Account, places: t.Mapping[str, ExtensionPlace], skipped: list[SkippedFile]
) -> list[ExtensionPlace]:
    """Return the places in which the extension is not installed."""
    states = each_as(account, is_missing, places)
    missing = []
    for path, place in places.items():
        with skip_errors(skipped, account.name, path):
            if states[path]():
                missing.append(place)
    return missing


def is_missing(place: ExtensionPlace) -> bool:
    """Return whether an extension is to be installed. Runs with the user's rights."""
    if not place.first and not os.path.isdir(os.path.dirname(place.root)):
        return False
    listed = listed_extensions(place.root)
    present = os.path.isfile(os.path.join(place.path, "package.json"))
    # Without a list, the first start of the server adopts all directories.
    return not present or (listed is not None and (place.name.lower(), place.version) not in map(identity, listed))


def listed_extensions(root: str) -> list[dict[str, t.Any]] | None:
    """Return the entries of the server's list of extensions; None if it has none."""
    path = os.path.join(root, LIST)
    text = read_text(path)
    try:
        content = None if text is None else json.loads(text)
    except ValueError as error:
        raise DevserverError(
            f"{path} cannot be parsed: {error}",
            expected="the list of extensions that VS Code's server has written",
            remedy="remove it: the server makes another one when it starts",
        ) from error
    return [entry for entry in content if isinstance(entry, dict)] if isinstance(content, list) else None


def identity(entry: t.Mapping[str, t.Any]) -> tuple[str, str]:
    identifier = entry.get("identifier")
    name = identifier.get("id") if isinstance(identifier, dict) else ""
    return str(name).lower(), str(entry.get("version"))
