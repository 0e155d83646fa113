# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ``go env`` in a given environment and finds the go executables that an environment leads to."""

from __future__ import annotations

import json
import os
import re
import typing as t
from types import MappingProxyType

from .._core.errors import DevserverError
from .._core.redaction import without_secrets
from .._host.accounts import Account
from .._host.command import SYSTEM_PATH, Completed, run
from .._shells.scripts import SH_FIND_PROGRAMS

_PRLIMIT = "/usr/bin/prlimit"
_COMPILER_VARIABLES = """
CGO_CFLAGS CGO_CPPFLAGS CGO_CXXFLAGS CGO_FFLAGS CGO_LDFLAGS GOGCCFLAGS PKG_CONFIG AR CC CXX FC GCCGO
"""
# Directories of a PATH that are examined alone, and the seconds for each.
_MOST_DIRECTORIES = 50
_PATIENCE = 5.0
# Characters of the output of go env: it has one line for each variable.
_LONGEST_OUTPUT = 1024 * 1024
# For the values of these, go runs the C compiler and writes its results into the build cache.
NEEDS_C_COMPILER = frozenset(_COMPILER_VARIABLES.split())


# Characters of stderr that are searched from its start and from its end, and those of a reason.
_LONGEST_SEARCH, _LONGEST_REASON = 10_000, 500

# How go begins a message, and words in those of other programs.
_ERROR = re.compile(r"^(go|panic|fatal error|runtime): |\b(error|cannot|can't|failed|not found|denied|invalid)\b", re.I)


def go_env(
    go: str,
    *names: str,
    env: t.Mapping[str, str],
    account: Account | None = None,
    timeout: float = 20,
    limits: t.Mapping[str, int] = MappingProxyType({}),
) -> dict[str, str]:
    """Return the output of ``go env -json`` in a process of ``account`` with exactly the environment ``env``.

    With ``names`` it has only these, and needs HOME or a C compiler only if one of them depends on it. The working
    directory is ``/`` because a go.mod, go.work or toolchain line would change the result. ``limits`` are resource
    limits by their names in prlimit(1). Raises DevserverError with go's own message if it fails.
    """
    # Only soft ones, which a user may set to less than a hard one that is lower.
    limited = [_PRLIMIT, *(f"--{name}={value}:" for name, value in limits.items()), "--"] if limits else []
    argv = [*(limited if os.path.exists(_PRLIMIT) else []), go, "env", "-json", *names]
    completed = run(argv, env=dict(env, PWD="/"), account=account, timeout=timeout)
    if not completed.ok:
        raise DevserverError(
            f"{go} env -json failed: {first_error(completed)}",
            remedy="correct the cause that go reports; 'GOENV=off go env' shows whether it is the user's own file",
            cmd=completed.argv,
        )
    values = _parse_values(completed.stdout)
    if values is None:
        output = completed.stdout.strip()[:80]
        raise DevserverError(
            f"{go} is no go command: env -json printed {output!r}", remedy=f"remove {go}", cmd=completed.argv
        )
    return values


def _parse_values(output: str) -> dict[str, str] | None:
    """Return the variables in the output of ``go env -json``; None for any other output, which a user may have made."""
    try:
        values = json.loads(output) if len(output) <= _LONGEST_OUTPUT else None
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) and all(map(_can_be_given, values.values())) else None


def _can_be_given(value: t.Any) -> bool:
    """Return whether a process can have such a value: a text with no zero byte, and no half of a surrogate pair."""
    try:
        return isinstance(value, str) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def first_error(completed: Completed) -> str:
    """Return the line with the cause, without secrets: the lines after it are mostly consequences."""
    text = completed.stderr
    if len(text) > 2 * _LONGEST_SEARCH:
        text = f"{text[:_LONGEST_SEARCH]}\n{text[-_LONGEST_SEARCH:]}"
    lines = [line.strip() for line in without_secrets(text).splitlines() if line.strip()]
    if completed.returncode is None or not lines or lines[0].startswith("Traceback"):
        return completed.complaint[:_LONGEST_REASON]
    relevant = [line for line in lines if not line.lower().startswith("warning")]
    reason = next((line for line in relevant if _ERROR.search(line)), (relevant or lines)[0])
    return reason[:_LONGEST_REASON]


def without_traces(env: t.Mapping[str, str]) -> dict[str, str]:
    """Return ``env`` changed so that a go command writes no file, and has the same result.

    From Go 1.23 on every go command counts itself in a file below the user's configuration directory. So another
    directory replaces it, and GOENV names the settings file in it.
    """
    directory = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME", ""), ".config")
    goenv = env.get("GOENV") or (os.path.join(directory, "go/env") if os.path.isabs(directory) else "off")
    return dict(env, GOENV=goenv, XDG_CONFIG_HOME="/dev/null")


def _find_hanging(path: str, account: Account | None) -> str:
    """Return the first directory of a PATH that does not respond by itself; empty for none."""
    for directory in list(dict.fromkeys(filter(os.path.isabs, path.split(":"))))[:_MOST_DIRECTORIES]:
        argv = ["/bin/sh", "-c", '[ -x "$1/go" ] || :', "sh", directory]
        if run(argv, env={"PATH": SYSTEM_PATH}, account=account, timeout=_PATIENCE).returncode is None:
            return directory
    return ""


def executables(
    names: t.Iterable[str], path: str, account: Account | None = None, *, timeout: float = 20
) -> dict[str, list[str]]:
    """Return for each of ``names`` every program of that name in the directories of a PATH that ``account`` can run.

    Raises DevserverError if the search takes longer than ``timeout`` seconds, as on a network file system that hangs.
    """
    names = list(names)
    completed = run(
        ["/bin/sh", "-c", SH_FIND_PROGRAMS, "sh", *names], env={"PATH": path}, account=account, timeout=timeout
    )
    if not completed.ok:
        late = completed.returncode is None
        hanging = _find_hanging(path, account) if late else ""
        at = ", and none of them hangs: the host is busy, or PATH is long" if late else ""
        at = f": the directory {hanging} does not respond" if hanging else at
        raise completed.error(
            f"the directories of PATH={path} could not be searched{at}",
            expected="directories that can be read",
            remedy="remove those that hang, as on a network file system, from PATH",
        )
    paths = list(dict.fromkeys(filter(None, completed.stdout.split("\0"))))
    return {name: [file for file in paths if os.path.basename(file) == name] for name in names}
