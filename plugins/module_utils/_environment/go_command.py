# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ``go env`` in a given environment and finds the go executables that an environment leads to."""

from __future__ import annotations

import json
import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed, run

_ASKS_THE_COMPILER = """
CGO_CFLAGS CGO_CPPFLAGS CGO_CXXFLAGS CGO_FFLAGS CGO_LDFLAGS GOGCCFLAGS PKG_CONFIG AR CC CXX FC GCCGO
"""
# To answer for these, go asks the C compiler and writes what it learns into the build cache.
NEEDS_C_COMPILER = frozenset(_ASKS_THE_COMPILER.split())


# How go begins, and words of others.
_ERROR = re.compile(r"^(go|panic|fatal error|runtime): |\b(error|cannot|can't|failed|not found|denied|invalid)\b", re.I)


def go_env(
    go: str,
    *names: str,
    env: t.Mapping[str, str],
    account: Account | None = None,
    timeout: float = 20,
) -> dict[str, str]:
    """Return what ``go env -json`` says to a process of ``account`` with exactly the environment ``env``.

    With ``names`` it says these alone, and needs neither HOME nor a C compiler where none of them depends on it.
    The working directory is fixed to ``/`` because a go.mod, go.work or toolchain line would change the answer.
    Raises DevserverError with go's own words where it fails.
    """
    done = run([go, "env", "-json", *names], env=dict(env, PWD="/"), account=account, timeout=timeout)
    if not done.ok:
        raise DevserverError(
            f"{go} env -json failed: {_first_error(done)}",
            remedy="correct what go names; 'GOENV=off go env' shows whether the user's own file is the cause",
            cmd=done.argv,
        )
    try:
        answer: dict[str, str] = json.loads(done.stdout)
    except ValueError as error:
        said = done.stdout.strip()[:80]
        raise DevserverError(
            f"{go} is no go command: env -json printed {said!r}", remedy=f"remove {go}", cmd=done.argv
        ) from error
    return answer


def _first_error(done: Completed) -> str:
    """Return the line that says the cause: what comes behind it is mostly what follows from that."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode is None or not lines or lines[0].startswith("Traceback"):
        return done.complaint
    telling = [line for line in lines if not line.lower().startswith("warning")]
    return next((line for line in telling if _ERROR.search(line)), (telling or lines)[0])


def without_traces(env: t.Mapping[str, str]) -> dict[str, str]:
    """Return ``env`` changed so that a go command leaves no trace in it, and answers as it would have without that.

    From Go 1.23 on every go command counts itself in a file below the user's configuration folder, so this folder is
    given away, and the file that lies in it and is asked for is named.
    """
    folder = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME", ""), ".config")
    goenv = env.get("GOENV") or (os.path.join(folder, "go/env") if os.path.isabs(folder) else "off")
    return dict(env, GOENV=goenv, XDG_CONFIG_HOME="/dev/null")


# Only what the shell has built in, so that any PATH may be walked; as the user, whose rights decide what can be run.
_WALK = """
IFS=:; set -f
for name; do for folder in $PATH; do
  [ -n "$folder" ] && [ -f "$folder/$name" ] && [ -x "$folder/$name" ] && printf '%s/%s\\0' "$folder" "$name"
done; done; :
"""


def executables(
    names: t.Iterable[str], path: str, account: Account | None = None, *, timeout: float = 20
) -> dict[str, list[str]]:
    """Return for each of ``names`` every such program in the directories of a PATH that ``account`` can run.

    Raises DevserverError where they cannot be walked within ``timeout`` seconds, as on a network that does not answer.
    """
    names = list(names)
    done = run(["/bin/sh", "-c", _WALK, "sh", *names], env={"PATH": path}, account=account, timeout=timeout)
    if not done.ok:
        raise done.error(
            f"the directories of PATH={path} could not be walked",
            expected="directories that answer",
            remedy="take those that hang, as on a network, from PATH",
        )
    found = list(dict.fromkeys(filter(None, done.stdout.split("\0"))))
    return {name: [file for file in found if os.path.basename(file) == name] for name in names}
