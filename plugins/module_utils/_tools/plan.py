# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what is there of a declared tool and says what is to be done about it; changes nothing.

A tool lies in ``<root>/<name>/<version>-<Go version>[-<digest of its build settings>]/<name>``. What links to it is
``<bin_dir>/<name>``, or for the users that alone get it ``<home>/<user_bin_dir>/<name>``. Its SHA-256 is recorded
beside it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import typing as t
from types import MappingProxyType

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host import symlinks
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.destinations import GO_PROGRAM
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes, read_text, sha256_of_file
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build import (
    Go,
    Wanted,
    has_go,
    installed_go,
    wanted_info,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import BuildInfo, read_build_info
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.pins import Tool
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.support import known_good


class Places(t.NamedTuple):
    """The folder that tools lie in, the folder of their links, and that of a user's own links in his home."""

    root: str
    bin_dir: str
    user_bin_dir: str = "go/bin"


class _Found(t.NamedTuple):
    """A binary as it was found; without ``info`` the ``problem`` says why there is none."""

    info: BuildInfo | None
    problem: str


class Plan(t.NamedTuple):
    """What is to be done for one tool.

    ``source`` and ``digest`` (SHA-256) are those of a binary that has come since.
    ``reason`` says why it is not right as it is, ``build`` whether it has to be built for that; ``info`` is what the
    binary at ``path`` says about itself. ``path`` is empty where there is no Go yet, in check mode. ``binary_now``
    describes the present state for the diff.
    """

    wanted: Wanted
    go: Go | None
    path: str
    links: list[symlinks.Link]
    info: BuildInfo | None
    reason: str
    build: bool
    binary_now: str
    pin: str
    source: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        return self.wanted.tool.name

    @property
    def replaced(self) -> list[str]:
        return [link.aside for link in self.links if link.aside]

    def note(self, changes: Changes) -> None:
        """Note in ``changes`` what this plan changes."""
        if self.build:
            changes.add(self.path or self.name, self.binary_now, self.wanted.lines())
        for link in self.links:
            link.note(changes)

    def result(self, *, check: bool) -> dict[str, t.Any]:
        """Return the tool's entry in the module's result."""
        tool = self.wanted.tool
        return {
            "name": tool.name,
            "package": tool.package,
            "module": self.info.module if self.info else "",
            "version": tool.version,
            "pin": self.pin,
            "go": self.wanted.go,
            "path": self.path,
            "links": [link.path for link in self.links],
            "status": "present" if not self.reason else "would_install" if check else "installed",
            "reason": self.reason,
            "source": self.source,
            "replaced": self.replaced,
        }


def plan_tools(
    tools: t.Sequence[Tool],
    places: Places,
    *,
    check: bool,
    verify: bool,
    coming: t.Mapping[str, str] = MappingProxyType({}),
) -> list[Plan]:
    """Return what is to be done for each of ``tools``; raise DevserverError for what cannot be done on this host.

    A Go that is missing is an error, except where ``check``: the run that really installs it would have come before.
    ``coming`` says which version that is, by goroot. With ``verify`` every byte of a tool is judged.
    """
    roots = {tool.goroot for tool in tools}
    known = {goroot: _go(goroot, coming.get(goroot, "")) if check else installed_go(goroot) for goroot in roots}
    return [_plan(tool, places, known[tool.goroot], verify) for tool in tools]


def _go(goroot: str, coming: str) -> Go | None:
    there = installed_go(goroot) if has_go(goroot) else None
    if not coming or (there and there.version == f"go{coming}"):
        return there
    return Go(goroot, f"go{coming}", there.platform if there else {})


def _plan(declared: Tool, places: Places, go: Go | None, verify: bool) -> Plan:
    tool = (
        declared if declared.version or not go else declared._replace(version=known_good(declared.package, go.version))
    )
    wanted = wanted_info(tool, go)
    path = os.path.join(places.root, tool.name, _folder(tool, go), tool.name) if go else ""
    wanted_links = _links(tool, path or tool.name, places)
    found = _look(path)
    if verify and not found.problem and _altered(path):
        found = found._replace(problem="not the recorded bytes")
    defect = _defect(wanted, found, wanted_links[0].path)
    pending = any(link.pending for link in wanted_links)
    return Plan(
        wanted=wanted,
        go=go,
        path=path,
        links=wanted_links,
        info=None if defect else found.info,
        reason=defect or ("not linked" if pending else ""),
        build=bool(defect),
        binary_now=_binary_now(wanted, found),
        pin="declared" if declared.version else "known-good",
    )


def _folder(tool: Tool, go: Go) -> str:
    # Versions of Go with experiments or of its development have blanks in them.
    folder = "{}-{}".format(tool.version, re.sub(r"[^\w.+-]+", "_", go.version))
    special = [*tool.flags, *(f"tag {tag}" for tag in tool.tags), *(["cgo"] if tool.cgo else [])]
    return folder + ("-" + hashlib.sha256("\n".join(special).encode()).hexdigest()[:8] if special else "")


def _links(tool: Tool, target: str, places: Places) -> list[symlinks.Link]:
    if not tool.users:
        return [symlinks.look(os.path.join(places.bin_dir, tool.name), target, GO_PROGRAM)]
    accounts = [find_account(user) for user in tool.users]
    paths = [os.path.join(one.home, places.user_bin_dir, tool.name) for one in accounts]
    return [symlinks.look(path, target, GO_PROGRAM, one) for path, one in zip(paths, accounts)]


def _look(path: str) -> _Found:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return _Found(None, "absent")
    try:
        info = read_build_info(path)
    except DevserverError:
        return _Found(None, "unreadable")
    own = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o755
    return _Found(info, "" if own else "other owner or mode")


def digest_file(binary: str) -> str:
    """Return the path of the file that records a binary's SHA-256."""
    return binary + ".sha256"


def _altered(binary: str) -> bool:
    return (read_text(digest_file(binary)) or "").strip() != sha256_of_file(binary)


def _defect(wanted: Wanted, found: _Found, link: str) -> str:
    """Return why the tool has to be built. Where it is absent, what the link leads to may tell more about that."""
    if found.info:
        return wanted.difference(found.info) or found.problem
    previous = _look(os.path.realpath(link)).info if found.problem == "absent" else None
    return wanted.difference(previous) if previous and wanted.difference(previous) else found.problem


def _binary_now(wanted: Wanted, found: _Found) -> str:
    problem = "" if found.problem in ("", "absent") else found.problem + "\n"
    return (wanted.described(found.info) if found.info else "") + problem
