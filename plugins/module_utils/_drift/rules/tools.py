# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned tools: what is installed, and what runs instead of it."""

from __future__ import annotations

import os
import typing as t

from ..._core.provenance import Source
from ..finding import Finding, Remedy, Rule, as_user
from ..records.tools import FetchedToolchain, PinnedTool, ToolCopy
from ..snapshot import Row, Snapshot

TOOL = Rule(
    "GD401",
    severity="error",
    title="A tool is not the pinned build",
    impact="Editors and debuggers behave differently or fail.",
    why="""\
The build info in the binary is read without running it: package, version and build settings must be the declared ones,
and the link must lead to that binary. `go install …@latest` or an editor's own installer changes that.""",
    fix="Provision again with `--tags tools`, or declare the desired version in `devserver_tools`.",
    example="""\
/usr/local/bin/gopls: other version (golang.org/x/tools/gopls v0.15.3, go1.22.12); expected
golang.org/x/tools/gopls v0.16.2, go1.22.12""",
)
TOOL_SHADOWED = Rule(
    "GD402",
    severity="warning",
    title="Another copy of a tool comes first on PATH",
    impact="A build other than the pinned one runs.",
    why="""\
A directory before that of the pinned tools has an executable of the same name that the user can run. The source is the
line that has set PATH, or the executable if only managed files set it.""",
    fix="Remove that copy, or the line that puts its directory first.",
    example="""\
/home/alice/go/bin/gopls runs; expected /usr/local/lib/go-tools/gopls/v0.16.2-go1.22.12/gopls; its place in PATH
is from /home/alice/.bashrc:9""",
)
TOOL_IN_GOBIN = Rule(
    "GD403",
    severity="warning",
    title="Editors find another copy of a pinned tool first",
    impact="The editor runs that copy, terminals run the pinned build.",
    why="""\
VS Code's Go extension searches GOBIN and GOPATH/bin before PATH, so the editor prefers a copy there even if PATH has
the right order. `go install` or the extension's own installer creates such copies.""",
    fix="Remove the copy, or name the pinned build in the setting `go.alternateTools`.",
    example="editors find /home/alice/go/bin/dlv; expected /usr/local/lib/go-tools/dlv/v1.23.1-go1.22.12/dlv",
)
TOOL_BUILT_BY = Rule(
    "GD404",
    severity="error",
    title="A tool was built by another Go",
    impact="gopls and dlv reject or misread the output of a newer Go.",
    why="""\
The build info of a tool names the Go that built it, which must be the declared one: after a change of versions every
tool is built again.""",
    fix="Provision again with `--tags tools`.",
    example="""\
/usr/local/bin/dlv: built by another Go (github.com/go-delve/delve/cmd/dlv v1.23.1, go1.21.13); expected
github.com/go-delve/delve/cmd/dlv v1.23.1, go1.22.12""",
)
TOOL_UNSUPPORTED = Rule(
    "GD405",
    severity="warning",
    title="A pinned tool does not support this Go",
    impact="dlv starts no debug session, or gopls reports errors that do not exist.",
    why="""\
Each version of a tool supports a range of Go versions, according to its release notes and go.mod. A tool that is
declared with `force: true` is not reported.""",
    fix="Declare a version that supports this Go, or no version: then the known-good one is installed.",
    example="dlv v1.23.1 supports Go 1.21 to 1.23, and go1.26.1 builds it; go1.26.1 needs dlv v1.26.0 or later",
)
TOOL_UNDECLARED = Rule(
    "GD406",
    severity="warning",
    title="A tool in GOBIN is not declared",
    impact="Its version is not pinned, and each user has another one.",
    why="""\
VS Code's Go extension and `go install …@latest` put the latest version of a tool into GOBIN, built by any Go. Reported
are the tools that the extension knows and those that the collection has known-good versions of, if other tools are
pinned; own programs of users are not.""",
    fix="Remove it, or declare it in `devserver_tools`.",
    example="/home/alice/go/bin/staticcheck is not declared in devserver_tools",
)
TOOLCHAIN_FETCHED = Rule(
    "GD407",
    severity="warning",
    title="The module cache has a Go that the declaration does not allow",
    impact="Something has built with another Go than the declared one, and hundreds of megabytes are in use.",
    why="""\
With GOTOOLCHAIN=local or path go downloads no other Go, and with a version only that one. A process with another
GOTOOLCHAIN has done so, such as the installer of VS Code's Go extension, which sets it to auto.""",
    fix="Remove the toolchain, and what was built with it from GOBIN.",
    example="""\
/home/alice/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.26.1.linux-amd64 was downloaded; GOTOOLCHAIN is
declared as local""",
)


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    tools = {tool.name: tool for tool in snapshot.tools}
    for tool in snapshot.tools:
        yield from _build(tool)
    for copy in snapshot.tool_copies:
        yield _copy(copy, tools[copy.tool])
    for copy in snapshot.undeclared_tools:
        yield _undeclared(copy)
    settings = {user.account: user.variables.get("GOTOOLCHAIN", "auto") for user in snapshot.declaration.users}
    for toolchain in snapshot.fetched_toolchains:
        yield from _fetched(toolchain, settings[toolchain.account])
    for row in snapshot.rows:
        if row.observation.context.gives_environment:
            for tool in snapshot.tools:
                yield from _shadowed(snapshot, row, tool)


