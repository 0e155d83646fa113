# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why sshd denies a user's command, if no startup file is the reason: its configuration, or PAM."""

from __future__ import annotations

import os
import typing as t

from ..._core.provenance import Source
from ..._environment.contexts.base import Failure
from ..._environment.sshd_config import SSHD, forced_command, keys, lines
from ..._host.accounts import Account
from ..records.observation import ForcedKeys

_NOLOGIN = ("/etc/nologin", "/run/nologin")
_SFTP = ("internal-sftp", "sftp-server")
_BY_PAM = "by PAM account configuration"
# Keywords that the server's message names, and parts of messages with the keyword and the value that they mean.
_LISTS = ("DenyUsers", "AllowUsers", "DenyGroups", "AllowGroups")
_SWITCHES = {"no authentication methods": ("PubkeyAuthentication", "no"), "ROOT LOGIN": ("PermitRootLogin", "no")}


class Denial(t.NamedTuple):
    """The reason, as text and as a code, and the line or file that is the reason, if there is one."""

    problem: str
    failure: Failure
    source: Source | None


def find_denial(problem: str, failure: Failure, account: Account, timeout: float) -> Denial | None:
    """Return the reason why a command over ssh does not run, other than a startup file; None if it is not known."""
    if failure == "not let in":
        return Denial(problem, failure, _barrier(account) if _BY_PAM in problem else _line_for(problem))
    command, source = forced_command(account, timeout) if failure == "ended early" else ("", None)
    if not command:
        return None
    message = f"sshd runs the ForceCommand {command!r} in place of every command"
    if os.path.basename(command.split()[0]) in _SFTP:
        message = f"{message}: it allows the transfer of files, and no shell or editor"
    return Denial(message, "forced command", source and source._replace(by=None))


def forced_keys(accounts: t.Iterable[Account], timeout: float) -> dict[str, ForcedKeys]:
    """Return the keys that run a command of their own in place of that of a login, of each user with one."""
    keys_of = {account.name: keys(account, timeout) for account in accounts} if os.path.exists(SSHD) else {}
    forced = {name: ForcedKeys([line for line, is_forced in of if is_forced], len(of)) for name, of in keys_of.items()}
    return {name: of for name, of in forced.items() if of.lines}


def _barrier(account: Account) -> Source | None:
    """Return the file that denies logins of all users but root, if there is one."""
    there = (path for path in _NOLOGIN if account.uid and os.path.exists(path))
    return next((Source("file", path) for path in there), None)


def _line_for(problem: str) -> Source | None:
    named = next((keyword for keyword in _LISTS if keyword in problem), "")
    if named:
        return _line(named)
    meant = next((pair for words, pair in _SWITCHES.items() if words in problem), None)
    return _line(*meant) if meant else None


def _line(keyword: str, value: str = "") -> Source | None:
    """Return the first line of sshd's configuration with ``keyword``, and with ``value`` if that is not empty."""
    named = (line for line in lines() if line.keyword == keyword.lower())
    return next((line.source for line in named if value in ("", line.value.strip('"'))), None)
