# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why sshd lets a user's command not happen, where no start-up file has a part in it: its configuration, or PAM."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils.command import SYSTEM_PATH, run
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import Failure
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils.provenance import Source

_SSHD = "/usr/sbin/sshd"
_CONFIGURATION = "/etc/ssh/sshd_config"
_NOLOGIN = ("/etc/nologin", "/run/nologin")
_BY_PAM = "by PAM account configuration"
# By what the server's words have in them: a keyword that they name themselves, or one with the value that is meant.
_LISTS = ("DenyUsers", "AllowUsers", "DenyGroups", "AllowGroups")
_SWITCHES = {"no authentication methods": ("PubkeyAuthentication", "no"), "ROOT LOGIN": ("PermitRootLogin", "no")}
# Includes within includes; sshd itself ends at 16.
_DEPTH = 16


class Refusal(t.NamedTuple):
    """Why, in words and for programs, and the place that says so, where there is one."""

    problem: str
    failure: Failure
    source: Source | None


def refusal(problem: str, failure: Failure, account: Account, timeout: float) -> Refusal | None:
    """Return who else than a start-up file keeps a command over ssh from running; None for nobody known."""
    if failure == "not let in":
        return Refusal(problem, failure, _barrier(account) if _BY_PAM in problem else _line_for(problem))
    command = _forced_command(account, timeout) if failure == "ended early" else ""
    if not command:
        return None
    said = f"sshd runs the ForceCommand {command!r} in the place of any command"
    return Refusal(said, "forced command", _line("ForceCommand", command))


def _barrier(account: Account) -> Source | None:
    """Return the file that keeps everybody but root out, where there is one."""
    there = (path for path in _NOLOGIN if account.uid and os.path.exists(path))
    return next((Source("file", path) for path in there), None)


def _line_for(problem: str) -> Source | None:
    named = next((keyword for keyword in _LISTS if keyword in problem), "")
    if named:
        return _line(named)
    meant = next((pair for words, pair in _SWITCHES.items() if words in problem), None)
    return _line(*meant) if meant else None


def _forced_command(account: Account, timeout: float) -> str:
    """Return the command that the host's sshd runs for whoever logs in as ``account``; empty for none."""
    if not os.path.exists(_SSHD):
        return ""
    argv = [_SSHD, "-T", "-f", _CONFIGURATION, "-C", f"user={account.name},host=UNKNOWN,addr=127.0.0.1"]
    told = run(argv, env={"PATH": SYSTEM_PATH}, timeout=timeout).stdout
    match = re.search(r"^forcecommand (.+)$", told, re.MULTILINE)
    return match.group(1) if match and match.group(1) != "none" else ""


def _line(keyword: str, value: str = "") -> Source | None:
    """Return the first line of sshd's configuration that has ``keyword``, and ``value`` where one is meant."""
    named = ((source, said) for source, name, said in _lines(_CONFIGURATION) if name.lower() == keyword.lower())
    return next((source for source, said in named if value in ("", said)), None)


def _lines(path: str, depth: int = 0) -> t.Iterator[tuple[Source, str, str]]:
    """Return place, keyword and value of each line, those of included files in their place."""
    for number, line in enumerate(_text(path).split("\n"), 1):
        match = re.match(r"\s*(\w+)(?:\s*=\s*|\s+)(.*?)\s*$", line)
        if match and match.group(1).lower() == "include" and depth < _DEPTH:
            for pattern in match.group(2).split():
                for included in sorted(glob.glob(os.path.join(os.path.dirname(_CONFIGURATION), pattern.strip('"')))):
                    yield from _lines(included, depth + 1)
        elif match:
            yield Source("file", path, number), match.group(1), match.group(2).strip('"')


def _text(path: str) -> str:
    try:
        return read_text(path) or ""
    except DevserverError:
        return ""
