# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The go that runs, and the tree that it uses."""

from __future__ import annotations

import os
import re
import typing as t

from ..._core.provenance import Source
from ..cells import Cell
from ..finding import Finding, Remedy, Rule, as_user
from ..records.files import SettingsFile
from ..records.observation import LIMITS
from ..records.tools import AlteredToolchain
from ..snapshot import Row, Snapshot, once_per_user
from ..version_managers import find_manager, remove_manager

GO_MISSING = Rule(
    "GD201",
    severity="error",
    title="No go on PATH",
    impact="Nothing can be built, and editors report a missing Go.",
    why="""\
No directory of the PATH of a process contains a `go` that the user can run. Usual reasons: a startup file replaces
PATH, or the startup files of the context were not provisioned. A Go that is missing on the host is one finding of all
users.""",
    fix="Provision again. If a startup file of the user sets PATH, let it add to `$PATH` instead.",
    example="no directory of PATH=/usr/bin:/bin has a go; expected /usr/local/go/bin/go",
)
GO_SHADOWED = Rule(
    "GD202",
    severity="error",
    title="Another go comes first on PATH",
    impact="Builds use a Go that is not declared, with its own GOROOT.",
    why="""\
An executable `go` is in a directory that precedes the declared one. Other differences of that context (version, GOROOT,
order of PATH) follow from that and are not reported again, but for a GOROOT that is exported. A copy of the
distribution is GD207. A directory of gvm, goenv, asdf, mise, g, gobrew, SDKMAN or Homebrew is reported with the name of
that manager.""",
    fix="Remove that copy, or the line that puts its directory first. The source is the line that last set PATH.",
    example="/home/bob/my/bin/go runs; expected /usr/local/go/bin/go; its place in PATH is from /home/bob/.profile:10",
)
GO_VERSION = Rule(
    "GD203",
    severity="error",
    title="The go that runs has another version",
    impact="Builds differ from those of other hosts.",
    why="""\
The declared tree is in use, but contains another version: the link was changed by hand, or the tree was replaced.
Versions are compared exactly.""",
    fix="Provision again with `--tags toolchain`, or declare the version with `devserver_go_versions`.",
    example="GOVERSION is go1.21.13, from built-in; expected go1.22.12",
)
GOROOT_DIFFERS = Rule(
    "GD204",
    severity="error",
    title="GOROOT is not the declared directory",
    impact="The compiler and the standard library may have different versions: builds fail.",
    why="""\
An exported GOROOT overrides the tree of the running `go`. After a change of versions it is outdated, and builds fail
with "compile: version … does not match go tool version". If a version manager sets it (gvm, goenv, asdf, mise and
others), the finding names that manager.""",
    fix="Delete the line that exports GOROOT: Go finds its tree without it.",
    example="GOROOT is /opt/go1.19, from /home/alice/.profile:7; expected /usr/local/go",
)
GO_FAILS = Rule(
    "GD205",
    severity="error",
    title="go env fails",
    impact="Every go command fails in this context.",
    why="""\
`go env` fails, prints no JSON, or times out: the executable is not a Go, is broken, or rejects a setting. It runs with
the resource limits that the startup has set, such as `ulimit -v`. If go works without one of the variables that it
reads, or without these limits, the source is the line that sets them; else it is the executable.""",
    fix="""\
Correct the line that the source names, or the error that go reports. If `GOENV=off go env` succeeds, the error is in
the user's settings file.""",
    example='/opt/distribution/bin/go is not a go command: env -json printed "go version go1.19.8"',
)
GO_ALIAS = Rule(
    "GD206",
    severity="warning",
    title="An alias or a function replaces go",
    impact="An interactive `go` runs another program than scripts, editors and services.",
    why="The shell itself reports what `go` is. An alias or a function of that name takes precedence over PATH.",
    fix="Delete it from the startup file, or rename it.",
    example="in bash, go is aliased to `/opt/go1.19/bin/go', by /home/alice/.bashrc:3",
)
GO_DISTRIBUTION = Rule(
    "GD207",
    severity="error",
    title="The distribution's go comes first on PATH",
    impact="Builds use the distribution's Go, which changes with system updates and is usually older.",
    why="""\
As GD202, for a copy in a directory of packages (/usr/bin, /usr/lib, /snap and the like). A package installed it,
perhaps as a dependency.""",
    fix="Correct the order of PATH, or remove the package (`apt-get remove golang-go`, `dnf remove golang`).",
    example="/usr/bin/go runs; expected /usr/local/go/bin/go; its place in PATH is from /home/alice/.bashrc:9",
)
GO_COPIES = Rule(
    "GD208",
    severity="note",
    title="PATH has several copies of go",
    impact="A change of PATH's order changes the Go of every build.",
    why="The declared go runs, but PATH has other copies behind it that are not links to it.",
    fix="Remove the copies, or remove their directories from PATH.",
    example="PATH has /usr/bin/go behind /usr/local/go/bin/go (in login, bash, ssh)",
)
GOROOT_PERSISTED = Rule(
    "GD209",
    severity="error",
    title="GOROOT is persisted by go env -w",
    impact="Every go command, including go env -u, fails as soon as that tree is removed or changes its version.",
    why="""\
Go accepts `go env -w GOROOT=…` and then uses that value in every context of the user. A go that fails for this reason
is not reported again.""",
    fix="Delete the line from the settings file with an editor; the `go` command itself may fail.",
    example="/home/alice/.config/go/env:3 persists GOROOT=/opt/go1.19",
)
GOROOT_EXPORTED = Rule(
    "GD210",
    severity="note",
    title="GOROOT is exported without being declared",
    impact="The value is correct today, and outdated after the next change of versions.",
    why="The exported value leads to the declared tree, so nothing fails yet. GD204 describes the consequences.",
    fix="Delete the line that exports it, or declare `devserver_export_goroot: true` if a program needs it.",
    example="GOROOT=/usr/local/go is exported by /home/alice/.profile:8; expected no value (in login)",
)
GOENV_ELSEWHERE = Rule(
    "GD211",
    severity="warning",
    title="Go does not read the user's settings file",
    impact="Values of go env -w, and the values that were rendered into that file, are not in force.",
    why="""\
`GOENV=off` disables the file; `GOENV=/path`, XDG_CONFIG_HOME and another HOME select another one. Processes that get
the declaration only from that file then run without it. Go ignores a directory there, such as goenv's own, which goenv
names by GOENV too. A declared value is not reported.""",
    fix="Delete the line that sets the variable, or declare GOENV.",
    example="GOENV is off; expected no value, so that go reads /home/bob/.config/go/env (in ssh)",
)
ALTERED = Rule(
    "GD212",
    severity="error",
    title="The tree of a toolchain was altered",
    impact="Builds use another compiler, standard library or go.env than those of other hosts.",
    why="""\
The list of files that was recorded at the installation is compared with the tree of each installed version: content and
mode of files that were changed since, added and missing files, and files that other users can change. A setting that
was added to `$GOROOT/go.env` applies to every user in every context, so no other rule finds it.""",
    fix="""\
Provision again with `--tags toolchain -e toolchain_verify=true`, which fetches and replaces such a tree. To keep a
setting of go.env, declare the variable.""",
    example="/usr/local/lib/go/1.22.12 was altered: changed go.env",
)

