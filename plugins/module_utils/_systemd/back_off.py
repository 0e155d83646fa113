# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delays the start of a unit that has failed, longer with each failure, on any version of systemd.

systemd has such delays from version 254 on, and resets them only when the unit is stopped. Here each failure of the
last ten minutes counts, so that a good run resets the delay. root records each in a file, and the last one, with its
invocation and its result, in another, until a run ends without a failure.

During its delay a unit is in the same state as one that starts or builds its program for the first time. Whether a
start is a further attempt after a failure is therefore read from the record.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from .._host.command import SYSTEM_PATH
from .._host.files import read_text

DIRECTORY = "/run/gopherops-failures"
_LAST = "last"
_MINUTES = 10
_DELAY = (
    f"failures=$$(find {DIRECTORY}/%n -type f ! -name {_LAST} -mmin -{_MINUTES} 2>/dev/null | wc -l); "
    "test $$failures -lt 2 || exec sleep $$((failures > 5 ? 58 : (1 << failures) - 2))"
)
# root runs this with the unit's environment, in which PATH may begin with directories of the user. No unit with it may
# have variables of the loader such as LD_LIBRARY_PATH: _delve/services.py and _environment/declaration.py reject them.
_RECORD = (
    f'PATH={SYSTEM_PATH}; umask 022; test "$$SERVICE_RESULT" = success && exec rm -f {DIRECTORY}/%n/{_LAST}; '
    f"mkdir -p {DIRECTORY}/%n && cd {DIRECTORY}/%n && touch $$INVOCATION_ID && "
    f'echo "$$INVOCATION_ID $$SERVICE_RESULT" >{_LAST}; find {DIRECTORY}/%n -type f -mmin +{_MINUTES} -delete'
)
# Lines of a [Service] section, before its other ExecStartPre=: a delay of 2, 6, 14 and 30 s, then 58 s, in addition to
# RestartSec=. TimeoutStartSec= must be longer than that.
START_DELAY = f"""\
ExecStartPre=-/bin/sh -c '{_DELAY}'
ExecStopPost=-+/bin/sh -c '{_RECORD}'
"""
# The properties of a unit that pending_failure needs.
PROPERTIES = ("ActiveState", "SubState", "NRestarts")


class Failure(t.NamedTuple):
    """The ``invocation`` of a unit that failed, and its ``result``, such as exit-code."""

    invocation: str
    result: str


def pending_failure(unit: str, properties: t.Mapping[str, str]) -> Failure | None:
    """Return the last failure of a unit that systemd starts again because of it, by the unit's PROPERTIES."""
    waits = properties.get("SubState") == "auto-restart"
    # An explicit start resets the number of restarts.
    retries = properties.get("ActiveState") == "activating" and properties.get("NRestarts", "0") != "0"
    record = read_text(os.path.join(DIRECTORY, unit, _LAST)) if waits or retries else None
    return Failure(*record.split()) if record else None


def forget_failures(units: t.Iterable[str]) -> None:
    """Remove the recorded failures of ``units``, so that their next start is not delayed."""
    for unit in units:
        shutil.rmtree(os.path.join(DIRECTORY, unit), ignore_errors=True)
    with contextlib.suppress(OSError):
        os.rmdir(DIRECTORY)
