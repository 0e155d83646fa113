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
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def executables(name: str, path: str) -> list[str]:
    """Return every executable called ``name`` in the directories of a PATH, in its order."""
    candidates = [os.path.join(folder, name) for folder in path.split(":") if folder]
    found = [file for file in candidates if os.path.isfile(file) and os.access(file, os.X_OK)]
    return list(dict.fromkeys(found))
