# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which go runs, and which tree it takes for its own."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import Cell
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.go_files import (
    first_carriage_return,
    settings_file,
    settings_in,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule, as_user
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Row, Snapshot, once_per_user
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account

GO_MISSING = Rule(
    "GD201",
    "error",
    "No go on PATH",
    "Nothing can be built, and editors report a missing Go.",
    why="""\
No directory of the PATH that a process gets has a `go` which the user can run. Mostly a start-up file sets PATH
afresh, or the context is one whose start-up files were never told.""",
    mend="Provision again; where a start-up file of the user's own sets PATH, let it add to `$PATH` instead.",
    example="no directory of PATH=/usr/bin:/bin has a go",
)
GO_SHADOWED = Rule(
    "GD202",
    "error",
    "Another go comes first on PATH",
    "Builds use a Go that nobody declared, with its own GOROOT.",
    why="""\
Another executable called `go` lies in a directory that comes before the declared one. What else differs in that
context (version, GOROOT, order of PATH) is that go's own and not told again. A copy of the distribution's is GD207.
Where it lies in a folder of gvm, goenv, asdf, mise, g, gobrew, SDKMAN or Homebrew, that manager is named.""",
    mend="Remove that copy, or the line that puts its directory first. The source is what last set PATH.",
    example="/home/bob/my/bin/go runs instead of /usr/local/go/bin/go; PATH was last set by /home/bob/.profile:10",
)
GO_VERSION = Rule(
    "GD203",
    "error",
    "The go that runs has another version",
    "Builds differ from those elsewhere.",
    why="""\
The declared tree is used, but the Go in it is not the declared one: the link was switched by hand, or the tree was
replaced. Versions are compared exactly.""",
    mend="Provision again with `--tags toolchain`, or declare the version with `toolchain_versions`.",
    example="GOVERSION is go1.21.13 instead of go1.22.12, from built-in",
)
GOROOT_DIFFERS = Rule(
    "GD204",
    "error",
    "GOROOT points elsewhere",
    "The compiler and the standard library may not fit: builds fail.",
    why="""\
An exported GOROOT overrules the tree that the running `go` belongs to. After a switch of versions it is stale, and
builds end with "compile: version … does not match go tool version". A version manager that sets it (gvm, goenv, asdf,
mise and others) is named.""",
    mend="Delete the line that exports it: Go finds its tree by itself.",
    example="GOROOT is /opt/go1.19 instead of /usr/local/go, from /home/alice/.profile:7",
)
GO_FAILS = Rule(
    "GD205",
    "error",
    "go does not answer",
    "Every go command fails in this context.",
    why="`go env` fails, prints no JSON, or takes too long: the executable is no Go, is broken, or refuses a setting.",
    mend="Do what go's own words say; `GOENV=off go env` shows whether the user's own settings file is the cause.",
    example='/opt/distribution/bin/go is no go command: env -json printed "go version go1.19.8"',
)
GO_ALIAS = Rule(
    "GD206",
    "warning",
    "An alias or a function stands for go",
    "What is typed runs something else than what scripts, editors and services run.",
    why="The shell itself is asked what `go` is to it. An alias or a function of that name wins over every PATH.",
    mend="Delete it from the start-up file, or give it another name.",
    example="in bash go is aliased to `/opt/go1.19/bin/go', by /home/alice/.bashrc:3",
)
GO_DISTRIBUTION = Rule(
    "GD207",
    "error",
    "The distribution's go comes first on PATH",
    "Builds use the distribution's Go, which is updated with the system and mostly older.",
    why="""\
As GD202, where the copy that runs lies in a folder that belongs to packages (/usr/bin, /usr/lib, /snap and the
like). It came with a package, perhaps only as a dependency.""",
    mend="Correct the order of PATH, or remove the package (`apt-get remove golang-go`, `dnf remove golang`).",
    example="/usr/bin/go runs instead of /usr/local/go/bin/go; PATH was last set by /home/alice/.bashrc:9",
)
GO_COPIES = Rule(
    "GD208",
    "note",
    "There are several copies of go on PATH",
    "A change of PATH's order changes the Go of every build.",
    why="The declared go runs, but behind it there are others that are not links to it.",
    mend="Remove the copies, or take their directories from PATH.",
    example="behind /usr/local/go/bin/go there is /usr/bin/go (in login, bash, ssh)",
)
GOROOT_PERSISTED = Rule(
    "GD209",
    "error",
    "GOROOT is persisted by go env -w",
    "Every go command fails, go env -u included, as soon as that tree is gone or another version.",
    why="""\
Go accepts `go env -w GOROOT=…` and then takes it for true in every context of that user. That go fails is no
finding of its own then.""",
    mend="Delete the line from the settings file by an editor; the `go` command itself may no longer be able to.",
    example="/home/alice/.config/go/env:3 persists GOROOT=/opt/go1.19",
)
GOROOT_EXPORTED = Rule(
    "GD210",
    "note",
    "GOROOT is exported without being declared",
    "It is right today, and stale as soon as the Go is switched.",
    why="The exported value leads to the declared tree, so nothing is broken yet. See GD204 for what comes of it.",
    mend="Delete the line that exports it, or declare `environment_export_goroot: true` where a program needs it.",
    example="GOROOT=/usr/local/go is exported by /home/alice/.profile:8 (in login)",
)
GOENV_ELSEWHERE = Rule(
    "GD211",
    "warning",
    "Go does not read the user's settings file",
    "What go env -w wrote and what was rendered into that file is not in force.",
    why="""\
`GOENV=off` switches the file off, `GOENV=/path` and XDG_CONFIG_HOME make go read another one. Processes that get
the declaration only by that file then run without it. A declared GOENV is no finding.""",
    mend="Delete the line that sets the variable, or declare GOENV.",
    example="GOENV is off, so go does not read /home/bob/.config/go/env (in ssh)",
)
RULES = (
    GO_MISSING,
    GO_SHADOWED,
    GO_VERSION,
    GOROOT_DIFFERS,
    GO_FAILS,
    GO_ALIAS,
    GO_DISTRIBUTION,
    GO_COPIES,
    GOROOT_PERSISTED,
    GOROOT_EXPORTED,
    GOENV_ELSEWHERE,
)

# What version managers keep their trees and shims in.
_MANAGERS = {
    "gvm": "/.gvm/",
    "goenv": "/.goenv/",
    "asdf": "/.asdf/",
    "mise": "/share/mise/",
    "g": "/.g/",
    "gobrew": "/.gobrew/",
    "SDKMAN": "/.sdkman/",
    "Homebrew": "/.linuxbrew/",
}
# Folders that packages own; what an administrator puts on the host by hand lies in /usr/local or /opt.
_PACKAGES = ("/usr/bin/", "/bin/", "/usr/sbin/", "/usr/lib/", "/usr/lib64/", "/usr/libexec/", "/usr/share/", "/snap/")
# As bash, dash, zsh and fish say it; what ksh calls a tracked alias is a file that it remembers.
_ALIAS = re.compile(r"go is (aliased to|an? (global |suffix )?alias for|a (shell )?function)")


def _manager(path: str | None) -> str:
    """Return the version manager that a path belongs to; empty for none."""
    return next((name for name, part in _MANAGERS.items() if part in f"{path}/"), "")


def _of_manager(path: str | None) -> str:
    return f" of {_manager(path)}" if _manager(path) else ""


def _without(manager: str, otherwise: str) -> str:
    """Return how to get rid of what a version manager sets; ``otherwise`` where there is none."""
    return (
        f"take the lines that start {manager} out of the start-up file, or let it leave Go alone"
        if manager
        else otherwise
    )


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    for row in snapshot.rows:
        yield from _alias(row)
        yield from () if row.late("PATH") else _which_go(snapshot, row)
        yield from _answer(snapshot, row)
    yield from _persisted(snapshot)
    yield from once_per_user(found for row in snapshot.rows for found in (*_copies(row), *_exported(row), *_goenv(row)))


def _alias(row: Row) -> t.Iterator[Finding]:
    if _ALIAS.match(row.observation.go_is):
        sources = [item.source for item in row.observation.assignments if item.name in ("alias go", "function go")]
        by = f", by {sources[-1]}" if sources else ""
        # fish goes on with the definition, in lines of its own.
        what = re.sub(r" with definition$", "", row.observation.go_is)
        cause = f"in {row.observation.context.name} {what}{by}"
        remedy = Remedy("delete it, or give it another name")
        yield row.finding(GO_ALIAS, cause, remedy, "go", sources[-1] if sources else None)


def _which_go(snapshot: Snapshot, row: Row) -> t.Iterator[Finding]:
    path, go = row.cells.get("PATH"), row.cells.get("go")
    if go and go.status == "missing":
        cause = f"no directory of PATH={path.actual or ''} has a go" if path else "there is no go"
        yield row.finding(GO_MISSING, cause, Remedy(_way_to_go(snapshot, path)), "go")
    elif go and go.status == "drift" and go.actual:
        packaged = go.actual.startswith(_PACKAGES)
        cause = f"{go.actual}{_of_manager(go.actual)} runs instead of {go.expected}; PATH was last set by {go.source}"
        what = "the package that it came with" if packaged else go.actual
        remedy = Remedy(_without(_manager(go.actual), f"remove {what}, or the line that puts its directory first"))
        yield row.finding(GO_DISTRIBUTION if packaged else GO_SHADOWED, cause, remedy, "go")


def _way_to_go(snapshot: Snapshot, path: Cell | None) -> str:
    """Return how there comes to be a go: where PATH is right, it is the Go itself that is missing."""
    return (
        snapshot.fault(path).remedy
        if path and path.status == "drift"
        else "provision the host again: the declared Go is not where PATH leads"
    )


def _answer(snapshot: Snapshot, row: Row) -> t.Iterator[Finding]:
    """Judge what go says of itself; a GOROOT that is wrong is a finding of its own, and why go fails."""
    if not row.observation.context.asks_go:
        return
    go, file = row.observation.programs.get("go", []), settings_file(row.observation)
    persisted = _persisted_goroot(row.user.account, file)
    explained = persisted or first_carriage_return(settings_in(file, row.user.account))
    goroot = row.cells["GOROOT"]
    if (
        go
        and not row.observation.go.values
        and not row.observation.go.skipped
        and goroot.status != "drift"
        and not explained
    ):
        remedy = Remedy("mend what go names; 'GOENV=off go env' shows whether the user's own file is the cause")
        yield row.finding(GO_FAILS, row.observation.go.problem, remedy, "go", Source("file", go[0]))
    for variable, rule in () if row.foreign_go else (("GOROOT", GOROOT_DIFFERS), ("GOVERSION", GO_VERSION)):
        cell = row.cells[variable]
        if cell.status == "drift" and cell.source != persisted:
            cause = (
                f"{variable} is {cell.actual}{_of_manager(cell.actual)} instead of {cell.expected}, from {cell.source}"
            )
            remedy = Remedy(_without(_manager(cell.actual), snapshot.mend(cell)))
            yield row.finding(rule, cause, remedy, variable)


def _persisted_goroot(account: Account, file: str) -> Source | None:
    lines = [item.line for item in settings_in(file, account) if item.name == "GOROOT"]
    return Source("file", file, lines[-1]) if lines else None


def _persisted(snapshot: Snapshot) -> t.Iterator[Finding]:
    for account, path in snapshot.settings_files:
        source = _persisted_goroot(account, path)
        if source:
            command = as_user(account, "sed", "-i", "/^GOROOT=/d", path)
            remedy = Remedy(f"delete that line: {command}", [command])
            cause = f"{source} persists GOROOT"
            yield Finding(GOROOT_PERSISTED, cause, remedy, account.name, "", "GOROOT", source, subject=path)


def _copies(row: Row) -> t.Iterator[Finding]:
    go = row.cells.get("go")
    copies = list(dict.fromkeys(map(os.path.realpath, row.observation.programs.get("go", []))))[1:]
    if go and go.status == "ok" and copies:
        cause = f"behind {go.actual} there is {', '.join(copy + _of_manager(copy) for copy in copies)}"
        remedy = Remedy(_without(_manager(copies[0]), "remove what is not needed, or take its directory from PATH"))
        yield row.finding(GO_COPIES, cause, remedy, "go", Source("file", copies[0]))


def _exported(row: Row) -> t.Iterator[Finding]:
    value = (row.observation.environment or {}).get("GOROOT")
    if (
        value
        and row.observation.context.asks_go
        and row.cells["GOROOT"].status == "ok"
        and "GOROOT" not in row.user.variables
    ):
        cause = f"GOROOT={value} is exported by {row.source('GOROOT')}"
        remedy = Remedy("delete the line that exports it", variables={"environment_export_goroot": True})
        yield row.finding(GOROOT_EXPORTED, cause, remedy, "GOROOT")


def _goenv(row: Row) -> t.Iterator[Finding]:
    environment, file = row.observation.environment or {}, settings_file(row.observation)
    own = os.path.join(row.user.account.home, ".config/go/env")
    if not row.observation.context.asks_go or file == own or "GOENV" in row.user.variables:
        return
    variable = "GOENV" if environment.get("GOENV") else "XDG_CONFIG_HOME"
    if environment.get(variable):
        sources = [item.source for item in row.observation.assignments if item.name == variable]
        cause = f"{variable} is {environment[variable]}, so go does not read {own}"
        remedy = Remedy(f"delete the line that sets {variable}")
        yield row.finding(GOENV_ELSEWHERE, cause, remedy, variable, sources[-1] if sources else None)
