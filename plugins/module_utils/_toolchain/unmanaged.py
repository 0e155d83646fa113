# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other Go installations on a host, which may come first on somebody's PATH."""

from __future__ import annotations

import glob
import os
import pwd
import re
import shutil
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import SYSTEM_PATH, run
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.store import version_named

# By kind, the places of a whole Go; the last one only where it is a real folder.
_TREES = {
    "distribution": ("/usr/lib/go", "/usr/lib/go-*", "/usr/lib/golang", "/usr/lib64/go"),
    "snap": ("/snap/go/current",),
    "unpacked": ("/usr/local/go", "/opt/go"),
}
_COMMAND = re.compile(r"go(\d+(\.\d+)*((rc|beta)\d+)?)?|gotip")
_PACKAGE = re.compile(r"go|golang|golang-bin|golang-go|golang-\d[\d.]*(-go)?|gccgo(-go|-\d+)?")
# How each package manager lists what is installed: one line with a name and a version.
_LISTS = (
    ("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n"),
    ("rpm", "-qa", "--qf", "installed %{NAME} %{VERSION}-%{RELEASE}\n"),
)


class Stray(t.NamedTuple):
    """A Go that is not this collection's: ``path`` of its tree or command, or the name of its package.

    ``kind`` is distribution, snap, unpacked, sdk, command or package; ``user`` whose home it lies in.
    """

    kind: str
    path: str
    version: str | None
    user: str | None


def people() -> list[Account]:
    """Return the accounts that people have: a uid from 1000 up to nobody's."""
    return [find_account(entry.pw_name) for entry in pwd.getpwall() if 1000 <= entry.pw_uid < 65534]


def strays(accounts: t.Iterable[Account], *, ours: str, host: str = "/") -> list[Stray]:
    """Return the other installations of the host and of these users; ``ours`` is the folder that is not one.

    ``host`` is the root folder of the host's files.
    """
    found = [*_trees(host, ours), *_packages()]
    for account in accounts:
        # A link in somebody's home must not lead root anywhere.
        with acting_as(account):
            found += _in_home(account)
    return found


def _trees(host: str, ours: str) -> t.Iterator[Stray]:
    for kind, patterns in _TREES.items():
        for path in sorted(path for pattern in patterns for path in glob.glob(host.rstrip("/") + pattern)):
            real = os.path.realpath(path)
            linked = os.path.islink(path) and kind != "snap"
            if not linked and os.path.isdir(real) and not f"{real}/".startswith(ours.rstrip("/") + "/"):
                yield Stray(kind, path, version_named(real), None)


def _in_home(account: Account) -> t.Iterator[Stray]:
    sdk = os.path.join(account.home, "sdk")
    for name in _names(sdk):
        path = os.path.join(sdk, name)
        if _COMMAND.fullmatch(name) and os.path.isdir(path):
            yield Stray("sdk", path, version_named(path), account.name)
    commands = os.path.join(account.home, "go", "bin")
    for name in _names(commands):
        if _COMMAND.fullmatch(name):
            yield Stray("command", os.path.join(commands, name), None, account.name)


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:  # No such folder, or not the user's to read.
        return []


def _packages() -> t.Iterator[Stray]:
    for argv in _LISTS:
        if shutil.which(argv[0], path=SYSTEM_PATH):
            yield from packages_in(run(argv, env={"PATH": SYSTEM_PATH, "LC_ALL": "C"}).stdout)


def packages_in(listing: str) -> t.Iterator[Stray]:
    """Read lines of a status, a package's name and its version."""
    for line in sorted(set(listing.splitlines())):
        status, name, version = line.split(" ", 2)
        if status == "installed" and _PACKAGE.fullmatch(name):
            yield Stray("package", name, version, None)
