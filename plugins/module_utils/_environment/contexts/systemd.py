# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contexts of systemd share: how its files quote a value, and how a real unit is asked what it was given.

Formats: systemd.exec(5) for ``EnvironmentFile=``, environment.d(5).
"""

from __future__ import annotations

import os
import re
import shutil
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import SYSTEM_PATH, Completed, run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import numbered_lines, read_text

# What systemd adds to each unit's environment by itself; it says nothing about where the unit got the rest.
_OF_THE_UNIT = ("INVOCATION_ID", "SYSTEMD_EXEC_PID", "JOURNAL_STREAM", "MANAGERPID")


def manager_runs() -> bool:
    """Return whether systemd runs this host, so that units can be started."""
    return os.path.isdir("/run/systemd/system") and shutil.which("systemd-run") is not None


def bounds(timeout: float) -> list[str]:
    """Return the properties by which the manager ends a unit, with all that is in it, after ``timeout`` seconds."""
    seconds = max(1, round(timeout))
    return [f"TimeoutStartSec={seconds}", f"RuntimeMaxSec={seconds}", "KillSignal=SIGKILL"]


def environment_of_unit(
    properties: t.Sequence[str],
    timeout: float,
    *,
    account: Account | None = None,
    env: t.Mapping[str, str] | None = None,
) -> Completed:
    """Start a unit with ``properties`` that prints its environment; for ``account``, one of the user's own manager."""
    options = ["--quiet", "--collect", "--pipe", "--wait", *(["--user"] if account else [])]
    set_up = (word for one in (*bounds(timeout), *properties) for word in ("-p", one))
    argv = ["systemd-run", *options, *set_up, "/usr/bin/env", "-0"]
    done = run(argv, env=env or {"PATH": SYSTEM_PATH}, account=account, timeout=timeout)
    # A manager that ends just then lets systemd-run end well, and nothing has been printed.
    return done._replace(returncode=1) if done.ok and not done.stdout else done


def environment_printed(done: Completed) -> dict[str, str]:
    """Return what ``env -0`` printed, less what marks each unit."""
    pairs = (entry.partition("=") for entry in done.stdout.split("\0") if "=" in entry)
    return {name: value for name, _separator, value in pairs if name not in _OF_THE_UNIT}


def render(user: UserEnvironment, path: str, *, dollar: str) -> str:
    """Return the lines that give ``user`` its variables and ``path``; ``dollar`` is how a dollar sign is written.

    What is empty is left out: environment.d(5) has no way to say it, and for go it is as good as unset.
    """
    lines = (_line(name, value, dollar) for name, value in user.variables.items() if value)
    return "".join((*lines, path))


def _line(name: str, value: str, dollar: str) -> str:
    return f"{name}={quoted(value, dollar)}\n"


def quoted(value: str, dollar: str) -> str:
    """Return ``value`` in double quotes."""
    return '"' + re.sub(r'([\\"`])', r"\\\1", value).replace("$", dollar) + '"'


def unquoted(value: str) -> str:
    """Return the value that stands in one line of such a file, or of what a generator prints."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == "'" else value


def assignments_in(path: str) -> list[Assignment]:
    """Return the lines of such a file that assign a variable."""
    found = []
    for number, line in numbered_lines(read_text(path) or ""):
        match = re.match(r"\s*([A-Za-z_]\w*)=(.*)", line)
        if match:
            found.append(Assignment(match.group(1), unquoted(match.group(2)), Source("file", path, number)))
    return found
