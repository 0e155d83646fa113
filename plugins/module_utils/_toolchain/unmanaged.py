# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go installations that this collection does not manage; they may come first on a user's PATH."""

from __future__ import annotations

import glob
import os
import pwd
import re
import shutil
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import Account, find_account
from .._host.command import SYSTEM_PATH, run
from .._host.user_access import each_as
from .store import version_named

# By kind, the paths of complete Go trees; links other than snap's do not count.
_TREES = {
    "distribution": ("/usr/lib/go", "/usr/lib/go-*", "/usr/lib/golang", "/usr/lib64/go"),
    "snap": ("/snap/go/current",),
    "unpacked": (
        *("/usr/local/go", "/usr/local/go-*", "/usr/local/go[0-9]*", "/usr/local/golang", "/usr/local/golang/*"),
        *("/opt/go", "/opt/go/*", "/opt/go-*", "/opt/go[0-9]*", "/opt/golang", "/opt/golang/*"),
    ),
    "homebrew": tuple(
        f"{prefix}/Cellar/{formula}/*/libexec"
        for prefix in ("/home/linuxbrew/.linuxbrew", "/opt/homebrew", "/usr/local")
        for formula in ("go", "go@*")
    ),
}
# In a home directory, the trees of version managers.
_MANAGED_TREES = """
.gvm/gos/* .goenv/versions/* .asdf/installs/golang/*/go .local/share/mise/installs/go/* .g/versions/*
.gobrew/versions/*/go .sdkman/candidates/go/* .gimme/versions/* .linuxbrew/Cellar/go/*/libexec
"""
# Seconds for the home of one user.
_PATIENCE = 5.0
_COMMAND = re.compile(r"go(\d+(\.\d+)*((rc|beta)\d+)?)?|gotip")
_PACKAGE = re.compile(r"go|golang|golang-bin|golang-go|golang-\d[\d.]*(-go)?|gccgo(-go|-\d+)?")
# How each package manager lists what is installed: one line with a name and a version.
_LISTS = (
    ("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n"),
    ("rpm", "-qa", "--qf", "installed %{NAME} %{VERSION}-%{RELEASE}\n"),
)


class UnmanagedGo(t.NamedTuple):
    """A Go that this collection does not manage: ``path`` of its tree or command, or the name of its package.

    ``kind`` is distribution, snap, unpacked, homebrew, sdk, manager, command or package. ``user`` owns the home
    directory it is in.
    """

    kind: str
    path: str
    version: str | None
    user: str | None


def list_people() -> list[Account]:
    """Return the accounts of people: those with a uid from 1000 up to nobody's."""
    return [find_account(entry.pw_name) for entry in pwd.getpwall() if 1000 <= entry.pw_uid < 65534]


def find_unmanaged(
    accounts: t.Iterable[Account], *, managed: str, host: str = "/"
) -> tuple[list[UnmanagedGo], list[str]]:
    """Return the unmanaged installations of the host and of these users, outside the directory ``managed``.

    ``host`` is the root directory of the host's files. Also returns the problems of homes that cannot be searched, as
    on a network file system that hangs.
    """
    installations, problems = [*_trees(host, managed), *_packages()], []
    for account in accounts:
        try:
            # Root must not follow a link in a user's home directory.
            results = each_as(account, lambda user: list(_in_home(user)), {account.home: account}, seconds=_PATIENCE)
            installations += [UnmanagedGo(*entry) for entry in results[account.home]()]
        except DevserverError as error:
            problems.append(error.problem)
    return installations, problems


def _trees(host: str, managed: str) -> t.Iterator[UnmanagedGo]:
    for kind, patterns in _TREES.items():
        for path in sorted(path for pattern in patterns for path in glob.glob(host.rstrip("/") + pattern)):
            real = os.path.realpath(path)
            linked = os.path.islink(path) and kind != "snap"
            # A directory of several versions has one of these names too.
            is_tree = os.path.isdir(real) if kind == "distribution" else _is_tree(real)
            if not linked and is_tree and not f"{real}/".startswith(managed.rstrip("/") + "/"):
                yield UnmanagedGo(kind, path, version_named(real), None)


def _is_tree(path: str) -> bool:
    return version_named(path) is not None or os.path.exists(os.path.join(path, "bin/go"))


def _in_home(account: Account) -> t.Iterator[UnmanagedGo]:
    for pattern in _MANAGED_TREES.split():
        for path in sorted(glob.glob(os.path.join(glob.escape(account.home), pattern))):
            # A link, such as `current`, leads to one of the others.
            if not os.path.islink(path) and _is_tree(path):
                yield UnmanagedGo("manager", path, version_named(path), account.name)
    sdk = os.path.join(account.home, "sdk")
    for name in _names(sdk):
        path = os.path.join(sdk, name)
        if _COMMAND.fullmatch(name) and os.path.isdir(path):
            yield UnmanagedGo("sdk", path, version_named(path), account.name)
    commands = os.path.join(account.home, "go", "bin")
    for name in _names(commands):
        if _COMMAND.fullmatch(name):
            yield UnmanagedGo("command", os.path.join(commands, name), None, account.name)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:  # It does not exist, or the user cannot read it.
        return []


def _packages() -> t.Iterator[UnmanagedGo]:
    for argv in _LISTS:
        if shutil.which(argv[0], path=SYSTEM_PATH):
            yield from parse_packages(run(argv, env={"PATH": SYSTEM_PATH, "LC_ALL": "C"}).stdout)


def parse_packages(listing: str) -> t.Iterator[UnmanagedGo]:
    """Yield the Go packages of a listing: lines of a status, a name and a version."""
    for line in sorted(set(listing.splitlines())):
        status, name, version = line.split(" ", 2)
        if status == "installed" and _PACKAGE.fullmatch(name):
            yield UnmanagedGo("package", name, version, None)
