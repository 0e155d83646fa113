# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delays the start of a unit that has failed, longer with each failure, on any version of systemd.

systemd has such delays from version 254 on, and resets them only when the unit is stopped. Here each failure of the
last ten minutes counts, so that a good run resets the delay. The unit records the end of each run in a file, whose name
is that of the invocation and of the result.

The unit does that with its user's rights, in a directory of that user: root runs no command in a unit of a user, whose
variables can name libraries, files of locales and others that any command reads. What is recorded is hostile input.

During its delay a unit is in the same state as one that starts or builds its program for the first time. Whether a
start is a further attempt after a failure is therefore read from the record.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import Account, find_known_account
from .._host.command import SYSTEM_PATH
from .._host.removal import remove_as_owner, remove_empty_directories
from .._host.user_access import call_as
from .._host.user_directories import make_user_directory

DIRECTORY = "/var/lib/gopherops-failures"
_MINUTES = 10
# The variables of the unit are for its program, and may keep others from starting.
_CLEAN = f"unset LD_PRELOAD LD_LIBRARY_PATH; PATH={SYSTEM_PATH}; "
# An earlier user may have kept the directory.
_ENTER = f"cd {DIRECTORY}/%n && test -O . && "
_DELAY = (
    f"{_CLEAN}"
    f'failures=$$({{ {_ENTER}find . -type f ! -name "*.success" -mmin -{_MINUTES}; }}'
    " 2>/dev/null | wc -l); test $$failures -lt 2 || exec sleep $$((failures > 5 ? 58 : (1 << failures) - 2))"
)
_RECORD = f"{_CLEAN}{_ENTER}touch $$INVOCATION_ID.$$SERVICE_RESULT && find . -type f -mmin +{_MINUTES} -delete"
# Lines of a [Service] section, before its other ExecStartPre=: a delay of 2, 6, 14 and 30 s, then 58 s, in addition to
# RestartSec=. TimeoutStartSec= must be longer than that. prepare_start() makes the directory. Without the account of
# its user (217) a unit runs no command, and the delay neither: it is not started again.
START_DELAY = f"""\
RestartPreventExitStatus=217
ReadWritePaths=-{DIRECTORY}/%n
ExecStartPre=-/bin/sh -c '{_DELAY}'
ExecStopPost=-/bin/sh -c '{_RECORD}'
"""
# The properties of a unit that pending_failure needs.
PROPERTIES = ("ActiveState", "SubState", "NRestarts", "User")
_FAILURE = re.compile(r"([0-9a-f]{1,32})\.([a-z-]{1,32})")


class Failure(t.NamedTuple):
    """The ``invocation`` of a unit that failed, and its ``result``, such as exit-code, as its user recorded them."""

    invocation: str
    result: str


def pending_failure(unit: str, properties: t.Mapping[str, str]) -> Failure | None:
    """Return the last failure of a unit that systemd starts again because of it, by the unit's PROPERTIES."""
    waits = properties.get("SubState") == "auto-restart"
    # An explicit start resets the number of restarts.
    retries = properties.get("ActiveState") == "activating" and properties.get("NRestarts", "0") != "0"
    account = find_known_account(properties.get("User", "")) if waits or retries else None
    with contextlib.suppress(DevserverError, OSError):
        last = _FAILURE.fullmatch(call_as(account, lambda: _last_entry(directory_of(unit)))) if account else None
        return Failure(*last.groups()) if last and last.group(2) != "success" else None
    return None


def directory_of(unit: str) -> str:
    """Return the directory with the recorded failures of ``unit``."""
    return os.path.join(DIRECTORY, unit)


def _last_entry(directory: str) -> str:
    return max(os.scandir(directory), key=lambda entry: entry.stat(follow_symlinks=False).st_mtime_ns).name


def prepare_start(units: t.Mapping[str, Account]) -> None:
    """Let the users of ``units`` record failures of these, of which the next start is not delayed by earlier ones."""
    forget_failures(units)
    for unit, account in units.items():
        with contextlib.suppress(DevserverError, OSError):  # Without its record, a unit starts without a delay.
            make_user_directory(directory_of(unit), account)


def forget_failures(units: t.Iterable[str]) -> None:
    """Remove the recorded failures of ``units``."""
    for unit in units:
        with contextlib.suppress(DevserverError, OSError):
            remove_as_owner(directory_of(unit))
    remove_empty_directories([DIRECTORY])
