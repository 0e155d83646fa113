# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of variables: differences from the declaration and among contexts, and values that are mistakes."""

from __future__ import annotations

import collections
import typing as t

from ..._core.go_variables import nearest_go_variable
from ..._core.provenance import SET_ENVIRONMENT, Assignment, Source, is_default
from ..._core.redaction import masked_by_name
from ..._environment.contexts.pam import describe_host_path
from ..cells import Cell, follows, plain_path, same_value
from ..finding import (
    Finding,
    Remedy,
    Rule,
    convert_line_endings,
    describe_program_flag,
    of_file,
    propose_value,
    shortened,
)
from ..snapshot import PROVISION_AGAIN, Row, Snapshot, delete_line, of_cell, once_per_user
from .directories import not_absolute

DIFFERS = Rule(
    "GD101",
    severity="error",
    title="A value differs from the declaration",
    impact="Go uses other paths or settings than in other contexts.",
    why="""\
Every declared variable is compared, in every context, with the value that a real process has. Another value comes from
a line in a user's startup file, from `go env -w`, from a changed managed file, or from the program that starts the
process. The source is the line that takes effect; the cell's `shadowed` names those that lost.""",
    fix="""\
If the source is a managed file, provision again. Provisioning leaves a user's own line alone: delete or correct it, or
declare the value for that user, as in the finding's `vars`. In a workspace it edits only the files in `manage` of the
workspace, and never a workflow: correct the file, or add it to `manage`.""",
    example="GOBIN is /tmp/b, from /home/alice/.profile:9; expected /home/alice/go/bin",
)
CONTEXTS_DISAGREE = Rule(
    "GD102",
    severity="warning",
    title="Contexts have different values of an undeclared variable",
    impact="The same command has different results in an editor, a terminal and a service.",
    why="""\
A variable that is not declared may have any value, but it must be the same in all contexts of a user: a build that
succeeds in the terminal and fails in the editor usually has this cause. The source is that of the rarest value, apart
from Go's own defaults.""",
    fix="Delete the line that only some contexts read, or declare the variable, so that every context gets one value.",
    example="login has https://goproxy.example.com from /home/alice/.profile:8; ssh has off from /etc/environment:3",
)
PATH_ORDER = Rule(
    "GD103",
    severity="error",
    title="PATH lacks a declared directory, or has another order",
    impact="Commands are not found, or others than the pinned ones run.",
    why="""\
PATH must contain the declared directories in their order; others may be between them. A startup file breaks that if it
replaces PATH, or puts a directory in front after the managed part has run.""",
    fix="Remove the line that the source names from the startup file, or declare the order with `devserver_path`.",
    example="PATH is /usr/bin:/bin, from /home/bob/.profile:12; expected, in this order, /usr/local/go/bin",
)
DEBUG_DIFFERS = Rule(
    "GD104",
    severity="error",
    title="A debug session and terminals have a different GOBIN or GOPROXY",
    impact="A debug session downloads modules from another source, or installs to another directory than the terminal.",
    why="""\
A launch configuration has an environment of its own (`env`, `envFile`), which is not visible in a terminal. A build for
the debugger then uses another proxy, or installs into another directory. This finding replaces GD101 and GD102 for the
debug session.""",
    fix="Remove the variable from the launch configuration or its envFile, or set the value of the terminals.",
    example="""\
GOPROXY is off in debug sessions, from /home/alice/hello/.vscode/launch.json:9; expected
https://goproxy.example.com,direct, as in terminals""",
)
MISSPELT = Rule(
    "GD105",
    severity="warning",
    title="The name of a Go variable looks misspelt",
    impact="Go does not know the name, so the setting has no effect.",
    why="""\
The name begins with GO or CGO, is unknown to Go, and differs in one letter (a long name: in two) from a variable that
Go reads. Names in the declaration and in the environments of processes are compared. No program reports such a name by
itself.""",
    fix="Correct the name in the line that sets it; in the play, in `devserver_variables` or the user's `variables`.",
    example="GOPAHT is set, which Go does not know; expected GOPATH",
)
CARRIAGE_RETURN = Rule(
    "GD106",
    severity="error",
    title="Values end in a carriage return",
    impact="Paths that look right do not exist, and messages are unreadable.",
    why="""\
A file with CR LF line endings adds an invisible last character to each value. The shell, PAM and Go all keep it. There
is one finding for each file, which replaces GD101 for its values.""",
    fix="Convert the file with `sed -i 's/\\r$//' FILE`; the remedy names it.",
    example="/home/alice/.profile has CR LF line endings: GOBIN of login ends in a carriage return",
)
RELATIVE_PATH = Rule(
    "GD107",
    severity="warning",
    title="PATH contains the current directory",
    impact="A program in a cloned repository or in /tmp runs instead of the real one.",
    why="""\
An empty entry (`PATH=:/usr/bin`, `PATH=$PATH:`), `.`, or another one that does not begin with / is relative to the
current directory. Go itself does not run programs that it finds there ("cannot run executable found relative to current
directory"). The source is the first line after which PATH contains such an entry.""",
    fix="Write the absolute path of the directory into that line, or remove the extra colon.",
    example="PATH has '.' as entry 1, from /home/alice/.bashrc:9; expected absolute paths (in bash)",
)
HOST_PATH = Rule(
    "GD110",
    severity="warning",
    title="PATH in /etc/environment is not usable",
    impact="Before provisioning, commands over ssh and cron jobs do not find `ls`, `id` or `sudo`.",
    why="""\
PAM reads /etc/environment without a shell: `$PATH`, `${PATH}`, backquotes and `~` are not expanded. A line such as
`PATH="$PATH:/usr/local/go/bin"` then replaces PATH by two entries, of which one does not exist. A PATH without /usr/bin
has the same effect. Provisioning renders only the absolute entries, and adds missing standard directories; other
programs that read the file get the line as it is.""",
    fix="""\
Write absolute directories into that line, including /usr/bin and /bin, or delete the line. Declare additional
directories with `devserver_path`.""",
    example="PAM does not expand $PATH in the PATH of /etc/environment; it lacks /usr/bin",
)
SUDO_PATH = Rule(
    "GD112",
    severity="note",
    title="sudo does not find go",
    impact="`sudo go version`, and scripts that run go by sudo, end with 'command not found'.",
    why="""\
`secure_path` in /etc/sudoers replaces the PATH of every command that sudo runs. It contains neither the directory of
the declared Go nor that of its links. Debian's has /usr/local/bin; that of Red Hat and its relatives does not.""",
    fix="""\
Add the directory of the links, /usr/local/bin by default, to `secure_path` with `visudo`. Do not run `go` as root in a
user's directories: GD301 and GD303 describe the consequences.""",
    example="secure_path is /sbin:/bin:/usr/sbin:/usr/bin; expected /usr/local/bin or /usr/local/go/bin in it",
)

