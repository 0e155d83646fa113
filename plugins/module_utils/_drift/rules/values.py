# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of variables: against the declaration, among the contexts, and values that cannot be meant."""

from __future__ import annotations

import collections
import dataclasses
import difflib
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.go_variables import PERSISTENT_VARIABLES
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source, is_default
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import Cell, follows, same_value
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.go_files import (
    first_carriage_return,
    settings_in,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules.directories import not_absolute
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import (
    CONVERGE,
    Row,
    Snapshot,
    once_per_user,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import pam

DIFFERS = Rule(
    "GD101",
    "error",
    "A value differs from the declaration",
    "Go works with other paths or settings than elsewhere.",
    why="""\
Every declared variable is compared in every context with what a real process got there. A line in a user's own
start-up file, a `go env -w` by hand, a changed managed file or a program that starts the process may have set
another value; the source is the one that won, the cell's `shadowed` names those that lost.""",
    mend="""\
Where the source is a file that the collection manages, provision again. A user's own line is left alone: delete or
correct it, or declare the value for that user, as the finding's `vars` say.""",
    example="GOBIN is /tmp/b, from /home/alice/.profile:9, instead of /home/alice/go/bin",
)
CONTEXTS_DISAGREE = Rule(
    "GD102",
    "warning",
    "Contexts disagree on a value that is not declared",
    "The same command gives other results in an editor, a terminal and a service.",
    why="""\
A variable that is not declared may have any value, but one user's contexts must agree on it: a build that works in
the terminal and fails in the editor is mostly this. The source is that of the value which the fewest contexts have,
Go's own defaults left aside. Where every user has it from the same line, it is one finding of the host.""",
    mend="Declare the variable, so that every context gets one value, or delete the line that only some contexts read.",
    example="login has https://goproxy.example.com from /home/alice/.profile:8; ssh has off from /etc/environment:3",
)
PATH_ORDER = Rule(
    "GD103",
    "error",
    "PATH lacks a declared directory, or has it in another order",
    "Commands are not found, or others than the pinned ones run.",
    why="""\
The declared directories must be in PATH in their order; others may lie between them. A start-up file that sets PATH
afresh, or puts a directory in front after the managed part has run, breaks that.""",
    mend="Take the line that the source names out of the start-up file, or declare the order with `environment_path`.",
    example="PATH is /usr/bin:/bin, set by /home/bob/.profile:12; it must hold, in this order, /usr/local/go/bin",
)
DEBUG_DIFFERS = Rule(
    "GD104",
    "error",
    "A debug session and the terminals have another GOBIN or GOPROXY",
    "What a debug session builds comes from other sources, or lands elsewhere, than what the terminal builds.",
    why="""\
A launch configuration has an environment of its own (`env`, `envFile`), which nobody sees in a terminal. A build
for the debugger then fetches by another proxy or installs into another folder. This finding stands in the place of
GD101 and GD102 for the debug session.""",
    mend="Take the variable out of the launch configuration or of its envFile, or give it the value of the terminals.",
    example="""\
GOPROXY is off in debug sessions, from /home/alice/hello/.vscode/launch.json:9, and https://goproxy.example.com,direct
in terminals""",
)
MISSPELT = Rule(
    "GD105",
    "warning",
    "A variable looks like a misspelt one of Go's",
    "Go does not know the name, so the setting has no effect.",
    why="""\
Names that begin with GO or CGO, are none that Go knows, and are nearly the same as one that it knows: in the
declaration and in what processes get. Nothing complains about such a name by itself.""",
    mend="Correct the name where it is set; in the play, in `environment_variables` or the user's `variables`.",
    example="GOPAHT is set, which Go does not know; GOPATH may be meant",
)
CARRIAGE_RETURN = Rule(
    "GD106",
    "error",
    "Values end in a carriage return",
    "Paths that look right do not exist, and messages are garbled.",
    why="""\
A file with line ends of Windows (CR LF) gives each value an invisible last character. The shell, PAM and Go all
keep it. There is one finding for each file, which stands in the place of GD101 for its values.""",
    mend="Convert the file: `sed -i 's/\\r$//' FILE`; the remedy names it.",
    example="/home/alice/.profile has line ends of Windows: GOBIN of login ends in a carriage return",
)
RELATIVE_PATH = Rule(
    "GD107",
    "warning",
    "PATH has the current folder in it",
    "A program that lies in a cloned repository or in /tmp runs instead of the real one.",
    why="""\
An empty entry (`PATH=:/usr/bin`, `PATH=$PATH:`), `.` or another one that does not begin with / means the folder in
which one happens to be. Go itself refuses to run what it finds there ("cannot run executable found relative to
current directory"). The source is the first line after which such an entry is in PATH.""",
    mend="Write the whole path of the folder into that line, or take the needless colon out.",
    example="PATH has '.' in place 1, from /home/alice/.bashrc:9 (in bash)",
)
HOST_PATH = Rule(
    "GD110",
    "warning",
    "The host's own PATH in /etc/environment is not usable",
    "Before provisioning, commands over ssh and cron jobs find no `ls`, `id` or `sudo`.",
    why="""\
PAM reads /etc/environment without a shell: `$PATH`, `${PATH}`, backquotes and `~` stay as they are written. A line such
as `PATH="$PATH:/usr/local/go/bin"` then replaces PATH by two entries, of which one does not exist. A PATH without
/usr/bin has the same effect. Provisioning renders only the absolute entries, and adds the standard directories that are
missing; other programs that read the file get the line as it is.""",
    mend="""\
Write absolute directories into that line, /usr/bin and /bin among them, or delete the line. Declare additional
directories with `environment_path`.""",
    example="PAM does not expand $PATH in the PATH of /etc/environment; it lacks /usr/bin",
)
RULES = (DIFFERS, CONTEXTS_DISAGREE, PATH_ORDER, DEBUG_DIFFERS, MISSPELT, CARRIAGE_RETURN, RELATIVE_PATH, HOST_PATH)

# Rules of their own judge these.
_OWN_RULES = ("PATH", "go", "GOROOT", "GOVERSION")
_TERMINALS = ("login", "bash", "zsh", "fish")
_DEBUG = "vscode_debug"
# What Go reads beside the variables that its settings file may hold, and names like Go's that others use.
_NAMES = """
CGO_CFLAGS CGO_LDFLAGS GCCGOTOOLDIR GOCOVERDIR GODEBUG GOENV GOEXE GOGC GOGCCFLAGS GOHOSTARCH GOHOSTOS GOMAXPROCS
GOMEMLIMIT GOMOD GOPLSCACHE GOPLS GORACE GOROOT GOROOT_BOOTSTRAP GOROOT_FINAL GOSSAFUNC GOTELEMETRY GOTELEMETRYDIR
GOTMPDIR GOTRACEBACK GOVERSION GOWORK GO_ENV GO_EXTLINK_ENABLED GO_LDFLAGS
GO_VERSION
"""
_KNOWN = frozenset(_NAMES.split()) | PERSISTENT_VARIABLES


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    debug = list(_debug_differs(snapshot))
    told = {(finding.user, finding.context, finding.workspace, finding.variable) for finding in debug}
    yield from debug
    for row in snapshot.rows:
        yield from _path(snapshot, row)
        for cell in row.cells.values():
            if (
                _plainly_differs(cell)
                and not row.late(cell.variable)
                and (cell.user, cell.context, cell.workspace, cell.variable) not in told
            ):
                yield _differs(snapshot, cell)
    yield from once_per_user(finding for row in snapshot.rows for finding in _relative_path(row))
    conflicts = _conflicts(snapshot, {(finding.user, finding.variable) for finding in debug})
    yield from _once_for_all(conflicts, {user.account.name for user in snapshot.housed})
    yield from _carriage_returns(snapshot, {path for _account, path in snapshot.settings_files})
    yield from _settings_files(snapshot)
    yield from _misspelt(snapshot)
    yield from _host_path(snapshot)


def _host_path(snapshot: Snapshot) -> t.Iterator[Finding]:
    if snapshot.host_path is None:
        return
    entries = snapshot.host_path.value.rstrip("\r").split(":")
    unusable = [entry for entry in entries if entry and not pam.is_usable(entry)]
    expanded = f"PAM does not expand {', '.join(unusable)} in the PATH of /etc/environment" if unusable else ""
    lacking = "" if "/usr/bin" in entries else "it lacks /usr/bin" if unusable else "PATH lacks /usr/bin"
    if expanded or lacking:
        cause = "; ".join(filter(None, (expanded, lacking)))
        remedy = Remedy(f"write absolute directories, /usr/bin and /bin among them, at {snapshot.host_path.source}")
        yield Finding(HOST_PATH, cause, remedy, "", "", "PATH", snapshot.host_path.source)


def _plainly_differs(cell: Cell) -> bool:
    return (
        cell.variable not in _OWN_RULES
        and cell.status in ("drift", "missing")
        and not _has_carriage_return(cell)
        and not not_absolute(cell)
    )


def _differs(snapshot: Snapshot, cell: Cell) -> Finding:
    state = f"is {cell.actual}, from {cell.source}," if cell.actual else _not_set(cell)
    fault = snapshot.fault(cell)
    user = {"name": cell.user, "variables": {cell.variable: cell.actual}}
    remedy = Remedy(fault.remedy, variables={"environment_users": [user]} if cell.actual else {})
    cause = f"{cell.variable} {state} instead of {cell.expected}{fault.more}"
    return Finding(
        DIFFERS, cause, remedy, cell.user, cell.context, cell.variable, fault.source, workspace=cell.workspace
    )


def _not_set(cell: Cell) -> str:
    return f"is not set, since {cell.source} takes it away," if cell.source else "is not set"


def _path(snapshot: Snapshot, row: Row) -> t.Iterator[Finding]:
    path = row.cells.get("PATH")
    told = row.foreign_go or row.late("PATH")
    if path and path.status == "drift" and not told and not _has_carriage_return(path):
        state = f"is {path.actual}, set by {path.source}" if path.actual else _not_set(path).rstrip(",")
        fault = snapshot.fault(path)
        cause = f"PATH {state}; it must hold, in this order, {path.expected}{fault.more}"
        yield row.finding(PATH_ORDER, cause, Remedy(fault.remedy), "PATH", fault.source)


def _conflicts(snapshot: Snapshot, told: t.Container[tuple[str, str]]) -> t.Iterator[Finding]:
    for (user, variable), group in _disagreeing(snapshot).items():
        if variable in _OWN_RULES or (user, variable) in told:
            continue
        places: dict[str, list[str]] = {}
        for cell in group:
            places.setdefault(f"{cell.actual} from {cell.source}" if cell.actual else "none", []).append(cell.place)
        values = "; ".join(
            f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} {value}" for value, names in places.items()
        )
        counts = collections.Counter(cell.actual for cell in group)
        rarest = min(group, key=lambda cell: (is_default(cell.source), counts[cell.actual]))
        commonest = max(group, key=lambda cell: counts[cell.actual])
        declared = {"name": user, "variables": {variable: commonest.actual or ""}}
        remedy = Remedy(
            f"declare {variable}, so that every context gets one value", variables={"environment_users": [declared]}
        )
        yield Finding(CONTEXTS_DISAGREE, values, remedy, user, "", variable, rarest.source)


def _once_for_all(found: t.Iterable[Finding], users: set[str]) -> t.Iterator[Finding]:
    """Make one finding of the host of those that every user has about one variable from one line."""
    groups: dict[t.Any, list[Finding]] = {}
    for finding in found:
        groups.setdefault((finding.variable, finding.source), []).append(finding)
    for group in groups.values():
        line = group[0].source and group[0].source.line
        if not line or len(users) == 1 or {finding.user for finding in group} != users:
            yield from group
            continue
        (value,) = group[0].remedy.variables["environment_users"][0]["variables"].values()
        remedy = Remedy(group[0].remedy.text, variables={"environment_variables": {group[0].variable: value}})
        cause = f"for all users; of {group[0].user}, {group[0].cause}"
        yield dataclasses.replace(group[0], user="", cause=cause, remedy=remedy)


def _relative_path(row: Row) -> t.Iterator[Finding]:
    path = row.cells.get("PATH")
    entries = (path.actual or "").split(":") if path and path.actual else []
    wrong = next((entry for entry in entries if not entry.startswith("/")), None)
    if wrong is not None:
        # Of files that refer to other variables the parts are not known, so that nothing is read out of them.
        written = (one for one in row.observation.assignments if one.name == "PATH" and not set("$@~") & set(one.value))
        source = next((one.source for one in written if wrong in one.value.split(":")), row.source("PATH"))
        what = "an empty entry" if wrong == "" else repr(wrong)
        cause = f"PATH has {what} in place {entries.index(wrong) + 1}, from {source}"
        yield row.finding(RELATIVE_PATH, cause, Remedy("write the whole path of a folder there"), "PATH", source)


def _disagreeing(snapshot: Snapshot) -> dict[tuple[str, str], list[Cell]]:
    """Return the cells of each user and variable that do, less what another finding is the reason of."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    following: dict[tuple[str, str], list[bool]] = {}
    for row in snapshot.rows:
        for cell in row.cells.values():
            # Another go has defaults of its own.
            if cell.status == "conflict" and not (row.foreign_go and is_default(cell.source)):
                groups.setdefault((cell.user, cell.variable), []).append(cell)
                following.setdefault((cell.user, cell.variable), []).append(follows(cell, row.cells))
    return {
        key: group
        for key, group in groups.items()
        if not all(following[key]) and not all(same_value(key[1], group[0].actual, cell.actual) for cell in group)
    }


def _debug_differs(snapshot: Snapshot) -> t.Iterator[Finding]:
    for row in snapshot.rows:
        for variable in ("GOBIN", "GOPROXY") if row.observation.context.name == _DEBUG else ():
            actual = row.cells[variable].actual if variable in row.cells else None
            terminals = _in_terminals(snapshot, row.user.account.name, variable)
            if terminals and not any(same_value(variable, actual, other) for other in terminals):
                others = " or ".join(value or "not set" for value in terminals)
                cause = (
                    f"{variable} is {actual} in debug sessions, from {row.source(variable)}, and {others} in terminals"
                )
                yield row.finding(
                    DEBUG_DIFFERS, cause, Remedy(f"take {variable} out of what the source names"), variable
                )


def _in_terminals(snapshot: Snapshot, user: str, variable: str) -> list[str | None]:
    cells = (cell for cell in snapshot.cells if (cell.user, cell.variable) == (user, variable))
    return list(dict.fromkeys(cell.actual for cell in cells if cell.context in _TERMINALS and cell.status != "unknown"))


def _has_carriage_return(cell: Cell) -> bool:
    return (cell.actual or "").endswith("\r")


def _carriage_returns(snapshot: Snapshot, read_whole: t.Container[str | None]) -> t.Iterator[Finding]:
    """Judge the values by the files they come from, but for those files that are ``read_whole`` themselves."""
    files: dict[tuple[str, Source | None], list[Cell]] = {}
    for cell in snapshot.cells:
        if _has_carriage_return(cell) and not (cell.source and cell.source.file in read_whole):
            place = Source("file", cell.source.file) if cell.source and cell.source.file else cell.source
            files.setdefault((cell.user, place), []).append(cell)
    for (user, place), group in files.items():
        names = ", ".join(dict.fromkeys(f"{cell.variable} of {cell.context}" for cell in group))
        cause = f"{place} has line ends of Windows: {names} ends in a carriage return"
        first = min((cell.source for cell in group if cell.source), key=lambda source: source.line or 0, default=None)
        yield Finding(CARRIAGE_RETURN, cause, _converted(snapshot, place), user, "", "", first, subject=str(place))


def _settings_files(snapshot: Snapshot) -> t.Iterator[Finding]:
    """Judge Go's settings files whole: go may refuse such a value, and then says none at all."""
    for account, path in snapshot.settings_files:
        line = first_carriage_return(settings_in(path, account))
        if line:
            cause = f"{path} has line ends of Windows, which go takes for a part of each value"
            source = Source("file", path, line)
            yield Finding(
                CARRIAGE_RETURN, cause, _converted(snapshot, source), account.name, "", "", source, subject=path
            )


def _converted(snapshot: Snapshot, place: Source | None) -> Remedy:
    if place is None or place.file is None:
        return Remedy("convert the file that sets it to line ends of Unix")
    then = f"; then {CONVERGE}" if place.file in snapshot.repaired else ""
    return Remedy(f"convert {place.file} to line ends of Unix, by sed -i 's/\\r$//'{then}")


def _misspelt(snapshot: Snapshot) -> t.Iterator[Finding]:
    found = []
    for row in snapshot.rows:
        environment = row.observation.environment or {}
        for name in sorted({*row.user.variables, *environment}):
            meant = _nearest(name)
            if meant:
                sources = [item.source for item in row.observation.assignments if item.name == name]
                cause = f"{name} is set, which Go does not know; {meant} may be meant"
                remedy = Remedy(f"correct the name to {meant}, or delete the line")
                found.append(row.finding(MISSPELT, cause, remedy, name, sources[-1] if sources else None))
    yield from once_per_user(found)


def _nearest(name: str) -> str:
    """Return the variable of Go's that ``name`` may be meant for, or nothing."""
    if not name.startswith(("GO", "CGO")) or name in _KNOWN:
        return ""
    return next(iter(difflib.get_close_matches(name, _KNOWN, 1, 0.82)), "")