_TOOLCHAIN = "provision the host again with --tags toolchain"
# Files of an altered tree that a cause names.
_MOST_NAMES = 5
# Directories of packages. Administrators install by hand in /usr/local or /opt.
_PACKAGES = ("/usr/bin/", "/bin/", "/usr/sbin/", "/usr/lib/", "/usr/lib64/", "/usr/libexec/", "/usr/share/", "/snap/")
# The output of bash, dash, zsh and fish. A tracked alias of ksh is a program that it has cached.
_ALIAS = re.compile(r"go is (aliased to|an? (global |suffix )?alias for|a (shell )?function)")


def _of_manager(path: str | None) -> str:
    manager = find_manager(path)
    return f" of {manager}" if manager else ""


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    for row in snapshot.rows:
        yield from _alias(row)
        if not row.is_outdated("PATH"):
            yield from _which_go(snapshot, row)
        yield from _response(snapshot, row)
    yield from _persisted(snapshot)
    yield from map(_altered, snapshot.altered_toolchains)
    rows = snapshot.rows
    notes = (finding for row in rows for finding in (*_copies(snapshot, row), *_exported(row), *_goenv(row)))
    yield from once_per_user(notes)


def _altered(toolchain: AlteredToolchain) -> Finding:
    names = [f"{kind} {name}" for kind, names in toolchain.differences._asdict().items() for name in names]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    cause = f"{toolchain.path} was altered: {', '.join(names[:_MOST_NAMES])}{more}"
    remedy = Remedy(f"{_TOOLCHAIN} -e toolchain_verify=true", variables={"toolchain_verify": True})
    first = os.path.join(toolchain.path, names[0].partition(" ")[2])
    return Finding(ALTERED, cause, remedy, source=Source("file", first), subject=toolchain.path)


