# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces the startup files of zsh: which file and line set which variable, by comparing values as for bash."""

from __future__ import annotations

import typing as t

from .._core.provenance import Assignment, Source
from .._host.accounts import Account
from .._host.command import run_at_home, run_in_terminal
from .bash_trace import assignments, watched_names
from .scripts import ZSH_PROMPT, ZSH_TRACE, fill, quoted


def trace_zsh(
    *,
    options: t.Sequence[str],
    env: t.Mapping[str, str],
    account: Account,
    timeout: float,
    prompt: bool = False,
    declared: t.Collection[str] = (),
) -> list[Assignment]:
    """Start zsh with ``options``, and with ``prompt`` in a terminal up to its first prompt; return the assignments.

    Names in ``declared`` are watched besides those that matter to Go.
    """
    names = watched_names(declared)
    given = [f"export {name}={quoted([value])}" for name, value in env.items() if name in names or name[:2] == "GO"]
    marks = {
        "VALUES": "\1".join([*(f"${{{name}-}}" for name in names), "${aliases[go]-}"]),
        "GIVEN_NAMES": quoted(names),
        "NAMES": quoted(names),
        "THEN": ZSH_PROMPT if prompt else "",
    }
    script = fill(ZSH_TRACE, marks)
    start = run_in_terminal if prompt else run_at_home
    # In the environment, because every user can read a command line, and values may be secrets.
    env_with_given = dict(env, __go_given="\n".join(given))
    done = start(["zsh", "-f", *options, "-c", script], env=env_with_given, account=account, timeout=timeout)
    found = assignments(done.stderr, env)
    source = (done.stdout.splitlines() or [""])[-1]
    return found + ([Assignment("function go", "", Source("file", source))] if source.startswith("/") else [])
