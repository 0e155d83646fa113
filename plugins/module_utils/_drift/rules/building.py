# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides how Go builds: the toolchain that it may switch to, flags, module mode, target, and workspaces."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Row, Snapshot, once_per_user
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.store import Store, version_named
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.workspaces import Offered, mismatches

MAY_SWITCH = Rule(
    "GD601",
    "warning",
    "GOTOOLCHAIN lets go switch to another version",
    "A line in go.mod decides which Go builds, and downloads it.",
    why="""\
Anything but `local` lets go run another version, from PATH or downloaded, than the one that was declared. The
standard declaration has `local`; where that was taken back (`GOTOOLCHAIN: null`), nothing is declared. A declared
GOTOOLCHAIN is no finding, and a value that differs from it is GD101.""",
    mend="""\
Leave GOTOOLCHAIN to the standard declaration, or declare it; install other versions by `toolchain_versions`.""",
    example="GOTOOLCHAIN is auto, from /usr/local/go/go.env:9 (in login, bash, ssh, goenv)",
)
FLAGS = Rule(
    "GD602",
    "warning",
    "GOFLAGS is set without being declared",
    "Every go command gets flags that nobody sees: -mod=mod changes go.mod, -tags compiles other files.",
    why="""\
GOFLAGS is added to each go command of that context, also those of gopls and of VS Code. What it does is told by no
command's output. A declared GOFLAGS is no finding.""",
    mend="Delete the line, or declare the flags with `environment_variables`.",
    example="GOFLAGS is -mod=mod, from /home/alice/.config/go/env:3 (in goenv, login)",
)
MODULE_MODE = Rule(
    "GD603",
    "warning",
    "GO111MODULE switches modules off",
    "go.mod is ignored, and imports are looked for in GOPATH.",
    why="""\
`off` is GOPATH mode, `auto` is GOPATH mode wherever no go.mod is found. It is mostly left over from before Go 1.16.
A declared GO111MODULE is no finding.""",
    mend="Delete the line; modules are on by themselves.",
    example="GO111MODULE is off, from /home/bob/.profile:12 (in login)",
)
TARGET = Rule(
    "GD604",
    "warning",
    "go builds for another platform",
    "Programs do not run here: 'exec format error', and the debugger refuses them.",
    why="GOOS or GOARCH is set, differs from the host's own, and is not declared. It is mostly left by `go env -w`.",
    mend="Delete the line; set these for a single command, as in `GOOS=windows go build`.",
    example="GOOS is windows, from /home/alice/.config/go/env:5, on a host of linux (in goenv, login)",
)
WORKSPACE = Rule(
    "GD605",
    "warning",
    "A workspace or the play asks for a Go that is not there",
    "go refuses to build there, or downloads another version where it may.",
    why="""\
The lines `go` and `toolchain` of go.mod and go.work, and .go-version, of the user's declared workspaces are
compared with the versions that are installed. A file that cannot be read or parsed, and a folder that is missing,
are told too. Where the play names a minimum (`environment_go_minimum`), the Go of everybody must not be older, which is
told once for the host, without a user; nor may a .go-version of a workspace ask for an older one.""",
    mend="""\
Add the version to `toolchain_versions`, or make it `toolchain_default`; or correct the line that the source names.""",
    example="/home/alice/hello/go.mod:3 asks for Go 1.23.4 (go), and 1.22.12 is installed",
)
RULES = (MAY_SWITCH, FLAGS, MODULE_MODE, TARGET, WORKSPACE)


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    yield from once_per_user(found for row in snapshot.rows for found in (*_modes(row), *_target(row)))
    yield from _default(snapshot)
    for user in snapshot.declaration.users:
        yield from _workspaces(snapshot, user)


def _modes(row: Row) -> t.Iterator[Finding]:
    remedy = Remedy("leave it to the standard declaration", variables=_declared("GOTOOLCHAIN", "local"))
    if row.undeclared("GOTOOLCHAIN") not in ("", "local"):
        yield row.finding(MAY_SWITCH, _told(row, "GOTOOLCHAIN"), remedy, "GOTOOLCHAIN")
    if row.undeclared("GOFLAGS"):
        remedy = Remedy("delete the line, or declare it", variables=_declared("GOFLAGS", row.undeclared("GOFLAGS")))
        yield row.finding(FLAGS, _told(row, "GOFLAGS"), remedy, "GOFLAGS")
    if row.undeclared("GO111MODULE") in ("off", "auto"):
        yield row.finding(MODULE_MODE, _told(row, "GO111MODULE"), Remedy("delete the line"), "GO111MODULE")


def _target(row: Row) -> t.Iterator[Finding]:
    for variable, host in (("GOOS", "GOHOSTOS"), ("GOARCH", "GOHOSTARCH")):
        value, own = row.undeclared(variable), row.observation.go.values.get(host)
        if value and own and value != own:
            cause = f"{_told(row, variable)}, on a host of {own}"
            yield row.finding(TARGET, cause, Remedy("delete the line, and set it for a single command"), variable)


def _told(row: Row, variable: str) -> str:
    return f"{variable} is {row.undeclared(variable)}, from {row.source(variable)}"


def _declared(variable: str, value: str) -> dict[str, t.Any]:
    return {"environment_variables": {variable: value}}


def _default(snapshot: Snapshot) -> t.Iterator[Finding]:
    """Judge the Go of everybody, once for the host: it must be there and not be older than the declared minimum."""
    offered = _offered(snapshot.declaration.goroot) if snapshot.go_minimum else Offered([], None)
    for entry in mismatches([], offered, snapshot.go_minimum or None):
        cause = f"Go {entry['required']} is the minimum; {snapshot.declaration.goroot} is {offered.default or 'no Go'}"
        yield Finding(WORKSPACE, cause, Remedy(entry["remedy"]), subject=entry["cause"])


def _workspaces(snapshot: Snapshot, user: UserEnvironment) -> t.Iterator[Finding]:
    offered = _offered(snapshot.declaration.goroot) if user.workspaces else Offered([], None)
    with acting_as(user.account):
        found = mismatches(user.workspaces, offered, snapshot.go_minimum or None) if user.workspaces else []
    # What is of no file is true of the host, which is told by itself.
    for entry in (entry for entry in found if entry["file"]):
        source = Source("file", entry["file"], entry["line"])
        wanted = f"asks for Go {entry['required']} ({entry['cause']})" if entry["required"] else entry["cause"]
        if entry["cause"] == "minimum":
            wanted = f"asks for an older Go than {entry['required']}, the minimum"
        cause = f"{source}: {wanted}; {', '.join(entry['installed']) or 'nothing'} is installed"
        # The lines of one file may break it in different ways, and other files too: each is a finding.
        subject = f"{entry['file']} {entry['cause'].partition(':')[0]}"
        yield Finding(WORKSPACE, cause, Remedy(entry["remedy"]), user.account.name, "", "", source, subject=subject)


def _offered(goroot: str) -> Offered:
    tree = os.path.realpath(goroot)
    installed = [receipt.version for receipt in Store(os.path.dirname(tree)).installed()]
    return Offered(installed, version_named(tree) or None)