# Other rules evaluate these.
_OWN_RULES = ("PATH", "go", "GOROOT", "GOVERSION")
_DEBUG = "vscode_debug"
# Names of one process that are compared: a user may set any number.
_MOST_NAMES = 200


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    debug = list(_debug_differs(snapshot))
    reported = {(finding.user, finding.context, finding.workspace, finding.variable) for finding in debug}
    yield from debug
    for row in snapshot.rows:
        yield from _path(snapshot, row)
        for cell in row.cells.values():
            if _plainly_differs(cell) and not row.is_outdated(cell.variable) and _place(cell) not in reported:
                yield _differs(snapshot, row, cell)
    yield from once_per_user(finding for row in snapshot.rows for finding in _relative_path(row, snapshot.host_path))
    yield from _conflicts(snapshot, reported)
    yield from _carriage_returns(snapshot, {file.path for file in snapshot.settings_files})
    yield from _settings_files(snapshot)
    yield from _misspelt(snapshot)
    yield from _host_path(snapshot)
    yield from _sudo_path(snapshot)


def _place(cell: Cell) -> tuple[str, ...]:
    return cell.user, cell.context, cell.workspace, cell.variable


def _sudo_path(snapshot: Snapshot) -> t.Iterator[Finding]:
    line, directories = snapshot.secure_path, [snapshot.bin_dir, f"{snapshot.declaration.goroot}/bin"]
    if line and not {plain_path(entry) for entry in line.value.split(":")} & {*map(plain_path, directories)}:
        cause = f"secure_path is {shortened(line.value)}; expected {' or '.join(directories)} in it"
        remedy = Remedy(f"add {snapshot.bin_dir} to secure_path at {line.source}, by visudo -f {line.source.file}")
        yield Finding(SUDO_PATH, cause, remedy, variable="PATH", source=line.source)


