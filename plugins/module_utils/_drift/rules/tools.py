# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned tools: what is installed, and what runs instead of it."""

from __future__ import annotations

import os
import typing as t

from ..._core.provenance import Source
from ..finding import Finding, Remedy, Rule, as_user
from ..records.tools import PinnedTool, ToolCopy
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


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    tools = {tool.name: tool for tool in snapshot.tools}
    for tool in snapshot.tools:
        yield from _build(tool)
    for copy in snapshot.tool_copies:
        yield _copy(copy, tools[copy.tool])
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
