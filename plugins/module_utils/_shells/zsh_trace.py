# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces the startup files of zsh: which file and line set which variable, by comparing values as for bash."""

from __future__ import annotations

import typing as t

from .._core.provenance import Assignment, Source
from .bash_trace import assignments, watched_names
from .scripts import ZSH_PROMPT, ZSH_TRACE, fill, quoted
from .startup import Startup


def trace_zsh(start_up: Startup, timeout: float, declared: t.Collection[str] = ()) -> list[Assignment]:
    """Start zsh and return the assignments in its startup files, as ``trace_bash`` does."""
    names = watched_names(declared)
    watched = [(name, value) for name, value in start_up.env.items() if name in names or name.startswith("GO")]
    # In the environment, because every user can read a command line, and values may be secrets.
    variables = {"__go_given": "\n".join(f"export {name}={quoted([value])}" for name, value in watched)}
    marks = {
        "VALUES": "\1".join([*(f"${{{name}-}}" for name in names), "${aliases[go]-}"]),
        "GIVEN_NAMES": quoted(names),
        "NAMES": quoted(names),
        "THEN": ZSH_PROMPT if start_up.prompts else "",
    }
    completed = start_up.run(["zsh", "-f", *start_up.options, "-c", fill(ZSH_TRACE, marks)], timeout, variables)
    entries = assignments(completed.stderr, start_up.env)
    source = (completed.stdout.splitlines() or [""])[-1]
    is_path = source.startswith("/") and "\0" not in source
    return entries + ([Assignment("function go", "", Source("file", source))] if is_path else [])
