# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ``go env`` in a given environment and finds the go executables that an environment leads to."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils.command import run
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError

_ASKS_THE_COMPILER = """
CGO_CFLAGS CGO_CPPFLAGS CGO_CXXFLAGS CGO_FFLAGS CGO_LDFLAGS GOGCCFLAGS PKG_CONFIG AR CC CXX FC GCCGO
"""
# To answer for these, go asks the C compiler and writes what it learns into the build cache.
COSTLY = frozenset(_ASKS_THE_COMPILER.split())


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
        why = done.stderr.strip() or "it took too long"
        raise DevserverError(f"{go} env -json failed: {why}", cmd=done.argv)
    try:
        answer: dict[str, str] = json.loads(done.stdout)
    except ValueError as error:
        said = done.stdout.strip()[:80]
        raise DevserverError(f"{go} is no go command: env -json printed {said!r}", cmd=done.argv) from error
    return answer


def read_only(env: t.Mapping[str, str]) -> dict[str, str]:
    """Return ``env`` changed so that a go command leaves no trace in it, and answers as it would have without that.

    From Go 1.23 on every go command counts itself in a file below the user's configuration folder, so this folder is
    given away, and the file that lies in it and is asked for is named.
    """
    folder = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME", ""), ".config")
    goenv = env.get("GOENV") or (os.path.join(folder, "go/env") if os.path.isabs(folder) else "off")
    return dict(env, GOENV=goenv, XDG_CONFIG_HOME="/dev/null")


def executables(name: str, path: str) -> list[str]:
    """Return every executable called ``name`` in the directories of a PATH, in its order."""
    candidates = [os.path.join(folder, name) for folder in path.split(":") if folder]
    found = [file for file in candidates if os.path.isfile(file) and os.access(file, os.X_OK)]
    return list(dict.fromkeys(found))
