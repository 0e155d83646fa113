# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks real processes: one observation for each user and context."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import sys
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.contexts import CONTEXTS
from ansible_collections.gopherops.devserver.plugins.module_utils.contexts.base import Context
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import Declaration, UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.go_command import (
    NEEDS_C_COMPILER,
    executables,
    go_env,
    without_traces,
)
from ansible_collections.gopherops.devserver.plugins.module_utils.provenance import Assignment

# Looked at even where the declaration is silent: these decide what a build does.
WATCHED = ("GOPROXY", "GOSUMDB", "GOFLAGS", "GO111MODULE", "CGO_ENABLED")
# Before Python 3.9 a process becomes another user by code that must not run while other threads do.
_WORKERS = 4 * (os.cpu_count() or 1) if sys.version_info >= (3, 9) else 1


class GoAnswer(t.NamedTuple):
    """What ``go env`` said; or nothing, and ``problem`` says why."""

    values: t.Mapping[str, str]
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Observation:
    """What a process of ``user`` got in ``context``.

    ``environment`` is None, and ``problem`` says why, where no process could be asked. ``programs`` lists for each
    name that was looked for all programs on the PATH that the user can run, first the one that runs. ``seconds``,
    ``noise`` and ``go_is`` are those of the probe.
    """

    user: UserEnvironment
    context: Context
    environment: t.Mapping[str, str] | None
    problem: str = ""
    programs: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    go: GoAnswer = dataclasses.field(default_factory=lambda: GoAnswer({}))
    assignments: t.Sequence[Assignment] = ()
    seconds: float = 0.0
    noise: str = ""
    go_is: str = ""


def observe(declaration: Declaration, names: t.Sequence[str], *, timeout: float) -> list[Observation]:
    """Probe every user in every context that the host has, some at a time, and look for the programs ``names``.

    ``timeout`` (seconds) bounds each probe.
    """
    pairs = [(user, context) for user in declaration.users for context in CONTEXTS if context.applies_to(user.account)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        return list(pool.map(lambda pair: _observation(declaration, pair[0], pair[1], names, timeout), pairs))


def _observation(
    declaration: Declaration, user: UserEnvironment, context: Context, names: t.Sequence[str], timeout: float
) -> Observation:
    try:
        probe = context.probe(user.account, declaration, timeout)
        if probe.environment is None:
            return Observation(user, context, None, probe.problem, seconds=probe.seconds, noise=probe.noise)
        programs = executables(["go", *names], probe.environment.get("PATH", ""), user.account)
        return Observation(
            user,
            context,
            probe.environment,
            programs=programs,
            go=_ask_go(programs["go"], probe.environment, user, timeout),
            assignments=context.assignments(user.account, timeout),
            seconds=probe.seconds,
            noise=probe.noise,
            go_is=probe.go_is,
        )
    except (DevserverError, OSError) as error:
        return Observation(user, context, None, str(error))


def _ask_go(go: t.Sequence[str], environment: t.Mapping[str, str], user: UserEnvironment, timeout: float) -> GoAnswer:
    if not go:
        return GoAnswer({}, "no go on PATH")
    names = {*WATCHED, *user.variables, "GOROOT", "GOVERSION", "GOENV"} - NEEDS_C_COMPILER
    env = without_traces(environment)
    try:
        return GoAnswer(go_env(go[0], *sorted(names), env=env, account=user.account, timeout=timeout))
    except DevserverError as error:
        return GoAnswer({}, str(error))
