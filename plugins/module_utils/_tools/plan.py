# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans what has to change for each declared tool; changes nothing.

A tool is in ``<root>/<name>/<version>-<Go version>[-<digest of its build settings>]/<name>``, and its SHA-256 is
recorded beside it. The link to it is ``<bin_dir>/<name>``, or ``<home>/<user_bin_dir>/<name>`` for each of its users.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import typing as t
from types import MappingProxyType

from .._core.errors import DevserverError
from .._host import symlinks
from .._host.accounts import Account, find_known_account
from .._host.destinations import GO_PROGRAM
from .._host.files import Changes, read_text, sha256_of_file
from .._host.skipped_files import SkippedFile, skip_errors
from .build import ExpectedBuild, Go, expect_build, find_go, has_go
from .build_info import BuildInfo, read_build_info
from .pins import Tool
from .support import known_good


class ToolPaths(t.NamedTuple):
    """The directory of the tools, that of their links, and that of a user's own links below the home directory.

    ``earlier_roots`` are the directories of the tools of earlier runs.
    """

    root: str
    bin_dir: str
    user_bin_dir: str = "go/bin"
    earlier_roots: t.Collection[str] = ()


class _Binary(t.NamedTuple):
    """The build info of an installed binary; without it, ``problem`` is the reason."""

    info: BuildInfo | None
    problem: str


class ToolPlan(t.NamedTuple):
    """How one tool differs from what is expected.

    ``reason`` is empty if it does not, ``build`` is set if it has to be built. ``info`` is the build info of the binary
    at ``path``, which is empty without a Go, in check mode. ``before`` describes the binary for the diff. ``source``
    and ``digest`` (SHA-256) are set when a new binary has been built or copied.
    """

    expected: ExpectedBuild
    go: Go | None
    path: str
    links: list[symlinks.Link]
    info: BuildInfo | None
    reason: str
    build: bool
    before: str
    pin: str
    source: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        return self.expected.tool.name

    @property
    def replaced(self) -> list[str]:
        return [link.aside for link in self.links if link.aside]

    def note(self, changes: Changes) -> None:
        """Note in ``changes`` what this plan changes."""
        if self.build:
            changes.add(self.path or self.name, self.before, self.expected.text())
        for link in self.links:
            link.note(changes)

    def result(self, *, check: bool) -> dict[str, t.Any]:
        """Return the tool's entry in the module's result."""
        tool = self.expected.tool
        return {
            "name": tool.name,
            "package": tool.package,
            "module": self.info.module if self.info else "",
            "version": tool.version,
            "pin": self.pin,
            "go": self.expected.go,
            "path": self.path,
            "links": [link.path for link in self.links],
            "status": "present" if not self.reason else "would_install" if check else "installed",
            "reason": self.reason,
            "source": self.source,
            "replaced": self.replaced,
        }


def plan_tools(
    tools: t.Sequence[Tool],
    paths: ToolPaths,
    *,
    check: bool,
    verify: bool,
    planned_versions: t.Mapping[str, str] = MappingProxyType({}),
    skipped: list[SkippedFile] | None = None,
) -> list[ToolPlan]:
    """Return a plan for each of ``tools``; raise DevserverError for one that is invalid on this host.

    A missing Go is an error, but not in ``check`` mode, in which an earlier task has not installed it:
    ``planned_versions`` has its version by goroot. With ``verify`` every byte of a tool is read. With ``skipped``, the
    links of users that cannot be inspected are added to it.
    """
    gos = {}
    for goroot in {tool.goroot for tool in tools}:
        gos[goroot] = _find_planned_go(goroot, planned_versions.get(goroot, "")) if check else find_go(goroot)
    return [_plan(tool, paths, gos[tool.goroot], verify, skipped) for tool in tools]


def _find_planned_go(goroot: str, version: str) -> Go | None:
    current = None
    # A broken Go is an error only if no planned version replaces it.
    with contextlib.suppress(*([DevserverError] if version else [])):
        current = find_go(goroot) if has_go(goroot) else None
    if not version or (current and current.version == f"go{version}"):
        return current
    return Go(goroot, f"go{version}", current.platform if current else {})


