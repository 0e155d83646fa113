# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration of a tool: one main package at one exact version, and the name of its executable."""

from __future__ import annotations

import itertools
import re
import typing as t

from .._core.errors import DevserverError
from .known_good import PACKAGES

# A canonical version in Go's terms; pseudo-versions have the form of pre-releases.
_EXACT = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+incompatible)?\Z")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+(/[A-Za-z0-9_~+-][A-Za-z0-9._~+-]*)*\Z")
# The links that the role toolchain makes.
_TOOLCHAIN_LINK = re.compile(r"(go|gofmt|go\d[\d.]*)\Z")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*\Z")
_TAG = re.compile(r"[A-Za-z0-9_.]+\Z")
_FLAG = re.compile(r"-(ldflags|gcflags|asmflags)=[^\x00-\x1f\x7f]+\Z")
_MAJOR_VERSION = re.compile(r"v(?:[2-9]|[1-9]\d+)\Z")

# An entry of the option ``tools``, as modules that take it declare it.
TOOL_OPTIONS: dict[str, t.Any] = {
    "package": {"type": "str"},
    "version": {"type": "str"},
    "force": {"type": "bool", "default": False},
    "name": {"type": "str"},
    "goroot": {"type": "path"},
    "tags": {"type": "list", "elements": "str", "default": []},
    "cgo": {"type": "bool", "default": False},
    "flags": {"type": "list", "elements": "str", "default": []},
    "users": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


class Tool(t.NamedTuple):
    """One tool as declared; ``tags`` are sorted, ``goroot`` is the tree of the Go that builds it.

    Without ``users`` it is for all users. ``flags`` are for go's compiler, assembler and linker. An empty ``version``
    means the known-good one for that Go; with ``force`` one that does not support it is built nevertheless.
    """

    package: str
    version: str
    name: str
    goroot: str
    tags: tuple[str, ...] = ()
    cgo: bool = False
    force: bool = False
    flags: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.package}@{self.version}"


def parse_tools(entries: t.Sequence[t.Mapping[str, t.Any]], goroot: str) -> list[Tool]:
    """Return the tools in a module's option ``tools`` that are not absent; ``goroot`` is the default.

    Raises DevserverError.
    """
    tools = [_parse_tool(entry, goroot) for entry in entries if entry.get("state") != "absent"]
    for tool, other in itertools.combinations(tools, 2):
        if tool.name == other.name and _share_users(tool, other):
            raise DevserverError(
                f"{tool} and {other} both have the name {tool.name}",
                expected="one tool for each name; several if each has users, and no user has two of them",
                remedy="remove one of them, or set its name",
            )
        if tool.name == other.name and tool.package != other.package:
            raise DevserverError(
                f"two packages have the name {tool.name}: {tool.package} and {other.package}",
                expected="one package for each name",
                remedy="set the name of one of them",
            )
    return tools


def parse_absent_tools(entries: t.Sequence[t.Mapping[str, t.Any]]) -> list[Tool]:
    """Return the tools in a module's option ``tools`` that are absent. Raises DevserverError."""
    return [_parse_tool(entry, "") for entry in entries if entry.get("state") == "absent"]


def _share_users(tool: Tool, other: Tool) -> bool:
    # A shell finds the shared tool first and an editor the user's own: no user may get both.
    return not tool.users or not other.users or bool(set(tool.users) & set(other.users))


def _parse_tool(entry: t.Mapping[str, t.Any], goroot: str) -> Tool:
    package, version = entry.get("package") or _find_package(entry.get("name")), entry.get("version") or ""
    if not _PACKAGE.match(package):
        raise DevserverError(
            f"{package!r} is not the import path of a tool",
            expected="a main package in a module, such as golang.org/x/tools/gopls, without @version, https:// or ...",
            remedy="correct its package in devserver_tools (tools)",
        )
    if version and not _EXACT.match(version):
        raise DevserverError(
            f"{package} has the version {version!r}, which is not an exact pin: {_explain_inexact(version)}",
            expected="a full version such as v0.16.2, or a pseudo-version with its time and commit",
            remedy=f"declare one of the versions that go list -m -versions shows for the module of {package}",
        )
    name = entry.get("name") or executable_name(package)
    tags, flags = entry.get("tags") or [], entry.get("flags") or []
    _validate(_NAME, name, f"the name of {package}", "a file name of letters, digits and . _ + -")
    if _TOOLCHAIN_LINK.match(name):
        raise DevserverError(
            f"{package} has the name {name}, which is a link to a toolchain",
            expected="a name other than go, gofmt and go<version>",
            remedy=f"set another name for {package}",
        )
    for tag in tags:
        _validate(_TAG, tag, f"a build tag of {package}", "letters, digits, _ and .")
    for flag in flags:
        _validate(_FLAG, flag, f"a build flag of {package}", "-ldflags=…, -gcflags=… or -asmflags=…")
    if len({flag.partition("=")[0] for flag in flags}) < len(flags):
        raise DevserverError(
            f"{package} has a build flag twice: {' '.join(flags)}",
            expected="each flag once",
            remedy="join the values of that flag",
        )
    return Tool(
        package,
        version,
        name,
        entry.get("goroot") or goroot,
        tuple(sorted(set(tags))),
        cgo=bool(entry.get("cgo")),
        force=bool(entry.get("force")),
        flags=tuple(sorted(flags)),
        users=tuple(dict.fromkeys(entry.get("users") or [])),
    )


def _find_package(name: str | None) -> str:
    """Return the package of a tool that is declared by its name alone."""
    if name in PACKAGES:
        return PACKAGES[name]
    raise DevserverError(
        f"the tool {name!r} has no package, and the name is unknown" if name else "a tool has no package",
        expected="a package, or one of the names {}".format(", ".join(PACKAGES)),
        remedy="set its package in devserver_tools (tools)",
    )


def _validate(pattern: t.Pattern[str], value: str, subject: str, expected: str) -> None:
    if not pattern.match(value):
        raise DevserverError(
            f"{subject} is {value!r}", expected=expected, remedy="correct it in devserver_tools (tools)"
        )


def _explain_inexact(version: str) -> str:
    if version in ("latest", "upgrade", "patch"):
        return "it changes with the next release"
    if re.match(r"v\d+(\.\d+)?\Z", version):
        return "Go resolves it to the latest version that begins with it"
    if re.match(r"\d+(\.\d+)*", version):
        return "Go's versions begin with v"
    return "Go resolves it as a branch, a tag or a commit, which can change"


def executable_name(package: str) -> str:
    """Return the name that ``go install`` gives the executable: the last element that is not a major version."""
    elements = package.split("/")
    if len(elements) > 1 and _MAJOR_VERSION.match(elements[-1]):
        elements.pop()
    return elements[-1]
