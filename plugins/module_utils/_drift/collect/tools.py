# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned tools, evaluated by the same plan that ``go_tool`` executes, and the copies that editors prefer."""

from __future__ import annotations

import contextlib
import itertools
import os
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..._core.errors import DevserverError
from ..._editor.settings import TOOLS
from ..._environment.declaration import UserEnvironment
from ..._host.reading_limit import reading
from ..._host.user_access import acting_as, may_access
from ..._tools.build_info import read_build_info
from ..._tools.pins import TOOL_OPTIONS, Tool, parse_tools
from ..._tools.plan import ToolPaths, plan_tools
from ..._tools.support import incompatibility
from ..records.tools import FetchedToolchain, PinnedTool, ToolCopy

# Of each user; a user may have made any number of directories.
_MOST_TOOLCHAINS = 20
_TOOLS = {"type": "list", "elements": "dict", "options": TOOL_OPTIONS}


def pinned_tools(entries: t.Sequence[t.Mapping[str, t.Any]], *, goroot: str, places: ToolPaths) -> list[PinnedTool]:
    """Return each tool that the play pins, with the reason why it is not the pinned build."""
    typed = ArgumentSpecValidator({"tools": _TOOLS}).validate({"tools": list(entries)})
    if typed.error_messages:
        raise DevserverError(
            f"devserver_tools is invalid: {'; '.join(typed.error_messages)}",
            expected="entries in the format of go_tool",
            remedy="correct devserver_tools",
        )
    return [_pinned(tool, places) for tool in parse_tools(typed.validated_parameters["tools"], goroot)]


def _pinned(tool: Tool, places: ToolPaths) -> PinnedTool:
    pinned = PinnedTool(
        tool.name, tool.package, tool.version, "", os.path.join(places.bin_dir, tool.name), "", tool.users
    )
    try:
        (plan,) = plan_tools([tool], places, check=True, verify=True)
    except DevserverError as error:
        return pinned._replace(reason=error.problem)
    expected, links = plan.expected, [link.path for link in plan.links]
    wrong = [link.path for link in plan.links if link.pending]
    return pinned._replace(
        version=expected.tool.version,
        go=expected.go,
        # Without a Go the path of the tool is not known; a wrong link is itself the place to correct.
        path=wrong[0] if plan.reason == "not linked" else plan.path or links[0],
        reason=plan.reason,
        actual=_describe(links[0]) if plan.reason and not tool.users else "",
        incompatibility="" if tool.force else incompatibility(tool.package, expected.tool.version, expected.go),
    )


def _describe(link: str) -> str:
    """Return what the link of all users leads to; the links of single users are in directories of theirs."""
    with contextlib.suppress(DevserverError):
        info = read_build_info(os.path.realpath(link))
        return f"{info.package} {info.version}, {info.go}"
    return ""


def tool_copies(users: t.Iterable[UserEnvironment], tools: t.Sequence[PinnedTool]) -> t.Iterator[ToolCopy]:
    """Yield the programs in GOBIN and GOPATH/bin that editors prefer to a pinned tool."""
    for user in users if tools else ():
        for directory in _directories(user):
            for tool in tools:
                if not tool.reason and tool.is_for(user.account.name) and _is_hidden(tool, directory, user):
                    yield _copy(tool.name, directory, user)


def undeclared_tools(users: t.Iterable[UserEnvironment], tools: t.Sequence[PinnedTool]) -> t.Iterator[ToolCopy]:
    """Yield the programs in GOBIN and GOPATH/bin with the names of tools that are not pinned."""
    for user in users if tools else ():
        names = sorted(TOOLS - {tool.name for tool in tools})
        for directory, name in itertools.product(_directories(user), names):
            if _is_program(os.path.join(directory, name), user):
                yield _copy(name, directory, user)


def fetched_toolchains(users: t.Iterable[UserEnvironment]) -> t.Iterator[FetchedToolchain]:
    """Yield the toolchains in the module caches of users, which go has downloaded."""
    for user in users:
        directory = os.path.join(user.directories.get("GOMODCACHE", ""), "golang.org")
        with reading(user.account), contextlib.suppress(OSError), acting_as(user.account):
            if not os.path.isabs(directory):
                continue
            names = (name for name in os.listdir(directory) if name.startswith("toolchain@"))
            for name in sorted(names)[:_MOST_TOOLCHAINS]:
                version = name.partition("-")[2].rpartition(".")[0]
                path = os.path.join(directory, name)
                removable = os.lstat(path).st_uid == user.account.uid and os.path.realpath(path) == path
                yield FetchedToolchain(user.account, version, path, removable)


def _directories(user: UserEnvironment) -> list[str]:
    """Return the directories that editors search before PATH."""
    gopath = user.directories.get("GOPATH", "")
    directories = [user.directories.get("GOBIN", ""), gopath and os.path.join(gopath, "bin")]
    return list(dict.fromkeys(filter(None, directories)))


def _copy(name: str, directory: str, user: UserEnvironment) -> ToolCopy:
    # Behind a link, the directory may be one where the program belongs.
    with reading(user.account):
        removable = os.path.realpath(directory) == directory
    return ToolCopy(user.account, name, os.path.join(directory, name), removable)


def _is_program(path: str, user: UserEnvironment) -> bool:
    with acting_as(user.account):
        return may_access(path, os.X_OK) and os.path.isfile(path)


def _is_hidden(tool: PinnedTool, directory: str, user: UserEnvironment) -> bool:
    """Return whether a directory of the user has another program with the tool's name."""
    copy = os.path.join(directory, tool.name)
    if not _is_program(copy, user):
        return False
    with acting_as(user.account):
        return os.path.realpath(copy) != os.path.realpath(tool.path)