def _host_path(snapshot: Snapshot) -> t.Iterator[Finding]:
    path, cause = snapshot.host_path, describe_host_path(snapshot.host_path)
    if path and cause:
        remedy = Remedy(f"write absolute directories, including /usr/bin and /bin, at {path.source}")
        yield Finding(HOST_PATH, shortened(cause), remedy, variable="PATH", source=path.source)


def _plainly_differs(cell: Cell) -> bool:
    return (
        cell.variable not in _OWN_RULES
        and cell.status in ("drift", "missing")
        and not _has_carriage_return(cell)
        and not not_absolute(cell)
    )


def _differs(snapshot: Snapshot, row: Row, cell: Cell) -> Finding:
    fault, file = snapshot.fault(cell), snapshot.settings_file(row.observation)
    if not row.observation.context.gives_environment and (file.error or file.missing_target):
        # A go alone has its values from that file.
        fault = fault._replace(source=Source("file", file.path))
    elif fault.source is None and row.observation.context.checkout_file:
        # Each of these files is to be corrected.
        fault = fault._replace(source=Source("file", row.observation.context.checkout_file))
    remedy = propose_value(fault.remedy, cell.variable, cell.actual, cell.user) if cell.actual else Remedy(fault.remedy)
    values = (cell.expected, cell.actual)
    expected, actual = (shortened(masked_by_name(cell.variable, value or "")) for value in values)
    if expected == actual:
        expected += ", which differs in a part that is not shown"
    cause = f"{cell.state}; expected {expected}{fault.addition}"
    return of_cell(DIFFERS, cause, remedy, cell, fault.source)


def _path(snapshot: Snapshot, row: Row) -> t.Iterator[Finding]:
    path = row.cells.get("PATH")
    reported = row.foreign_go or row.is_outdated("PATH")
    if path and path.status == "drift" and not reported and not _has_carriage_return(path):
        fault = snapshot.fault(path)
        cause = f"{path.state}; expected, in this order, {path.expected}{fault.addition}"
        yield row.finding(PATH_ORDER, cause, Remedy(fault.remedy), "PATH", fault.source)


def _conflicts(snapshot: Snapshot, reported: t.Container[tuple[str, ...]]) -> t.Iterator[Finding]:
    for (user, variable), group in _disagreeing(snapshot, reported).items():
        if variable in _OWN_RULES:
            continue
        places: dict[str, list[str]] = {}
        for cell in group:
            value = f"{shortened(masked_by_name(variable, cell.actual))} from {cell.source}" if cell.actual else "none"
            places.setdefault(value, []).append(cell.place)
        values = "; ".join(
            f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} {value}" for value, names in places.items()
        )
        counts = collections.Counter(cell.actual for cell in group)
        rarest = min(group, key=lambda cell: (is_default(cell.source), counts[cell.actual]))
        commonest = max(group, key=lambda cell: counts[cell.actual])
        flagged = [cell for cell in group if describe_program_flag(variable, cell.actual or "")]
        remedy = _delete_flags(flagged) if flagged else _settle(snapshot, group, rarest, commonest)
        source = (flagged or [rarest])[0].source
        yield Finding(CONTEXTS_DISAGREE, values, remedy, user=user, variable=variable, source=source)