def _plan(declared: Tool, paths: ToolPaths, go: Go | None, verify: bool, skipped: list[SkippedFile] | None) -> ToolPlan:
    tool = (
        declared if declared.version or not go else declared._replace(version=known_good(declared.package, go.version))
    )
    expected = expect_build(tool, go)
    path = os.path.join(paths.root, tool.name, _directory_name(tool, go), tool.name) if go else ""
    links = _find_links(tool, path or tool.name, paths, skipped)
    binary = _inspect(path)
    if verify and not binary.problem and _is_altered(path):
        binary = binary._replace(problem="not the recorded bytes")
    # Root does not follow the links of users.
    defect = _find_defect(expected, binary, "" if tool.users else links[0].path)
    return ToolPlan(
        expected=expected,
        go=go,
        path=path,
        links=links,
        info=None if defect else binary.info,
        reason=defect or ("not linked" if any(link.pending for link in links) else ""),
        build=bool(defect),
        before=_describe_binary(expected, binary),
        pin="declared" if declared.version else "known-good",
    )


def _directory_name(tool: Tool, go: Go) -> str:
    # The versions of development and experimental Gos contain blanks.
    name = "{}-{}".format(tool.version, re.sub(r"[^\w.+-]+", "_", go.version))
    settings = [*tool.flags, *(f"tag {tag}" for tag in tool.tags), *(["cgo"] if tool.cgo else [])]
    return name + ("-" + hashlib.sha256("\n".join(settings).encode()).hexdigest()[:8] if settings else "")


def _find_links(tool: Tool, target: str, paths: ToolPaths, skipped: list[SkippedFile] | None) -> list[symlinks.Link]:
    own_paths = [os.path.join(root, tool.name) for root in (paths.root, *paths.earlier_roots)]
    if not tool.users:
        return [symlinks.inspect_link(os.path.join(paths.bin_dir, tool.name), target, GO_PROGRAM, own_paths)]
    links = []
    for account in (_find_user(tool, user) for user in tool.users):
        path = os.path.join(account.home, paths.user_bin_dir, tool.name)
        with contextlib.nullcontext() if skipped is None else skip_errors(skipped, account.name, path):
            links.append(symlinks.inspect_link(path, target, GO_PROGRAM, own_paths, account))
    return links


def _find_user(tool: Tool, user: str) -> Account:
    account = find_known_account(user)
    if account is None:
        raise DevserverError(
            f"user {user!r} of the tool {tool.name} in devserver_tools does not exist on this host",
            expected="the name of an existing account",
            remedy=f"create the account first, or correct users of {tool.name} in devserver_tools",
            user=user,
        )
    return account


def _inspect(path: str) -> _Binary:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return _Binary(None, "absent")
    try:
        info = read_build_info(path)
    except DevserverError:
        return _Binary(None, "unreadable")
    valid = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o755
    return _Binary(info, "" if valid else "other owner or mode")


def digest_file(binary: str) -> str:
    """Return the path of the file with a binary's recorded SHA-256."""
    return binary + ".sha256"


def _is_altered(binary: str) -> bool:
    return (read_text(digest_file(binary)) or "").strip() != sha256_of_file(binary)


def _find_defect(expected: ExpectedBuild, binary: _Binary, link: str) -> str:
    """Return why the tool has to be built. If it is absent, the current target of ``link`` may give a better
    reason.
    """
    if binary.info:
        return expected.difference(binary.info) or binary.problem
    previous = _inspect(os.path.realpath(link)).info if link and binary.problem == "absent" else None
    return (expected.difference(previous) if previous else "") or binary.problem


def _describe_binary(expected: ExpectedBuild, binary: _Binary) -> str:
    problem = "" if binary.problem in ("", "absent") else binary.problem + "\n"
    return (expected.describe(binary.info) if binary.info else "") + problem
