# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks real processes: one observation for each user and context."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import sys
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError, TimedOut
from ansible_collections.gopherops.devserver.plugins.module_utils._core.go_variables import PERSISTENT_VARIABLES
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import ssh_denials
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import (
    SLOW_SECONDS,
    WATCHED,
    GoResult,
    Observation,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import CONTEXTS
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import (
    Context,
    Probe,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.goenv import GoEnvContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.go_command import (
    NEEDS_C_COMPILER,
    executables,
    go_env,
    without_traces,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, has_home
from ansible_collections.gopherops.devserver.plugins.module_utils._host.trusted_programs import only_root_can_change
from ansible_collections.gopherops.devserver.plugins.module_utils._shells import blame

# What else an answer of go's may depend on; a session's own, such as XDG_SESSION_ID, are others in each.
_GO_READS = ("HOME", "PATH", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
# Contexts that sshd is in the way of.
_OVER_SSH = ("ssh", "vscode_server")
_OF_SERVER = ("vscode_server", "vscode_debug")
# Seconds for a start-up that is known to come to no end; what it hangs at it mostly reaches at once.
_PATIENCE = 5.0
# Before Python 3.9 a process becomes another user by code that must not run while other threads do.
_WORKERS = min(32, 4 * (os.cpu_count() or 1)) if sys.version_info >= (3, 9) else 1


class _Homeless(GoEnvContext):
    """Stands for all contexts of a user whose home is missing: nothing that they would say is worth a finding."""

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        return Probe(None, f"the home {account.home} is missing", failure="no home")


def observe(
    declaration: Declaration, names: t.Sequence[str], *, timeout: float, contexts: t.Sequence[Context] = CONTEXTS
) -> list[Observation]:
    """Probe every user in every context that the host has, some at a time, and look for the programs ``names``.

    ``timeout`` (seconds) bounds each probe, and all the second ones of slow start-ups together.
    """
    pairs = [_Pair(user, context) for user in declaration.users for context in _contexts(user, contexts)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        probes = {pool.submit(_probe, *pair, declaration, timeout): pair for pair in pairs}
        answers = _Answers(pool, ["go", *names], timeout)
        # Where a start-up does not come to its end, the others are followed and asked about in the meantime.
        more: dict[concurrent.futures.Future[Probe], _More] = {}
        for probe in concurrent.futures.as_completed(probes):
            got, pair = probe.result(), probes[probe]
            if got.environment is not None:
                asked = answers.about(pair.user, got.environment, got.login) if pair.context.asks_go else None
                more[probe] = _More(pool.submit(_assignments, *pair, timeout), asked)
        results = {probe: probe.result() for probe in probes}
        hanging = {pair.user.account for probe, pair in probes.items() if _hangs_over_ssh(pair, results[probe])}
        slow = [probe for probe, pair in probes.items() if _given_up(pair, results[probe])]
        for probe in [probe for probe in slow if probes[probe].user.account not in hanging]:
            results[probe] = again = _without_others(probes[probe], declaration, timeout)
            if again.environment is not None:
                asked = answers.about(probes[probe].user, again.environment, again.login)
                more[probe] = _More(pool.submit(_assignments, *probes[probe], timeout), asked)
        seen = [_observation(pair, results[probe], more.get(probe)) for probe, pair in probes.items()]
    until = time.monotonic() + timeout
    seen = [_asked_again(one, declaration, until) for one in seen]
    with concurrent.futures.ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        return list(pool.map(lambda one: _explained(one, timeout), seen))


def _given_up(pair: _Pair, probe: Probe) -> bool:
    """Return whether a start-up was too slow for the limit of VS Code's server, which nobody can choose."""
    return pair.context.name in _OF_SERVER and probe.failure == "timed out"


def _hangs_over_ssh(pair: _Pair, probe: Probe) -> bool:
    """Return whether the way to VS Code's server comes to no end within the limit for all, which is the longer one."""
    return pair.context.name == _OVER_SSH[0] and probe.failure == "timed out"


def _without_others(pair: _Pair, declaration: Declaration, timeout: float) -> Probe:
    """Ask once more, now that nothing else is asked beside it; what has the same shell takes that shell's answer."""
    if pair.context.name == _OF_SERVER[0] and not pair.context.workspace:
        pair.context.forget()
    return _probe(*pair, declaration, timeout)


def _asked_again(seen: Observation, declaration: Declaration, until: float) -> Observation:
    """Return ``seen`` with the better of two times where it was slow: beside all the others everything is.

    After ``until`` (of the monotonic clock), which bounds all of them together, the first time stays.
    """
    left = until - time.monotonic()
    if seen.environment is None or seen.seconds <= SLOW_SECONDS or left <= 0:
        return seen
    seen.context.forget()
    again = _probe(seen.user, seen.context, declaration, left)
    return seen if again.environment is None else dataclasses.replace(seen, seconds=min(seen.seconds, again.seconds))


def _explained(seen: Observation, timeout: float) -> Observation:
    """Return ``seen`` with the line that is at fault, where its start-up went wrong."""
    try:
        return _with_culprit(seen, timeout)
    except (DevserverError, OSError):
        return seen  # What is amiss stays true, whoever is at fault.


def _with_culprit(seen: Observation, timeout: float) -> Observation:
    if seen.environment is None:
        refused = _refused(seen, timeout) if seen.context.name in _OVER_SSH else None
        return refused or dataclasses.replace(seen, culprit=_stopping(seen, timeout))
    amiss = seen.noise or seen.seconds > SLOW_SECONDS
    start_up = seen.context.start_up(seen.user.account, timeout) if amiss else None
    if start_up and seen.noise:
        seen = dataclasses.replace(seen, printing=blame.line_that_prints(start_up, seen.noise, timeout))
    if start_up and seen.seconds > SLOW_SECONDS:
        seen = dataclasses.replace(seen, slowest=blame.slowest_line(start_up, timeout))
    return seen


def _refused(seen: Observation, timeout: float) -> Observation | None:
    """Return ``seen`` with what sshd has against a command over ssh; None where that is nothing."""
    account = seen.user.account
    said = blame.sshd_complaint(timeout)
    if said:
        problem, at = f"sshd refuses its configuration: {said}", blame.place_in(said, account.home)
        return dataclasses.replace(seen, problem=problem, failure="broken sshd", culprit=at)
    by = ssh_denials.refusal(seen.problem, seen.failure, account, timeout)
    return by and dataclasses.replace(seen, problem=by.problem, failure=by.failure, culprit=by.source)


def _stopping(seen: Observation, timeout: float) -> Source | None:
    """Return the line at which a start-up does not go on, or the place that the problem names."""
    at = blame.place_in(seen.problem, seen.user.account.home)
    start_up = None if at else seen.context.start_up(seen.user.account, timeout)
    if start_up is None:
        return at
    if seen.failure == "ended early":
        at = blame.unparseable(start_up, seen.problem, timeout)
    return at or blame.last_line(start_up, min(timeout, _PATIENCE))


class _Pair(t.NamedTuple):
    user: UserEnvironment
    context: Context


def _contexts(user: UserEnvironment, kinds: t.Sequence[Context]) -> list[Context]:
    if not has_home(user.account):
        return [_Homeless()]
    found: list[Context] = []
    for kind in kinds:
        found += [context for context in kind.for_user(user, tuple(found)) if context.applies_to(user.account)]
    return found


class _Answer(t.NamedTuple):
    programs: t.Mapping[str, t.Sequence[str]]
    go: GoResult


class _More(t.NamedTuple):
    """What is found out once there is an environment."""

    assignments: concurrent.futures.Future[list[Assignment]]
    answer: concurrent.futures.Future[_Answer] | None


class _Answers:
    """What an environment leads to, found out once for each user and environment."""

    def __init__(self, pool: concurrent.futures.Executor, names: t.Sequence[str], timeout: float) -> None:
        self._pool = pool
        self._names = names
        self._timeout = timeout
        self._known: dict[t.Any, concurrent.futures.Future[_Answer]] = {}

    def about(
        self, user: UserEnvironment, environment: t.Mapping[str, str], login: t.Mapping[str, str] | None = None
    ) -> concurrent.futures.Future[_Answer]:
        """Return what ``environment`` leads to; ``login`` is that of the probe, by which programs are trusted."""
        relevant, own = _relevant(environment, user), _relevant(login or {}, user)
        if login is not None and relevant == own:
            environment, login = login, None
        # A directory's second mention leads to nothing new.
        directories = dict.fromkeys(relevant.pop("PATH", "").split(":"))
        key = (user.account, *directories, *sorted(relevant.items()), login is None or own.get("PATH"))
        if key not in self._known:
            self._known[key] = self._pool.submit(self._ask, user, environment, login)
        return self._known[key]

    def _ask(
        self, user: UserEnvironment, environment: t.Mapping[str, str], login: t.Mapping[str, str] | None
    ) -> _Answer:
        try:
            programs = executables(self._names, environment.get("PATH", ""), user.account, timeout=self._timeout)
            if login is not None:
                return _Answer(programs, _query_trusted_go(programs["go"], environment, login, user, self._timeout))
        except (DevserverError, OSError) as error:
            return _Answer({}, GoResult({}, str(error)))
        return _Answer(programs, _ask_go(programs["go"], environment, user, self._timeout))


def _relevant(environment: t.Mapping[str, str], user: UserEnvironment) -> dict[str, str]:
    """Return the variables that go's answer may depend on."""
    return {name: value for name, value in environment.items() if name in user.variables or _is_read_by_go(name)}


def _is_read_by_go(variable: str) -> bool:
    known = variable in PERSISTENT_VARIABLES or variable in _GO_READS
    return known or variable.startswith(("GO", "CGO_"))


def _probe(user: UserEnvironment, context: Context, declaration: Declaration, timeout: float) -> Probe:
    try:
        return context.probe(user.account, declaration, timeout)
    except TimedOut as error:
        return Probe(None, str(error), failure="timed out")
    except (DevserverError, OSError) as error:
        return Probe(None, str(error))


def _assignments(user: UserEnvironment, context: Context, timeout: float) -> list[Assignment]:
    try:
        return context.assignments(user.account, timeout)
    except (DevserverError, OSError):
        return []  # What the probe got stays true, wherever it came from.


def _observation(pair: _Pair, probe: Probe, more: _More | None) -> Observation:
    answer = more.answer.result() if more and more.answer else _Answer({}, GoResult({}))
    return Observation(
        *pair,
        probe.environment,
        probe.problem,
        programs=answer.programs,
        go=answer.go,
        assignments=more.assignments.result() if more else (),
        seconds=probe.seconds,
        noise=probe.noise,
        go_is=probe.go_is,
        stale=probe.stale,
        failure=probe.failure,
        held=probe.held,
    )


def _query_trusted_go(
    go: t.Sequence[str],
    environment: t.Mapping[str, str],
    login: t.Mapping[str, str],
    user: UserEnvironment,
    timeout: float,
) -> GoResult:
    """Query the go of an environment that is changed by files of other users, such as the settings of a workspace.

    VS Code ignores such settings until its user trusts the workspace. So this go runs only if nobody but root can
    change it, or if a login of the user runs it too. Of ``environment`` it gets only what go itself reads, without PATH
    and GOTOOLCHAIN, by which go would start another program. Everything else comes from ``login``.
    """
    first = go[:1]
    own = executables(["go"], login.get("PATH", ""), user.account, timeout=timeout)["go"][:1]
    if first and first != own and not only_root_can_change(first[0]):
        return GoResult({}, f"{first[0]} was not run: users other than root can change it, and no login runs it", True)
    laid_over = {name: value for name, value in environment.items() if _is_read_by_go(name) and name != "PATH"}
    answer = _ask_go(first, {**login, **laid_over, "GOTOOLCHAIN": "local"}, user, timeout)
    # The value in the response is this function's own.
    return answer._replace(values={name: value for name, value in answer.values.items() if name != "GOTOOLCHAIN"})


def _ask_go(go: t.Sequence[str], environment: t.Mapping[str, str], user: UserEnvironment, timeout: float) -> GoResult:
    if not go:
        return GoResult({}, "no go on PATH")
    names = {*WATCHED, *user.variables, "GOROOT", "GOVERSION", "GOENV", "GOHOSTOS", "GOHOSTARCH"} - NEEDS_C_COMPILER
    env = without_traces(environment)
    try:
        return GoResult(go_env(go[0], *sorted(names), env=env, account=user.account, timeout=timeout))
    except DevserverError as error:
        return GoResult({}, str(error))