def _alias(row: Row) -> t.Iterator[Finding]:
    if _ALIAS.match(row.observation.go_is):
        source = row.observation.source_of("alias go", "function go")
        by = f", by {source}" if source else ""
        # fish prints the definition in further lines.
        state = re.sub(r" with definition$", "", row.observation.go_is)
        cause = f"in {row.observation.context.name}, {state}{by}"
        remedy = Remedy("delete the alias or function, or rename it")
        yield row.finding(GO_ALIAS, cause, remedy, "go", source)


def _which_go(snapshot: Snapshot, row: Row) -> t.Iterator[Finding]:
    path, go = row.cells.get("PATH"), row.cells.get("go")
    if go and go.status == "missing" and not snapshot.goroot_version and not (path and path.status == "drift"):
        # Of every user and context, with any PATH.
        at = Source("file", snapshot.declaration.goroot)
        yield row.finding(GO_MISSING, f"this host has no {go.expected}", Remedy(_TOOLCHAIN), "go", at)
    elif go and go.status == "missing":
        cause = f"no directory of PATH={path.actual or ''} has a go" if path else "there is no go"
        # A wrong PATH is the cause, and its line is that of both.
        source = snapshot.fault(path).source if path and path.status == "drift" else None
        remedy = Remedy(_restore_go(snapshot, path))
        yield row.finding(GO_MISSING, f"{cause}; expected {go.expected}", remedy, "go", source)
    elif go and go.status == "drift" and go.actual:
        packaged = go.actual.startswith(_PACKAGES)
        cause = (
            f"{go.actual}{_of_manager(go.actual)} runs; expected {go.expected}; its place in PATH is from {go.source}"
        )
        copy = "the package that installed it" if packaged else go.actual
        action = f"remove {copy}, or the line that puts its directory first"
        if path and go.source and (go.source.file or "").endswith(".json"):
            action = snapshot.fix(path)
        remedy = Remedy(remove_manager(find_manager(go.actual), action))
        yield row.finding(GO_DISTRIBUTION if packaged else GO_SHADOWED, cause, remedy, "go")


def _restore_go(snapshot: Snapshot, path: Cell | None) -> str:
    """Return the action that restores go: with a correct PATH, the Go itself is missing."""
    if path and path.status == "drift":
        return snapshot.fault(path).remedy
    return "provision the host again: the directories of PATH do not contain the declared Go"


def _response(snapshot: Snapshot, row: Row) -> t.Iterator[Finding]:
    """Evaluate the values of go env. A wrong GOROOT is a finding of its own, and the reason why go fails."""
    if not row.observation.context.on_this_host:
        return
    go, response = row.observation.programs.get("go", []), row.observation.go
    file = snapshot.settings_file(row.observation)
    persisted = _persisted_goroot(file)
    explained = persisted or any(item.value.endswith("\r") for item in file.settings)
    failed = go and not response.values and not response.skipped
    if failed and row.cells["GOROOT"].status != "drift" and not explained:
        source, action = _restore_response(row)
        unreadable = file.error or file.missing_target
        source = source or Source("file", file.path if unreadable else go[0])
        yield row.finding(GO_FAILS, response.problem, Remedy(action), "go", source)
    for variable, rule in (("GOROOT", GOROOT_DIFFERS), ("GOVERSION", GO_VERSION)):
        cell = row.cells[variable]
        # With another go these follow from that, unless a line exports them too.
        follows_from_go = row.foreign_go and not (row.observation.environment or {}).get(variable)
        if cell.status == "drift" and cell.source != persisted and not follows_from_go:
            state = f"{variable} is {cell.actual}{_of_manager(cell.actual)}, from {cell.source}"
            action = _TOOLCHAIN if rule is GO_VERSION else snapshot.fix(cell)
            remedy = Remedy(remove_manager(find_manager(cell.actual), action))
            yield row.finding(rule, f"{state}; expected {cell.expected}", remedy, variable)