def _build(tool: PinnedTool) -> t.Iterator[Finding]:
    source = Source("file", tool.path)
    if tool.reason:
        rule = TOOL_BUILT_BY if tool.reason == "built by another Go" else TOOL
        actual = f" ({tool.actual})" if tool.actual else ""
        expected = ", ".join(filter(None, [f"{tool.package} {tool.version}", tool.go]))
        cause = f"{tool.path}: {tool.reason}{actual}; expected {expected}"
        remedy = Remedy("provision the host again with --tags tools")
        yield Finding(rule, cause, remedy, variable=tool.name, source=source)
    if tool.incompatibility:
        proposed = {"devserver_tools": [{"package": tool.package}]}
        remedy = Remedy("declare a version that supports this Go", variables=proposed)
        yield Finding(TOOL_UNSUPPORTED, tool.incompatibility, remedy, variable=tool.name, source=source)


def _copy(copy: ToolCopy, tool: PinnedTool) -> Finding:
    command = as_user(copy.account, "rm", "-f", copy.path)
    remedy = Remedy(f"remove {copy.path}", [command] if copy.removable else [])
    cause = f"editors find {copy.path}; expected {tool.path}"
    user, source = copy.account.name, Source("file", copy.path)
    return Finding(TOOL_IN_GOBIN, cause, remedy, user, variable=tool.name, source=source, subject=copy.path)


def _undeclared(copy: ToolCopy) -> Finding:
    command = as_user(copy.account, "rm", "-f", copy.path)
    text = f"remove {copy.path}, or declare {copy.tool} in devserver_tools"
    remedy = Remedy(text, [command] if copy.removable else [])
    cause = f"{copy.path} is not declared in devserver_tools"
    user, source = copy.account.name, Source("file", copy.path)
    return Finding(TOOL_UNDECLARED, cause, remedy, user, variable=copy.tool, source=source, subject=copy.path)


def _fetched(toolchain: FetchedToolchain, setting: str) -> t.Iterator[Finding]:
    name, _plus, rest = setting.partition("+")
    if "auto" in (name, rest) or name == toolchain.version:
        return
    # The files of a module cache are read-only.
    commands = [("chmod", "-R", "u+w", toolchain.path), ("rm", "-rf", toolchain.path)]
    safe = [as_user(toolchain.account, *command) for command in commands] if toolchain.removable else []
    cause = f"{toolchain.path} was downloaded; GOTOOLCHAIN is declared as {setting}"
    source, user = Source("file", toolchain.path), toolchain.account.name
    remedy = Remedy(f"remove {toolchain.path}", safe)
    yield Finding(TOOLCHAIN_FETCHED, cause, remedy, user, variable="GOTOOLCHAIN", source=source, subject=toolchain.path)


def _shadowed(snapshot: Snapshot, row: Row, tool: PinnedTool) -> t.Iterator[Finding]:
    first = next(iter(row.observation.programs.get(tool.name, [])), None)
    if first is None or tool.reason or not tool.is_for(row.user.account.name):
        return
    if snapshot.real_path(first) != snapshot.real_path(tool.path):
        path = row.observation.source_before(os.path.dirname(first), row.user.path) or row.source("PATH")
        by_hand = path and path.line and path.file not in snapshot.managed_files.repaired
        source = path if by_hand else Source("file", first)
        cause = f"{first} runs; expected {tool.path}; its place in PATH is from {path}"
        remedy = Remedy(f"remove {first}, or {path if by_hand else 'the line'} that puts its directory first")
        yield row.finding(TOOL_SHADOWED, cause, remedy, tool.name, source)