def _delete_flags(flagged: t.Sequence[Cell]) -> Remedy:
    places = " and ".join(dict.fromkeys(str(cell.source) for cell in flagged))
    return Remedy(f"delete it at {places}: {describe_program_flag(flagged[0].variable, flagged[0].actual or '')}")


def _settle(snapshot: Snapshot, group: t.Sequence[Cell], rarest: Cell, commonest: Cell) -> Remedy:
    """Return the remedy that gives every context one value."""
    text = f"declare {rarest.variable}, so that every context gets one value"
    if rarest.source == SET_ENVIRONMENT:
        text = snapshot.fix(rarest)
    elif (not commonest.actual or is_default(commonest.source)) and rarest.source and rarest.source.line:
        # A declared default does not win against that line.
        lines = {cell.source: delete_line(cell, cell.source) for cell in group if cell.source and cell.source.line}
        return Remedy(f"{' and '.join(lines.values())}, or {text}")
    return propose_value(text, rarest.variable, commonest.actual or "", rarest.user)


def _relative_path(row: Row, host_path: Assignment | None) -> t.Iterator[Finding]:
    path = row.cells.get("PATH")
    entries = (path.actual or "").split(":") if path and path.actual else []
    wrong = next((entry for entry in entries if not entry.startswith("/")), None)
    if wrong is not None:
        # A line that refers to other variables does not show its entries.
        written = (
            item for item in row.observation.assignments if item.name == "PATH" and not set("$@~") & set(item.value)
        )
        source = next((item.source for item in written if wrong in item.value.split(":")), row.source("PATH"))
        # Files that are read later show the entry too.
        source = host_path.source if host_path and wrong in host_path.value.split(":") else source
        entry = "an empty entry" if wrong == "" else repr(wrong)
        cause = f"PATH has {entry} as entry {entries.index(wrong) + 1}, from {source}; expected absolute paths"
        yield row.finding(
            RELATIVE_PATH, cause, Remedy("write the absolute path of the directory there"), "PATH", source
        )


def _disagreeing(snapshot: Snapshot, reported: t.Container[tuple[str, ...]]) -> dict[tuple[str, str], list[Cell]]:
    """Return the cells with different values, by user and variable, without those that another finding explains."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    following: dict[tuple[str, str], list[bool]] = {}
    for row in snapshot.rows:
        for cell in row.cells.values():
            explained = is_default(cell.source) and _has_other_defaults(row, cell.variable)
            if cell.status == "conflict" and not explained and _place(cell) not in reported:
                groups.setdefault((cell.user, cell.variable), []).append(cell)
                following.setdefault((cell.user, cell.variable), []).append(follows(cell, row.cells))
    return {
        key: group
        for key, group in groups.items()
        if not all(following[key]) and not all(same_value(key[1], group[0].actual, cell.actual) for cell in group)
    }


def _has_other_defaults(row: Row, variable: str) -> bool:
    """Return whether Go's default of a variable follows from another finding: another go, tree or target."""
    targets = [row.source(name) for name in ("GOOS", "GOARCH")] if variable == "CGO_ENABLED" else []
    goroot = row.cells.get("GOROOT")
    # The defaults of other variables are in that tree.
    foreign_tree = goroot is not None and goroot.status == "drift"
    return row.foreign_go or foreign_tree or not all(map(is_default, targets))


