# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides how Go builds: the toolchain that it may switch to, flags, module mode, target, and workspaces."""

from __future__ import annotations

import typing as t

from ..._core.provenance import SET_ENVIRONMENT, Source
from ..._toolchain.workspaces import Mismatch
from ..finding import Finding, Remedy, Rule, describe_program_flag, propose_value, shortened
from ..records.observation import MissingPath
from ..snapshot import Row, Snapshot, once_per_user, unset_in_manager

MAY_SWITCH = Rule(
    "GD601",
    severity="warning",
    title="GOTOOLCHAIN lets go switch to another version",
    impact="A line in go.mod selects the Go that builds, and go downloads it.",
    why="""\
With any value other than `local`, go runs another version from PATH, or downloads one, if go.mod or go.work requires
it. The standard declaration sets `local`. This finding appears if the play removes that (`GOTOOLCHAIN: null`) and the
variable is not declared. A declared GOTOOLCHAIN is not reported. A value that differs from it is GD101.""",
    fix="""\
Remove `GOTOOLCHAIN: null` from the play, or declare another value. Install more versions with
`devserver_go_versions`.""",
    example="GOTOOLCHAIN is auto, from /usr/local/go/go.env:9; expected local (in login, bash, ssh, goenv)",
)
FLAGS = Rule(
    "GD602",
    severity="warning",
    title="GOFLAGS is set without being declared",
    impact="Every go command gets flags that its output does not show: -mod=mod changes go.mod, -tags selects files.",
    why="""\
Go adds GOFLAGS to each go command of the context, including those that gopls and VS Code run. No command shows these
flags in its output. A declared GOFLAGS is not reported. With -toolexec, -exec or -vettool go runs another program in
each build: the remedy does not offer to declare these.""",
    fix="Delete the line, or declare the flags with `devserver_variables`.",
    example="GOFLAGS is -mod=mod, from /home/alice/.config/go/env:3; expected no value (in goenv, login)",
)
MODULE_MODE = Rule(
    "GD603",
    severity="warning",
    title="GO111MODULE disables modules",
    impact="Go ignores go.mod and searches imports in GOPATH.",
    why="""\
`off` selects GOPATH mode; `auto` selects it in every directory without a go.mod. Such values usually remain from the
time before Go 1.16. A declared GO111MODULE is not reported.""",
    fix="Delete the line: modules are enabled by default.",
    example="GO111MODULE is off, from /home/bob/.profile:12; expected on (in login)",
)
TARGET = Rule(
    "GD604",
    severity="warning",
    title="go builds for another platform",
    impact="Programs do not run on this host ('exec format error'), and the debugger rejects them.",
    why="""\
GOOS or GOARCH is set, is not declared, and differs from the platform of the host. The usual reason is an earlier
`go env -w`.""",
    fix="Delete the line. Set the variable for a single command, as in `GOOS=windows go build`.",
    example="GOOS is windows, from /home/alice/.config/go/env:5; expected linux (in goenv, login)",
)
WORKSPACE = Rule(
    "GD605",
    severity="warning",
    title="A required Go version is not installed, or go does not switch to it",
    impact="go rejects the build in that workspace, or downloads another version if GOTOOLCHAIN allows it.",
    why="""\
The lines `go` and `toolchain` of go.mod and go.work, and .go-version, of the declared workspaces are compared with the
installed versions. As go does, the report reads the nearest go.work and go.mod in the workspace or above it, and the
go.mod of each directory that they name. With `GOTOOLCHAIN=local`, as declared by default, and with the name of a
version, go ignores `toolchain` lines, and rejects a `go` line that is newer than its own version, even if that version
is installed. A file that cannot be read or parsed and a missing workspace are reported too. If the play sets a minimum
(`drift_go_minimum`), the Go at GOROOT must not be older: that is one finding of the host, without a user. A workspace's
.go-version must not require an older version either.""",
    fix="""\
Add the version to `devserver_go_versions`, set it as `devserver_go_default`, declare `GOTOOLCHAIN: path` so that go
switches to installed versions, or correct the line that the finding names.""",
    example="/home/alice/hello/go.mod:3 requires Go 1.23.4 (go); installed: 1.22.12",
)

