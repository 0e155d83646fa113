# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes real processes: one observation for each user and context."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import os
import sys
import threading
import time
import typing as t
from types import MappingProxyType

from ..._core.errors import DevserverError, TimedOut, describe_unexpected
from ..._core.go_variables import PERSISTENT_VARIABLES
from ..._core.provenance import Assignment, Source
from ..._environment.contexts import KINDS
from ..._environment.contexts.base import Context, ContextKind, Probe
from ..._environment.contexts.editor_files import EditorContext
from ..._environment.contexts.goenv import GoEnvContext
from ..._environment.declaration import Declaration, UserEnvironment
from ..._environment.go_command import NEEDS_C_COMPILER, executables, go_env, without_traces
from ..._host.accounts import Account
from ..._host.reading_limit import reading
from ..._host.remembered import remembering
from ..._host.trusted_paths import only_root_can_change
from ..._host.user_access import has_home
from ..._shells import blame
from ..records.observation import LIMITS, SLOW_SECONDS, WATCHED, GoResult, Observation, failed, protected
from . import ssh_denials
from .forged_places import without_forged_places
from .patient_pool import PatientPool

# Other variables that go reads. Variables of a session, such as XDG_SESSION_ID, differ in each context.
_GO_READS = ("HOME", "PATH", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
# Seconds for a startup that is known to hang: it usually reaches the line that hangs at once.
_PATIENCE = 5.0
# How many times the limit of one call the calls for one user may take together.
_BUDGET = 3
# Contexts of one kind of one user; each takes the time of a probe.
MOST_CONTEXTS = 500
# Before Python 3.9 the change of the user in a child process is not safe beside other threads.
_WORKERS = min(32, 4 * (os.cpu_count() or 1)) if sys.version_info >= (3, 9) else 1


class _NoHomeContext(GoEnvContext):
    """Replaces all contexts of a user without a home directory, which would all fail for that reason."""

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        return Probe(None, f"the home {account.home} is missing", failure="no home")


class _UnreadableContext(_NoHomeContext):
    """Replaces the contexts of a kind that could not be made from the files of their user, for the given reason."""

    def __init__(self, name: str, problem: str, workspace: str = "") -> None:
        self.name = name
        self.workspace = workspace
        self._problem = problem

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        return Probe(None, self._problem)


@remembering()
def observe(
    declaration: Declaration, names: t.Sequence[str], *, timeout: float, kinds: t.Sequence[ContextKind] = KINDS
) -> list[Observation]:
    """Probe every user in every context of the host, several at a time, and search the programs ``names``.

    ``timeout`` (seconds) limits each probe, and all second probes of slow startups together.
    """
    pairs = [_Pair(user, context) for user in declaration.users for context in _contexts(user, kinds)]
    # The contexts of a user who hangs wait at the same time, and the other users do not wait for them.
    with PatientPool(_WORKERS, SLOW_SECONDS) as pool:
        probes = {pool.submit(_probe, *pair, declaration, timeout): pair for pair in pairs}
        queries = _Queries(pool, ["go", *names], timeout)
        # While one startup hangs, the others are traced and their go is queried.
        completed = concurrent.futures.as_completed(probes)
        details = {probe: queries.details(probes[probe], probe.result()) for probe in completed}
        results = {probe: probe.result() for probe in probes}
        late = [(probe, pair) for probe, pair in probes.items() if results[probe].failure == "timed out"]
        # The limit of VS Code's server is shorter: a startup that hangs without it would exceed that again.
        endless = {pair.user.account for _probe_of, pair in late if pair.context.in_server}
        for probe, pair in late:
            if pair.context.has_fixed_limit and pair.user.account not in endless:
                results[probe] = _probe_alone(pair, declaration, timeout)
                details[probe] = queries.details(pair, results[probe])
        observations = [_observation(pair, results[probe], details[probe]) for probe, pair in probes.items()]
    until = time.monotonic() + timeout
    observations = [protected(_with_second_time, observation, declaration, until) for observation in observations]
    budget = _Budget(_BUDGET * timeout)
    with PatientPool(_WORKERS, SLOW_SECONDS) as pool:
        explained = list(pool.map(lambda observation: _explained(observation, timeout, budget), observations))
    return without_forged_places(explained)


def unreadable(user: UserEnvironment, problem: str) -> Observation:
    """Return the only observation of a user whose files cannot be read, for the given reason."""
    return Observation(user, _UnreadableContext(GoEnvContext.name, problem), None, problem)


def _probe_alone(pair: _Pair, declaration: Declaration, timeout: float) -> Probe:
    """Probe again without other probes beside it; contexts with the same shell use the result of that shell."""
    if not pair.context.workspace:
        pair.context.forget()
    with remembering():  # Not the results of the first probe.
        return _probe(*pair, declaration, timeout)


def _with_second_time(observation: Observation, declaration: Declaration, until: float) -> Observation:
    """Return a slow observation with the better of two times: beside all other probes every startup is slow.

    After ``until`` (of the monotonic clock), which limits all second probes together, the first time stays.
    """
    left = until - time.monotonic()
    if observation.environment is None or observation.seconds <= SLOW_SECONDS or left <= 0:
        return observation
    observation.context.forget()
    with remembering():
        again = _probe(observation.user, observation.context, declaration, left)
    return (
        observation
        if again.environment is None
        else dataclasses.replace(observation, seconds=min(observation.seconds, again.seconds))
    )


def _explained(observation: Observation, timeout: float, budget: _Budget) -> Observation:
    """Return an observation with the line that is at fault, if its startup has a problem."""
    if budget.is_spent(observation.user.account):
        return observation
    try:
        with budget.spending(observation.user.account):
            return _with_lines(observation, timeout)
    except (DevserverError, OSError):
        return observation  # The problem remains, even if its line is not found.
    except Exception as error:
        return observation if observation.environment is None else failed(observation, error)


def _with_lines(observation: Observation, timeout: float) -> Observation:
    if observation.environment is None:
        denied = _denied(observation, timeout) if observation.context.over_ssh else None
        return denied or dataclasses.replace(observation, stopping=_stopping(observation, timeout))
    traced = observation.unexpected_output or observation.seconds > SLOW_SECONDS or observation.held
    start_up = observation.context.start_up(observation.user.account, timeout) if traced else None
    if start_up is None:
        is_slow = observation.seconds > SLOW_SECONDS
        return dataclasses.replace(observation, slowest=observation.context.program_line() if is_slow else None)
    output = observation.unexpected_output
    printing = blame.find_printing_line(start_up, output, timeout) if output else None
    slowest = blame.find_slowest_line(start_up, timeout) if observation.seconds > SLOW_SECONDS else None
    holder, holding = blame.find_process_left(start_up, timeout) if observation.held else ("", None)
    return dataclasses.replace(observation, printing=printing, slowest=slowest, holder=holder, holding=holding)


def _denied(observation: Observation, timeout: float) -> Observation | None:
    """Return an observation with the reason why sshd denies a command over ssh; None without one."""
    account = observation.user.account
    complaint = blame.find_sshd_error(timeout)
    if complaint:
        problem, at = f"sshd rejects its configuration: {complaint}", blame.parse_place(complaint, account.home)
        return dataclasses.replace(observation, problem=problem, failure="broken sshd", stopping=at)
    denial = ssh_denials.find_denial(observation.problem, observation.failure, account, timeout)
    if denial is None:
        return None
    return dataclasses.replace(observation, problem=denial.problem, failure=denial.failure, stopping=denial.source)


def _stopping(observation: Observation, timeout: float) -> Source | None:
    """Return the line at which a startup stops, or the place that the problem names."""
    account, context = observation.user.account, observation.context
    at, start_up = blame.parse_place(observation.problem, account.home), context.start_up(account, timeout)
    editor_files = [place.file.path for place in context.editor_places()] if isinstance(context, EditorContext) else []
    if start_up is None or (at and (at.file in editor_files or start_up.may_read(at.file or ""))):
        return at
    limiting = blame.find_limiting_line(start_up, observation.problem, timeout)
    if limiting:
        return limiting
    if observation.failure == "ended early":
        at = blame.find_unparseable_line(start_up, observation.problem, timeout)
        if at:
            return at
    return blame.find_last_line(start_up, min(timeout, _PATIENCE))


class _Pair(t.NamedTuple):
    user: UserEnvironment
    context: Context


def _contexts(user: UserEnvironment, kinds: t.Sequence[ContextKind]) -> list[Context]:
    try:
        if not has_home(user.account):
            return [_NoHomeContext()]
    except DevserverError as error:
        return [_UnreadableContext(GoEnvContext.name, error.problem)]
    contexts: list[Context] = []
    for kind in kinds:
        try:
            made = kind.contexts_of(user, tuple(contexts))
            contexts += [context for context in made[:MOST_CONTEXTS] if context.applies_to(user.account)]
        except Exception as error:
            contexts.append(_UnreadableContext(kind.name, describe_unexpected(error)))
            continue
        if len(made) > MOST_CONTEXTS:
            problem = f"the files of {user.account.name} give more than {MOST_CONTEXTS} contexts of this kind"
            contexts.append(_UnreadableContext(kind.name, problem, "others"))
    return contexts


class _Programs(t.NamedTuple):
    """The programs on a PATH by name, and the result of the first go."""

    programs: t.Mapping[str, t.Sequence[str]]
    go: GoResult


class _Details(t.NamedTuple):
    """What is read after a probe with an environment."""

    assignments: concurrent.futures.Future[list[Assignment]]
    programs: concurrent.futures.Future[_Programs] | None


class _Budget:
    """Limits the time that the calls for one user take together; calls that have begun end by their own limit."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._spent: dict[Account, float] = collections.defaultdict(float)
        self._lock = threading.Lock()

    def is_spent(self, account: Account) -> bool:
        with self._lock:
            return self._spent[account] > self.seconds

    @contextlib.contextmanager
    def spending(self, account: Account) -> t.Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._spent[account] += time.monotonic() - start


class _Queries:
    """Searches of PATH and queries of go, one for each user and environment."""

    def __init__(self, pool: concurrent.futures.Executor, names: t.Sequence[str], timeout: float) -> None:
        self._pool = pool
        self._names = names
        self._timeout = timeout
        # The launch configurations of a user may have hundreds of environments, and a go that hangs.
        self._budget = _Budget(_BUDGET * timeout)
        self._known: dict[t.Any, concurrent.futures.Future[_Programs]] = {}

    def details(self, pair: _Pair, probe: Probe) -> _Details | None:
        """Start to read what is known of a probe with an environment; None without one."""
        if probe.environment is None:
            return None
        assignments = self._pool.submit(_assignments, *pair, self._timeout)
        try:
            here = pair.context.on_this_host
            return _Details(assignments, self._submit(pair.user, probe.environment, probe) if here else None)
        except Exception as error:
            programs: concurrent.futures.Future[_Programs] = concurrent.futures.Future()
            programs.set_exception(error)  # It fails the observation alone.
            return _Details(assignments, programs)

    def _submit(
        self, user: UserEnvironment, environment: t.Mapping[str, str], probe: Probe
    ) -> concurrent.futures.Future[_Programs]:
        """Return the programs in ``environment``; the login of the ``probe`` decides about trust."""
        login = probe.login
        relevant, login_variables = _relevant(environment, user), _relevant(login or {}, user)
        if login is not None and relevant == login_variables:
            environment, login = login, None
        # A second entry of the same directory has no effect.
        directories = dict.fromkeys(relevant.pop("PATH", "").split(":"))
        trusted = login is None or login_variables.get("PATH")
        key = (user.account, *directories, *sorted(relevant.items()), trusted, *sorted(probe.limits.items()))
        if key not in self._known:
            self._known[key] = self._pool.submit(self._query_in_budget, user, environment, login, probe.limits)
        return self._known[key]

    def _query_in_budget(self, user: UserEnvironment, *arguments: t.Any) -> _Programs:
        if self._budget.is_spent(user.account):
            problem = f"go was not run: with other environments it took more than {self._budget.seconds:g} s together"
            return _Programs({}, GoResult({}, problem))
        with self._budget.spending(user.account):
            return self._query(user, *arguments)

    def _query(
        self,
        user: UserEnvironment,
        environment: t.Mapping[str, str],
        login: t.Mapping[str, str] | None,
        limits: t.Mapping[str, int],
    ) -> _Programs:
        try:
            programs = executables(self._names, environment.get("PATH", ""), user.account, timeout=self._timeout)
            if login is not None:
                return _Programs(programs, _query_trusted_go(programs["go"], environment, login, user, self._timeout))
        except (DevserverError, OSError) as error:
            return _Programs({}, GoResult({}, str(error)))
        return _Programs(programs, _query_go(programs["go"], environment, user, self._timeout, limits))


def _relevant(environment: t.Mapping[str, str], user: UserEnvironment) -> dict[str, str]:
    """Return the variables that the result of go may depend on."""
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
    except Exception as error:
        return Probe(None, describe_unexpected(error))


def _assignments(user: UserEnvironment, context: Context, timeout: float) -> list[Assignment]:
    try:
        return context.assignments(user.account, timeout)
    except (DevserverError, OSError):
        return []  # The values of the probe remain, even if their sources are not known.


def _observation(pair: _Pair, probe: Probe, details: _Details | None) -> Observation:
    try:
        return _combined(pair, probe, details)
    except Exception as error:
        return failed(Observation(*pair, None), error)


def _combined(pair: _Pair, probe: Probe, details: _Details | None) -> Observation:
    result = details.programs.result() if details and details.programs else _Programs({}, GoResult({}))
    assignments = details.assignments.result() if details else ()
    of_probe = {name: value for name, value in probe._asdict().items() if name != "login"}
    return Observation(*pair, **of_probe, programs=result.programs, go=result.go, assignments=assignments)


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
    login_go = executables(["go"], login.get("PATH", ""), user.account, timeout=timeout)["go"][:1]
    with reading(user.account):
        trusted = not first or first == login_go or only_root_can_change(first[0])
    if not trusted:
        return GoResult({}, f"{first[0]} was not run: users other than root can change it, and no login runs it", True)
    laid_over = {name: value for name, value in environment.items() if _is_read_by_go(name) and name != "PATH"}
    result = _query_go(first, {**login, **laid_over, "GOTOOLCHAIN": "local"}, user, timeout)
    # That value was set by this function.
    return result._replace(values={name: value for name, value in result.values.items() if name != "GOTOOLCHAIN"})


def _query_go(
    go: t.Sequence[str],
    environment: t.Mapping[str, str],
    user: UserEnvironment,
    timeout: float,
    limits: t.Mapping[str, int] = MappingProxyType({}),
) -> GoResult:
    if not go:
        return GoResult({}, "no go on PATH")
    names = {*WATCHED, *user.variables, "GOROOT", "GOVERSION", "GOENV", "GOHOSTOS", "GOHOSTARCH"} - NEEDS_C_COMPILER
    until = time.monotonic() + timeout

    def query(env: t.Mapping[str, str], limits: t.Mapping[str, int]) -> dict[str, str]:
        left = max(0.0, until - time.monotonic())
        return go_env(go[0], *sorted(names), env=without_traces(env), account=user.account, timeout=left, limits=limits)

    def works(env: t.Mapping[str, str], limits: t.Mapping[str, int]) -> bool:
        try:
            return bool(query(env, limits))
        except DevserverError:
            return False

    try:
        return GoResult(query(environment, limits))
    except DevserverError as error:
        return GoResult({}, error.problem, offender=_offender(environment, limits, works))


def _offender(
    environment: t.Mapping[str, str],
    limits: t.Mapping[str, int],
    works: t.Callable[[t.Mapping[str, str], t.Mapping[str, int]], bool],
) -> str:
    """Return the variable without which go ``works``, or LIMITS; empty if it fails without any of them too."""
    if limits and works(environment, {}):
        return LIMITS
    names = sorted(name for name in environment if _is_read_by_go(name) and name not in _GO_READS)
    if not names or not works(_without(environment, names), limits):
        return ""
    return next((name for name in names if works(_without(environment, [name]), limits)), "")


def _without(environment: t.Mapping[str, str], names: t.Container[str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in names}