def _debug_differs(snapshot: Snapshot) -> t.Iterator[Finding]:
    for row in (row for row in snapshot.rows if row.observation.context.name == _DEBUG):
        for variable in ("GOBIN", "GOPROXY"):
            actual = row.cells[variable].actual if variable in row.cells else None
            terminals = _in_terminals(snapshot, row.user.account.name, variable)
            explained = is_default(row.source(variable)) and _has_other_defaults(row, variable)
            if terminals and not explained and not any(same_value(variable, actual, other) for other in terminals):
                expected = " or ".join(shortened(value) if value else "no value" for value in terminals)
                state = f"{variable} is {shortened(actual or 'not set')} in debug sessions, from {row.source(variable)}"
                remedy = Remedy(_restore_debug(snapshot, row, variable))
                yield row.finding(DEBUG_DIFFERS, f"{state}; expected {expected}, as in terminals", remedy, variable)


def _restore_debug(snapshot: Snapshot, row: Row, variable: str) -> str:
    """Return how a debug session gets the value of the terminals: its own configuration sets it, or the server's."""
    rows = (other for other in snapshot.rows if other.user is row.user and other.observation.context.name != _DEBUG)
    if any(other.source(variable) == row.source(variable) for other in rows):
        return snapshot.fix(row.cells[variable])
    return f"remove {variable} from the launch configuration or its envFile"


def _in_terminals(snapshot: Snapshot, user: str, variable: str) -> list[str | None]:
    rows = (row for row in snapshot.rows if row.user.account.name == user and row.observation.context.in_terminal)
    cells = (row.cells[variable] for row in rows if variable in row.cells)
    return list(dict.fromkeys(cell.actual for cell in cells if cell.status != "unknown"))


def _has_carriage_return(cell: Cell) -> bool:
    return (cell.actual or "").endswith("\r")


def _carriage_returns(snapshot: Snapshot, read_whole: t.Container[str | None]) -> t.Iterator[Finding]:
    """Evaluate the values by the files that set them, except for files that are ``read_whole`` themselves."""
    files: dict[tuple[str, Source | None], list[Cell]] = {}
    for cell in snapshot.cells:
        if _has_carriage_return(cell) and not (cell.source and cell.source.file in read_whole):
            place = Source("file", cell.source.file) if cell.source and cell.source.file else cell.source
            files.setdefault((cell.user, place), []).append(cell)
    for (user, place), group in files.items():
        names = ", ".join(dict.fromkeys(f"{cell.variable} of {cell.context}" for cell in group))
        cause = f"{place} has CR LF line endings: {names} ends in a carriage return"
        first = min((cell.source for cell in group if cell.source), key=lambda source: source.line or 0, default=None)
        remedy = Remedy(_convert(snapshot, place.file if place else None))
        yield Finding(CARRIAGE_RETURN, cause, remedy, user, source=first, subject=str(place))


def _settings_files(snapshot: Snapshot) -> t.Iterator[Finding]:
    """Evaluate Go's settings files whole: a go that rejects such a value reports no values at all."""
    for file in snapshot.settings_files:
        line = next((item.line for item in file.settings if item.value.endswith("\r")), None)
        if line:
            cause = f"{file.path} has CR LF line endings: go adds a carriage return to each value"
            action = _convert(snapshot, file.path)
            yield of_file(CARRIAGE_RETURN, file.path, cause, action, file.account.name, line)


def _convert(snapshot: Snapshot, path: str | None) -> str:
    if path is None:
        return "convert the file that sets it to LF line endings"
    return convert_line_endings(path) + (f"; then {PROVISION_AGAIN}" if path in snapshot.managed_files.repaired else "")


def _misspelt(snapshot: Snapshot) -> t.Iterator[Finding]:
    findings = []
    for row in snapshot.rows:
        environment = row.observation.environment or {}
        names = sorted(name for name in {*row.user.variables, *environment} if name.startswith(("GO", "CGO")))
        for name in names[:_MOST_NAMES]:
            nearest = nearest_go_variable(name)
            if nearest:
                cause = f"{name} is set, which Go does not know; expected {nearest}"
                remedy = Remedy(f"correct the name to {nearest}, or delete the line")
                findings.append(row.finding(MISSPELT, cause, remedy, name, row.observation.source_of(name)))
    yield from once_per_user(findings)
