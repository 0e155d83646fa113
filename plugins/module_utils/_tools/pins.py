# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tool is declared to be: one main package at one exact version, and the name of its executable."""

from __future__ import annotations

import itertools
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.known_good import PACKAGES

# What Go calls a canonical version; pseudo-versions are pre-releases in form.
_EXACT = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+incompatible)?\Z")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+(/[A-Za-z0-9_~+-][A-Za-z0-9._~+-]*)*\Z")
# The links that the role toolchain makes.
_GOS_OWN = re.compile(r"(go|gofmt|go\d[\d.]*)\Z")
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
}


class Tool(t.NamedTuple):
    """One tool as declared; ``tags`` are sorted, ``goroot`` is the tree of the Go that builds it.

    It is for everybody where there are no ``users``. ``flags`` are those for go's compiler, assembler and linker.

    ``version`` is empty where the known-good one for that Go is meant; ``force`` takes a version that is not for it.
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


def declared_tools(entries: t.Sequence[t.Mapping[str, t.Any]], goroot: str) -> list[Tool]:
    """Return the tools that a module's option ``tools`` declares; ``goroot`` is for those that name none."""
    tools = [_tool(entry, goroot) for entry in entries]
    for one, other in itertools.combinations(tools, 2):
        if one.name == other.name and _same_receiver(one, other):
            raise DevserverError(
                f"{one} and {other} would both be called {one.name}",
                expected="one tool for each name, or one for each user where all of that name have users",
                remedy="drop one of them, or give one of them another name by the key name",
            )
        if one.name == other.name and one.package != other.package:
            raise DevserverError(
                f"two packages would be called {one.name}: {one.package} and {other.package}",
                expected="one package for each name",
                remedy="give one of them another name by the key name",
            )
    return tools


def _same_receiver(one: Tool, other: Tool) -> bool:
    # A shell finds the shared one first and an editor the user's own: nobody gets both.
    return not one.users or not other.users or bool(set(one.users) & set(other.users))


def _tool(entry: t.Mapping[str, t.Any], goroot: str) -> Tool:
    package, version = entry.get("package") or _known_package(entry.get("name")), entry.get("version") or ""
    if not _PACKAGE.match(package):
        raise DevserverError(
            f"{package!r} is not the import path of a tool",
            expected="a main package in a module, such as golang.org/x/tools/gopls, without @version, https:// or ...",
        )
    if version and not _EXACT.match(version):
        raise DevserverError(
            f"{package} has the version {version!r}, which is not an exact pin: {_why_inexact(version)}",
            expected="a full version such as v0.16.2, or a pseudo-version with its time and commit",
            remedy=f"see which versions there are by go list -m -versions for the module of {package}, and write one",
        )
    name = entry.get("name") or executable_name(package)
    tags, flags = entry.get("tags") or [], entry.get("flags") or []
    _match(_NAME, name, f"the name of {package}", "a file name of letters, digits and . _ + -")
    if _GOS_OWN.match(name):
        raise DevserverError(
            f"{package} would be called {name}, which is a link to a toolchain", remedy="give it another name"
        )
    for tag in tags:
        _match(_TAG, tag, f"a build tag of {package}", "letters, digits, _ and .")
    for flag in flags:
        _match(_FLAG, flag, f"a build flag of {package}", "-ldflags=…, -gcflags=… or -asmflags=…")
    if len({flag.partition("=")[0] for flag in flags}) < len(flags):
        raise DevserverError(f"{package} has a build flag twice", expected="each flag once, with all that it is to say")
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


def _known_package(name: str | None) -> str:
    """Return the package of a tool that is declared by its name alone."""
    if name in PACKAGES:
        return PACKAGES[name]
    raise DevserverError(
        f"a tool is declared by the name {name!r} alone, which is not known" if name else "a tool has no package",
        expected="the key package, or one of the names {}".format(", ".join(PACKAGES)),
    )


def _match(pattern: t.Pattern[str], value: str, what: str, expected: str) -> None:
    if not pattern.match(value):
        raise DevserverError(f"{what} is {value!r}", expected=expected)


def _why_inexact(version: str) -> str:
    if version in ("latest", "upgrade", "patch"):
        return "it means another version tomorrow"
    if re.match(r"v\d+(\.\d+)?\Z", version):
        return "Go takes the latest version that begins with it"
    if re.match(r"\d+(\.\d+)*", version):
        return "Go's versions begin with v"
    return "Go takes it for a branch, a tag or a commit and looks up what that is today"


def executable_name(package: str) -> str:
    """Return the name that ``go install`` gives the executable: the last element that is not a major version."""
    elements = package.split("/")
    if len(elements) > 1 and _MAJOR_VERSION.match(elements[-1]):
        elements.pop()
    return elements[-1]
