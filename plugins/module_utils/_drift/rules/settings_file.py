# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings file that ``go env -w`` writes, if go cannot read it as it is."""

from __future__ import annotations

import re
import shlex
import typing as t

from ..._core.go_variables import PERSISTENT_VARIABLES
from ..._core.provenance import Source
from ..finding import Finding, Remedy, Rule, as_user, of_file
from ..records.files import SettingsFile
from ..snapshot import PROVISION_AGAIN, Snapshot

NO_EFFECT = Rule(
    "GD902",
    severity="warning",
    title="A line of Go's settings file has no effect",
    impact="A setting that a user has written is not in force.",
    why="""\
go reads lines of the form NAME=value with a name that it knows, and skips all others without a message: a missing `=`,
lower-case letters, a leading `export`, a variable that is not Go's. Lines that begin with # are comments. The report
names the line and does not show it, because it may contain a password.""",
    fix="Correct or delete the line. Declare a variable that is not Go's with `devserver_variables`.",
    example="/home/alice/.config/go/env:7 has no effect; the same applies to line 9, 12",
)
NOT_UTF8 = Rule(
    "GD903",
    severity="warning",
    title="Go's settings file is not UTF-8",
    impact="Paths with other bytes do not exist, and go's own output is unreadable.",
    why="The file contains bytes that are not UTF-8: it was written in another encoding, or is not a text file.",
    fix="Write the line again, or convert the file by `iconv -f LATIN1 -t UTF-8`.",
    example="/home/alice/.config/go/env:4 is not UTF-8",
)
UNREADABLE = Rule(
    "GD904",
    severity="error",
    title="Go's settings file cannot be read",
    impact="go works without the settings in it, or fails.",
    why="""\
The user may not read the file or enter a directory above it, it is a directory or a pipe, it is larger than 8 MiB, or
it is a link to a missing file, for example on a volume that is not mounted. It is read with the rights of its user
alone. A directory that GOENV names is not reported, because go ignores it: see GD211.""",
    fix="""\
Give it to its user (`chown`), or move it away and provision again. Provisioning writes through a link if the user could
do so, and reports an error before it writes if not.""",
    example="cannot read /home/alice/.config/go/env: Permission denied",
)

# Lines that a cause names.
_SHOWN = 20
_SETTING = re.compile(r"([A-Z][A-Z0-9_]*)=")


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    for file in snapshot.settings_files:
        if file.closed:
            yield _closed(file)
        elif file.error:
            action = f"give {file.path} to {file.account.name}, or move it away and provision again"
            yield of_file(UNREADABLE, file.path, file.error, action, file.account.name)
        elif file.missing_target:
            cause = f"{file.path} is a link to {file.missing_target}, which is missing"
            action = f"mount or create {file.missing_target}, or remove the link; then {PROVISION_AGAIN}"
            yield of_file(UNREADABLE, file.path, cause, action, file.account.name)
        yield from _lines(file)


def _closed(file: SettingsFile) -> Finding:
    """Return the finding about a directory that its user may not enter: other files in it are not read either."""
    name, directory = file.account.name, file.closed
    cause = f"{name} cannot read {file.path}: {directory} belongs to {file.closed_owner} and denies access"
    if file.closed_owner == name:
        command = as_user(file.account, "chmod", "u+rwx", directory)
        remedy = Remedy(f"run: {command}", [command])
        cause = f"{name} cannot read {file.path}: the mode of {directory} denies access"
    else:
        # The user may put a link in its place, which must not be followed.
        remedy = Remedy(f"give it to {name}: chown -h {shlex.quote(name)}: {shlex.quote(directory)}")
    return Finding(UNREADABLE, cause, remedy, name, source=Source("file", directory), subject=file.path)


def _lines(file: SettingsFile) -> t.Iterator[Finding]:
    """Evaluate the lines; one finding for each rule, at the first line that breaks it."""
    path, lines, user = file.path, file.lines, file.account.name
    useless = [number for number, line in enumerate(lines, 1) if _has_no_effect(line)]
    if useless:
        others = f"; the same applies to line {', '.join(map(str, useless[1:_SHOWN]))}" if len(useless) > 1 else ""
        others += f" and {len(useless) - _SHOWN} more" if len(useless) > _SHOWN else ""
        # The line may contain a password, and only its user may read the file.
        cause = f"{path}:{useless[0]} has no effect{others}"
        action = f"correct or delete the named lines in {shlex.quote(path)}"
        yield of_file(NO_EFFECT, path, cause, action, user, useless[0])
    foreign = next((number for number, line in enumerate(lines, 1) if re.search("[\udc80-\udcff]", line)), None)
    if foreign:
        action = "write the line again, or convert the file by iconv -f LATIN1 -t UTF-8"
        yield of_file(NOT_UTF8, path, f"{path}:{foreign} is not UTF-8", action, user, foreign)


def _has_no_effect(line: str) -> bool:
    """Return whether go skips a line that is neither empty nor a comment; GOROOT has a rule of its own."""
    match = _SETTING.match(line)
    name = match.group(1) if match else ""
    return bool(line.strip()) and not line.startswith("#") and name not in PERSISTENT_VARIABLES | {"GOROOT"}