def _restore_response(row: Row) -> tuple[Source | None, str]:
    """Return the line that lets go fail, if it is known, and the action that lets it work."""
    offender = row.observation.go.offender
    source = row.observation.source_of(offender) if offender else None
    if offender == LIMITS:
        sources = map(row.observation.source_of_limit, row.observation.limits)
        source = next(filter(None, sources), source)
        return source, f"raise the resource limit{f' at {source}' if source else ' of the startup'}: go needs more"
    if offender:
        return source, f"delete or correct {offender}{f' at {source}' if source else ''}: without it, go works"
    return None, "correct the error that go reports; 'GOENV=off go env' succeeds if it is in the settings file"


def _persisted_goroot(file: SettingsFile) -> Source | None:
    lines = [item.line for item in file.settings if item.name == "GOROOT"]
    return Source("file", file.path, lines[-1]) if lines else None


def _persisted(snapshot: Snapshot) -> t.Iterator[Finding]:
    for file in snapshot.settings_files:
        source = _persisted_goroot(file)
        if source:
            command = as_user(file.account, "sed", "-i", "/^GOROOT=/d", file.path)
            remedy = Remedy(f"delete that line: {command}", [command])
            user, cause = file.account.name, f"{source} persists GOROOT"
            yield Finding(GOROOT_PERSISTED, cause, remedy, user, variable="GOROOT", source=source, subject=file.path)


def _copies(snapshot: Snapshot, row: Row) -> t.Iterator[Finding]:
    go = row.cells.get("go")
    copies = list(dict.fromkeys(map(snapshot.real_path, row.observation.programs.get("go", []))))[1:]
    if go and go.status == "ok" and copies:
        cause = f"PATH has {', '.join(copy + _of_manager(copy) for copy in copies)} behind {go.actual}"
        otherwise = f"remove {copies[0]}, or remove its directory from PATH"
        remedy = Remedy(remove_manager(find_manager(copies[0]), otherwise))
        yield row.finding(GO_COPIES, cause, remedy, "go", Source("file", copies[0]))


def _exported(row: Row) -> t.Iterator[Finding]:
    value = (row.observation.environment or {}).get("GOROOT")
    if not value or not row.observation.context.on_this_host or "GOROOT" in row.user.variables:
        return
    if row.cells["GOROOT"].status == "ok":
        cause = f"GOROOT={value} is exported by {row.source('GOROOT')}; expected no value"
        remedy = Remedy("delete the line that exports it", variables={"devserver_export_goroot": True})
        yield row.finding(GOROOT_EXPORTED, cause, remedy, "GOROOT")


def _goenv(row: Row) -> t.Iterator[Finding]:
    environment, file = row.observation.environment or {}, row.observation.settings_path
    own_file = os.path.join(row.user.account.home, ".config/go/env")
    if not row.observation.context.on_this_host or file == own_file:
        return
    variable = next((name for name in ("GOENV", "XDG_CONFIG_HOME", "HOME") if environment.get(name)), "")
    # Without a language, fish has another encoding of a home that is not ASCII: no line has set that.
    encoded = variable == "HOME" and row.observation.source_of("HOME") is None
    if (
        variable
        and not encoded
        and variable not in row.user.variables
        and environment[variable] != row.user.account.home
    ):
        expected = row.user.account.home if variable == "HOME" else "no value"
        cause = f"{variable} is {environment[variable]}; expected {expected}, so that go reads {own_file}"
        remedy = Remedy(f"delete the line that sets {variable}")
        yield row.finding(GOENV_ELSEWHERE, cause, remedy, variable, row.observation.source_of(variable))
