# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why sshd lets a user's command not happen, where no start-up file has a part in it: its configuration, or PAM."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import Failure
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.sshd_config import effective, lines
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account

_NOLOGIN = ("/etc/nologin", "/run/nologin")
_BY_PAM = "by PAM account configuration"
# By what the server's words have in them: a keyword that they name themselves, or one with the value that is meant.
_LISTS = ("DenyUsers", "AllowUsers", "DenyGroups", "AllowGroups")
_SWITCHES = {"no authentication methods": ("PubkeyAuthentication", "no"), "ROOT LOGIN": ("PermitRootLogin", "no")}


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
    command = dict(effective(account, timeout)).get("forcecommand", "")
    return "" if command == "none" else command


def _line(keyword: str, value: str = "") -> Source | None:
    """Return the first line of sshd's configuration that has ``keyword``, and ``value`` where one is meant."""
    named = (line for line in lines() if line.keyword == keyword.lower())
    return next((line.source for line in named if value in ("", line.value.strip('"'))), None)
