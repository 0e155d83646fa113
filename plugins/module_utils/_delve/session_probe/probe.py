# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole probe: several sessions, their measurements, and the cause if too few of them reached the breakpoints."""

from __future__ import annotations

import re
import statistics
import typing as t

from ..._core.errors import DevserverError
from ..._host.procfs import read_stat
from ..._host.tempdirs import user_directory
from .causes import Cause, find_cause
from .evidence import collect_evidence, inspect_binary
from .plan import Breakpoint, DebugProbePlan
from .session import BinaryLocation, SessionRun, run_session

_PREFIX = "gopherops-dlv-"


def probe(plan: DebugProbePlan) -> dict[str, t.Any]:
    """Run ``plan`` and return the measurements. Raises DevserverError with them if the hit rate is too low."""
    start_time = _start_time(plan.pid)
    with user_directory(plan.account, plan.scratch, _PREFIX) as directory:
        runs = _run_sessions(plan, directory)
        result = _collect_measurements(plan, runs)
        causes = _find_causes(plan, runs)
    if start_time is not None and _start_time(plan.pid) != start_time:
        raise DevserverError(
            f"process {plan.pid} exited while the debugger was attached",
            remedy="check its log, and start it again",
            **result,
        )
    if result["hit_rate"] < plan.hit_rate:
        raise _hit_rate_error(plan, result, causes)
    return result


def _run_sessions(plan: DebugProbePlan, directory: str) -> list[SessionRun]:
    """Return the sessions. A rejected or timed out session would fail again, and is the last one."""
    runs: list[SessionRun] = []
    for number in range(plan.runs):
        run = run_session(plan, directory, repeated=number > 0)
        runs.append(run)
        if run.rejection or _is_final(plan, run):
            break
    return runs


def _is_final(plan: DebugProbePlan, run: SessionRun) -> bool:
    # A program may take another path in the next session.
    return run.end is not None and not run.complete(plan.breakpoints) and run.end.kind != "program"


def _collect_measurements(plan: DebugProbePlan, runs: t.Sequence[SessionRun]) -> dict[str, t.Any]:
    successes = sum(_succeeded(plan, run) for run in runs)
    seconds = sorted(run.seconds for run in runs if run.seconds is not None)
    return {
        "mode": plan.mode,
        "runs": len(runs),
        "hit_rate": round(successes / plan.runs, 3),
        "breakpoints": [_breakpoint_result(plan, runs, number) for number in range(len(plan.breakpoints))],
        "seconds_to_first_stop": _summarize(seconds),
        "substitute_path": [],
    }


def _summarize(seconds: t.Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    median = statistics.median(seconds)
    return {"least": round(seconds[0], 3), "median": round(median, 3), "most": round(seconds[-1], 3)}


def _breakpoint_result(plan: DebugProbePlan, runs: t.Sequence[SessionRun], number: int) -> dict[str, t.Any]:
    breakpoint = plan.breakpoints[number]
    hits = [run.hits[number] for run in runs if number in run.hits]
    last = hits[-1] if hits else None
    return {
        "name": breakpoint.name,
        "file": breakpoint.file,
        "line": breakpoint.line,
        "hits": len(hits),
        "message": next((run.unset[number] for run in runs if number in run.unset), ""),
        "stack": list(last.stack) if last else [],
        "variables": dict(last.variables) if last else {},
    }


def _succeeded(plan: DebugProbePlan, run: SessionRun) -> bool:
    return run.complete(plan.breakpoints) and not any(
        find_difference(plan.breakpoints[number], run, number) for number in run.hits
    )


def find_difference(breakpoint: Breakpoint, run: SessionRun, number: int) -> str:
    """Return the first difference to the expected state at a stop; empty without one, and without a stop."""
    hit, location = run.hits.get(number), run.locations.get(number, BinaryLocation())
    if not hit:
        return ""
    if location.function and location.moved(breakpoint.line if hit.optimised else location.function.line):
        return f"the program stopped on a line of {location.function.name} that differs from the source"
    for name, value in breakpoint.variables.items():
        actual = hit.variables.get(name)
        if actual is None or value not in _value_spellings(actual):
            state = f"is {actual}" if actual is not None else "does not exist"
            return f"{name} {state} at {breakpoint.file}:{breakpoint.line}, not {value}"
    calls = iter(hit.stack)
    missing = next((function for function in breakpoint.stack if function not in calls), "")
    stack = ", ".join(hit.stack)
    return (
        f"the stack at {breakpoint.file}:{breakpoint.line} does not contain {missing} at the expected position: {stack}"
        if missing
        else ""
    )


def _value_spellings(value: str) -> set[str]:
    """Return the accepted forms of a value: dlv quotes strings, and adds the hexadecimal form to unsigned numbers."""
    plain = value[1:-1] if value[:1] == '"' else re.sub(r"^(\d+) = 0x[0-9a-f]+$", r"\1", value)
    return {value, plain}


def _find_causes(plan: DebugProbePlan, runs: t.Sequence[SessionRun]) -> dict[int, Cause]:
    """Return the cause for each breakpoint that a session missed, or that had a difference."""
    causes: dict[int, Cause] = {}
    binary = inspect_binary(plan)
    for run in runs:
        for number, breakpoint in enumerate(plan.breakpoints):
            difference = find_difference(breakpoint, run, number)
            if number not in causes and (difference or number not in run.hits):
                causes[number] = find_cause(collect_evidence(plan, run, number, binary, difference))
    return causes


def _hit_rate_error(plan: DebugProbePlan, result: dict[str, t.Any], causes: t.Mapping[int, Cause]) -> DevserverError:
    rules = dict.fromkeys((cause.rule.editor, cause.rule.binary) for cause in causes.values() if cause.rule)
    result["substitute_path"] = [{"from": editor, "to": binary} for editor, binary in rules]
    for number, cause in causes.items():
        result["breakpoints"][number]["cause"] = cause.name
    distinct = {cause.name: cause for cause in reversed(list(causes.values()))}
    number, cause = next(iter(causes.items()))
    breakpoint = plan.breakpoints[number]
    others = f" (and {', '.join(sorted(set(distinct) - {cause.name}))})" if len(distinct) > 1 else ""
    return DevserverError(
        f"hit rate {result['hit_rate']:.3f} of breakpoint {breakpoint.name} in mode {plan.mode}: "
        f"{cause.message}{others}",
        expected=f"a hit rate of {plan.hit_rate:.3f} in {plan.runs} runs",
        remedy=cause.remedy,
        cause=cause.name,
        remedies=list(dict.fromkeys(item.remedy for item in causes.values())),
        **result,
    )


def _start_time(pid: int) -> int | None:
    """Return the start time of a process in clock ticks, which distinguishes processes with the same number."""
    stat = read_stat(pid) if pid else None
    return stat.started if stat else None