MISSING = Rule(
    "GD606",
    severity="error",
    title="A program or directory that builds use does not exist",
    impact="Each build with cgo, or each build, fails.",
    why="""\
CC, CXX, FC, GCCGO, AR or PKG_CONFIG names a program that does not exist, or that the user cannot run: Go does not try
its default then. They are not evaluated with `CGO_ENABLED=0`. Or GOTMPDIR, else TMPDIR, names a directory that does not
exist, and go creates none ("creating work dir"); a directory of a session, below /run/user, is not evaluated. The
variable is set by a startup file, another file of the context, or `go env -w`.""",
    fix="Delete or correct the line, or install the program. Declare the variable if all contexts need it.",
    example="CC is /opt/gcc-9/bin/gcc, from /home/alice/.profile:12, which alice cannot run (in login, bash)",
)


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    yield from once_per_user(finding for row in snapshot.rows for finding in (*_modes(row), *_target(row)))
    yield from once_per_user(map(_missing, snapshot.missing_paths))
    for user, entry in snapshot.requirements:
        yield _unmet(user, entry, entry.file) if entry.file else _minimum(entry, snapshot.declaration.goroot)


def _modes(row: Row) -> t.Iterator[Finding]:
    if row.undeclared("GOTOOLCHAIN") not in ("", "local"):
        remedy = propose_value("remove GOTOOLCHAIN: null from the play", "GOTOOLCHAIN", "local")
        yield row.unexpected(MAY_SWITCH, "GOTOOLCHAIN", "local", remedy)
    if row.undeclared("GOFLAGS"):
        name = row.user.account.name
        flags = row.undeclared("GOFLAGS")
        reason = describe_program_flag("GOFLAGS", flags)
        action = f"delete the line: {reason}" if reason else "delete the line, or declare GOFLAGS"
        remedy = propose_value(action, "GOFLAGS", flags, name)
        yield row.unexpected(FLAGS, "GOFLAGS", "no value", remedy)
    if row.undeclared("GO111MODULE") in ("off", "auto"):
        yield row.unexpected(MODULE_MODE, "GO111MODULE", "on", Remedy("delete the line that sets GO111MODULE"))


def _missing(item: MissingPath) -> Finding:
    row, name = Row(item.observation, {}), item.observation.user.account.name
    is_directory = item.variable.endswith("TMPDIR")
    state = "which is no directory" if is_directory else f"which {name} cannot run"
    cause = f"{item.variable} is {shortened(item.value)}, from {item.source}, {state}"
    otherwise = "create the directory" if is_directory else "install the program"
    action = f"delete or correct {item.variable} at {item.source}"
    if item.source == SET_ENVIRONMENT:
        action = unset_in_manager(item.variable, item.observation.context.name, name)
    return row.finding(MISSING, cause, Remedy(f"{action}, or {otherwise}"), item.variable, item.source)


def _target(row: Row) -> t.Iterator[Finding]:
    for variable, host in (("GOOS", "GOHOSTOS"), ("GOARCH", "GOHOSTARCH")):
        value, expected = row.undeclared(variable), row.observation.go.values.get(host)
        if value and expected and value != expected:
            remedy = Remedy(f"delete the line, and set {variable} for a single command")
            yield row.unexpected(TARGET, variable, expected, remedy)


def _minimum(requirement: Mismatch, goroot: str) -> Finding:
    cause = f"{goroot} is {requirement.default or 'no Go'}; expected Go {requirement.required} or later"
    return Finding(WORKSPACE, cause, Remedy(requirement.remedy), subject=requirement.cause)


def _unmet(user: str, requirement: Mismatch, file: str) -> Finding:
    source = Source("file", file, requirement.line)
    if requirement.cause == "minimum":
        state = f"requires a Go that is older than the minimum {requirement.required}"
    elif requirement.required:
        state = f"requires Go {requirement.required} ({requirement.cause})"
    else:
        state = f"cannot be evaluated: {requirement.cause}"
    cause = f"{source} {state}; installed: {', '.join(requirement.installed) or 'none'}"
    if requirement.cause == "go" and requirement.required in requirement.installed:
        cause += f"; go is {requirement.default or 'none of these'} and does not switch, because of GOTOOLCHAIN"
    # Several lines of one file, and several files, can break the rule: each is a finding of its own.
    subject = f"{file} {requirement.cause.partition(':')[0]}"
    return Finding(WORKSPACE, cause, Remedy(requirement.remedy), user, source=source, subject=subject)
