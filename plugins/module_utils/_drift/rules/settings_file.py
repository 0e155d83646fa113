# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings file that ``go env -w`` writes, where it is not what go can read."""

from __future__ import annotations

import os
import re
import shlex
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.go_variables import PERSISTENT_VARIABLES
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.go_files import text_of
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import CONVERGE, Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as

NO_EFFECT = Rule(
    "GD902",
    "warning",
    "A line of Go's settings file has no effect",
    "A setting that somebody made is not in force.",
    why="""\
go takes lines of the form NAME=value whose name it knows, and passes over all others without a word: a missing `=`,
a small letter, an `export` in front, a variable that is not Go's. Lines that begin with # are comments. The report
names the line and does not show it: it may hold a password.""",
    mend="Correct or delete the line. A variable that is not Go's belongs into `environment_variables`.",
    example="/home/alice/.config/go/env:7 has no effect; the same goes for line 9, 12",
)
NOT_UTF8 = Rule(
    "GD903",
    "warning",
    "Go's settings file is not UTF-8",
    "Paths with other bytes in them do not exist, and go's own output is garbled.",
    why="The file holds bytes that are no UTF-8. It was written in another encoding, or is no text.",
    mend="Write the line anew, or convert the file by `iconv -f LATIN1 -t UTF-8`.",
    example="/home/alice/.config/go/env:4 is not UTF-8",
)
UNREADABLE = Rule(
    "GD904",
    "error",
    "Go's settings file cannot be read",
    "go works without what is set in it, or fails.",
    why="""\
The file is not the user's to read, is a directory or a pipe, is larger than 8 MiB, or is a link to what is missing,
such as a volume that is not mounted. It is read with the rights of its user alone.""",
    mend="""\
Give it back to its user (`chown`), or move it away and provision again. Through a link provisioning writes where the
user could; else it says so before anything is written.""",
    example="cannot read /home/alice/.config/go/env: Permission denied",
)
RULES = (NO_EFFECT, NOT_UTF8, UNREADABLE)

# Lines that a cause names.
_SHOWN = 20
_SETTING = re.compile(r"([A-Z][A-Z0-9_]*)=")


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    for account, path in snapshot.settings_files:
        try:
            text = text_of(path, account)
        except DevserverError as error:
            remedy = Remedy("give it back to its user, or move it away and provision again")
            yield Finding(UNREADABLE, error.what, remedy, account.name, "", "", Source("file", path), subject=path)
            continue
        if text is None:
            yield from _leads_nowhere(path, account)
        yield from _lines(path, (text or "").split("\n"), account)


def _leads_nowhere(path: str, account: Account) -> t.Iterator[Finding]:
    with acting_as(account):
        target = os.path.realpath(path) if os.path.islink(path) else ""
    if target:
        cause = f"{path} is a link to {target}, which is missing"
        remedy = Remedy(f"mount or make what it leads to, or remove the link; then {CONVERGE}")
        yield Finding(UNREADABLE, cause, remedy, account.name, "", "", Source("file", path), subject=path)


def _lines(path: str, lines: t.Sequence[str], account: Account) -> t.Iterator[Finding]:
    """Judge the lines; one finding for each rule, at the first such line."""
    useless = [number for number, line in enumerate(lines, 1) if _has_no_effect(line)]
    if useless:
        others = f"; the same goes for line {', '.join(map(str, useless[1:_SHOWN]))}" if len(useless) > 1 else ""
        others += f" and {len(useless) - _SHOWN} more" if len(useless) > _SHOWN else ""
        # What stands there may be a password, and the file is its user's alone.
        cause = f"{path}:{useless[0]} has no effect{others}"
        remedy = Remedy(f"correct or delete what the cause names in {shlex.quote(path)}")
        yield Finding(NO_EFFECT, cause, remedy, account.name, "", "", Source("file", path, useless[0]), subject=path)
    foreign = next((number for number, line in enumerate(lines, 1) if re.search("[\udc80-\udcff]", line)), None)
    if foreign:
        remedy = Remedy("write the line anew, or convert the file by iconv")
        source = Source("file", path, foreign)
        yield Finding(NOT_UTF8, f"{source} is not UTF-8", remedy, account.name, "", "", source, subject=path)


def _has_no_effect(line: str) -> bool:
    """Return whether go passes over a line that is neither empty nor a comment; GOROOT has a rule of its own."""
    match = _SETTING.match(line)
    name = match.group(1) if match else ""
    return bool(line.strip()) and not line.startswith("#") and name not in PERSISTENT_VARIABLES | {"GOROOT"}
