# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks real processes: one observation for each user and context."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.contexts import CONTEXTS
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import Context
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration, UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.go_command import (
    COSTLY,
    executables,
    go_env,
    read_only,
)
from ansible_collections.gopherops.devserver.plugins.module_utils.sources import Assignment

# Looked at even where the declaration is silent: these decide what a build does.
WATCHED = ("GOPROXY", "GOSUMDB", "GOFLAGS", "GO111MODULE", "CGO_ENABLED")


@dataclasses.dataclass(frozen=True)
class Observation:
    """What a process of ``user`` got in ``context``.

    ``environment`` is None, and ``problem`` says why, where no process could be asked. ``go`` lists the go
    executables on its PATH, first the one that runs; ``answer`` is what that one's ``go env`` says there, empty, and
    ``go_problem`` says why, where it does not answer.
    """

    user: UserEnvironment
    context: Context
    environment: dict[str, str] | None
    problem: str = ""
    go: t.Sequence[str] = ()
    answer: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    go_problem: str = ""
    assignments: t.Sequence[Assignment] = ()


def observe(declaration: Declaration, *, timeout: float) -> list[Observation]:
    """Probe every user in every context that the host has, some at a time; ``timeout`` (seconds) bounds each probe."""
    pairs = [(user, context) for user in declaration.users for context in CONTEXTS if context.applies_to(user.account)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=4 * (os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda pair: _observation(declaration, *pair, timeout=timeout), pairs))


def _observation(declaration: Declaration, user: UserEnvironment, context: Context, *, timeout: float) -> Observation:
    try:
        probe = context.probe(user.account, declaration, timeout)
        if probe.environment is None:
            return Observation(user, context, None, probe.problem)
        assignments = context.assignments(user.account, timeout)
    except DevserverError as error:
        return Observation(user, context, None, str(error))
    go = executables("go", probe.environment.get("PATH", ""))
    answer, go_problem = _ask_go(go, probe.environment, user, timeout)
    return Observation(user, context, probe.environment, "", go, answer, go_problem, assignments)


def _ask_go(
    go: t.Sequence[str], environment: t.Mapping[str, str], user: UserEnvironment, timeout: float
) -> tuple[t.Mapping[str, str], str]:
    if not go:
        return {}, "no go executable on PATH"
    names = {*WATCHED, *user.variables, "GOROOT", "GOVERSION", "GOENV"} - COSTLY
    try:
        return go_env(go[0], *names, env=read_only(environment), account=user.account, timeout=timeout), ""
    except DevserverError as error:
        return {}, str(error)
