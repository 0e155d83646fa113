# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned tools: what is installed, and what runs instead of it."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule, as_user
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import PinnedTool
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Row, Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as

TOOL = Rule(
    "GD401",
    "error",
    "A tool is not the pinned build",
    "Editors and debuggers behave differently or fail.",
    why="""\
The build info inside the binary is read, without running it: package, version and build settings must be the
declared ones, and the link to it must lead there. A `go install …@latest` or an editor's own installer changes
that.""",
    mend="Provision again with `--tags tools`, or declare the version that is wanted in `tools_list`.",
    example="/usr/local/bin/gopls is not golang.org/x/tools/gopls v0.16.2: other version",
)
TOOL_SHADOWED = Rule(
    "GD402",
    "warning",
    "Another copy of a tool comes first on PATH",
    "Another build than the pinned one runs.",
    why="A directory before that of the pinned tools has an executable of the same name. It is looked for as the user.",
    mend="Remove that copy, or the line that puts its directory first.",
    example="/home/alice/go/bin/gopls runs instead of /usr/local/lib/go-tools/gopls/v0.16.2-go1.22.12/gopls",
)
TOOL_IN_GOBIN = Rule(
    "GD403",
    "warning",
    "A copy of a pinned tool lies where editors look first",
    "The editor runs that copy, terminals run the pinned one.",
    why="""\
VS Code's Go extension looks in GOBIN and GOPATH/bin before PATH, so a copy there wins in the editor even where PATH
has the right order. It comes from `go install` or from the extension's own installer.""",
    mend="Remove the copy, or name the pinned one in the setting `go.alternateTools`.",
    example="/home/alice/go/bin/dlv is not /usr/local/lib/go-tools/dlv/v1.23.1-go1.22.12/dlv",
)
TOOL_BUILT_BY = Rule(
    "GD404",
    "error",
    "A tool was built by another Go",
    "gopls and dlv refuse or misread what a newer Go compiles.",
    why="""\
The build info of a tool names the Go that built it, which must be the declared one: after a switch of versions
every tool is built anew.""",
    mend="Provision again with `--tags tools`.",
    example="/usr/local/bin/dlv is not github.com/go-delve/delve/cmd/dlv v1.23.1: built by another Go",
)
TOOL_UNSUPPORTED = Rule(
    "GD405",
    "warning",
    "A pinned tool is not made for this Go",
    "dlv refuses to debug, gopls reports errors that are none.",
    why="""\
Each version of a tool goes with a range of Go versions, by its own release notes and go.mod. A tool that is
declared with `force: true` is no finding.""",
    mend="Declare a version that goes with this Go, or none: then the known-good one is taken.",
    example="dlv v1.23.1 takes Go 1.21 to 1.23, and go1.26.1 builds it; go1.26.1 goes with dlv v1.26.0 or later",
)
RULES = (TOOL, TOOL_SHADOWED, TOOL_IN_GOBIN, TOOL_BUILT_BY, TOOL_UNSUPPORTED)


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    for tool in snapshot.tools:
        yield from _build(tool)
        for user in snapshot.declaration.users if not tool.reason else ():
            yield from _where_editors_look(user, tool)
    for row in snapshot.rows:
        for tool in snapshot.tools if row.observation.context.gives_environment else ():
            yield from _shadowed(row, tool)


def _build(tool: PinnedTool) -> t.Iterator[Finding]:
    source = Source("file", tool.path)
    if tool.reason:
        rule = TOOL_BUILT_BY if tool.reason == "built by another Go" else TOOL
        cause = f"{tool.path} is not {tool.package} {tool.version}: {tool.reason}"
        remedy = Remedy("provision the host again with --tags tools")
        yield Finding(rule, cause, remedy, variable=tool.name, source=source)
    if tool.reservation:
        remedy = Remedy(
            "declare a version that goes with this Go", variables={"tools_list": [{"package": tool.package}]}
        )
        yield Finding(TOOL_UNSUPPORTED, tool.reservation, remedy, variable=tool.name, source=source)


def _where_editors_look(user: UserEnvironment, tool: PinnedTool) -> t.Iterator[Finding]:
    if tool.users and user.account.name not in tool.users:
        return
    gopath = user.directories.get("GOPATH", "")
    folders = [user.directories.get("GOBIN", ""), gopath and os.path.join(gopath, "bin")]
    for folder in dict.fromkeys(filter(None, folders)):
        copy = os.path.join(folder, tool.name)
        with acting_as(user.account):
            present = os.access(copy, os.X_OK, effective_ids=True) and os.path.isfile(copy)
        if present and os.path.realpath(copy) != os.path.realpath(tool.path):
            # Through a link that folder may be one where the program belongs.
            own = os.path.realpath(folder) == folder
            command = as_user(user.account, "rm", "-f", copy)
            remedy = Remedy(f"remove {copy}", [command] if own else [])
            cause = f"{copy} is not {tool.path}"
            yield Finding(
                TOOL_IN_GOBIN, cause, remedy, user.account.name, "", tool.name, Source("file", copy), subject=copy
            )


def _shadowed(row: Row, tool: PinnedTool) -> t.Iterator[Finding]:
    copies = row.observation.programs.get(tool.name, [])
    meant = not tool.users or row.user.account.name in tool.users
    if meant and copies and not tool.reason and os.path.realpath(copies[0]) != os.path.realpath(tool.path):
        cause = f"{copies[0]} runs instead of {tool.path}"
        remedy = Remedy(f"remove {copies[0]}, or the line that puts its directory first")
        yield row.finding(TOOL_SHADOWED, cause, remedy, tool.name, Source("file", copies[0]))
