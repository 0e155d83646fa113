# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe as a whole: N sessions, what they measured, and the cause where too few of them stopped as they should."""

from __future__ import annotations

import re
import statistics
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.causes import Cause, cause_of
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.evidence import (
    binary_of,
    evidence_for,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import Plan, Wanted
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.session import (
    Asked,
    Run,
    debug_once,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import read_stat
from ansible_collections.gopherops.devserver.plugins.module_utils._host.tempdirs import user_directory

_PREFIX = "gopherops-dlv-"


def probe(plan: Plan) -> dict[str, t.Any]:
    """Carry out ``plan`` and return what was measured; raise DevserverError, with that, where it is less than asked."""
    alive = _begun(plan.pid)
    with user_directory(plan.account, plan.scratch, _PREFIX) as folder:
        runs = _runs(plan, folder)
        result = _measured(plan, runs)
        causes = _causes(plan, runs)
    if alive is not None and _begun(plan.pid) != alive:
        raise DevserverError(
            f"process {plan.pid} is gone since the debugger was attached to it",
            remedy="look at its log; start it again",
            **result,
        )
    if result["hit_rate"] < plan.hit_rate:
        raise _too_few(plan, result, causes)
    return result


def _runs(plan: Plan, folder: str) -> list[Run]:
    """Return what the sessions gave; what is refused or runs out of time would do so again, and ends the series."""
    runs: list[Run] = []
    for number in range(plan.runs):
        run = debug_once(plan, folder, again=number > 0)
        runs.append(run)
        if run.refusal or _hopeless(plan, run):
            break
    return runs


def _hopeless(plan: Plan, run: Run) -> bool:
    # A program may go another way the next time.
    return run.ended is not None and not run.complete(plan.wanted) and run.ended.kind != "program"


def _measured(plan: Plan, runs: t.Sequence[Run]) -> dict[str, t.Any]:
    good = sum(_good(plan, run) for run in runs)
    seconds = sorted(run.seconds for run in runs if run.seconds is not None)
    return {
        "mode": plan.mode,
        "runs": len(runs),
        "hit_rate": round(good / plan.runs, 3),
        "breakpoints": [_breakpoint(plan, runs, number) for number in range(len(plan.wanted))],
        "seconds_to_first_stop": _summary(seconds),
        "substitute_path": [],
    }


def _summary(seconds: t.Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    middle = statistics.median(seconds)
    return {"least": round(seconds[0], 3), "median": round(middle, 3), "most": round(seconds[-1], 3)}


def _breakpoint(plan: Plan, runs: t.Sequence[Run], number: int) -> dict[str, t.Any]:
    wanted = plan.wanted[number]
    hits = [run.hits[number] for run in runs if number in run.hits]
    last = hits[-1] if hits else None
    return {
        "name": wanted.name,
        "file": wanted.file,
        "line": wanted.line,
        "hits": len(hits),
        "message": next((run.unset[number] for run in runs if number in run.unset), ""),
        "stack": list(last.stack) if last else [],
        "variables": dict(last.variables) if last else {},
    }


def _good(plan: Plan, run: Run) -> bool:
    return run.complete(plan.wanted) and not any(wrong(plan.wanted[number], run, number) for number in run.hits)


def wrong(wanted: Wanted, run: Run, number: int) -> str:
    """Return in words what was to be seen at a stop and is not; nothing where all is as wanted, or there was none."""
    hit, asked = run.hits.get(number), run.asked.get(number, Asked())
    if not hit:
        return ""
    if asked.function and asked.moved(wanted.line if hit.optimised else asked.function.line):
        return f"it stopped in another line of {asked.function.name} than the source shows"
    for name, value in wanted.variables.items():
        seen = hit.variables.get(name)
        if seen is None or value not in _spellings(seen):
            what = f"is {seen}" if seen is not None else "is not there"
            return f"{name} {what} at {wanted.file}:{wanted.line}, not {value}"
    calls = iter(hit.stack)
    lacking = next((function for function in wanted.stack if function not in calls), "")
    stack = ", ".join(hit.stack)
    return (
        f"{lacking} is not where it should be on the stack at {wanted.file}:{wanted.line}: {stack}" if lacking else ""
    )


def _spellings(seen: str) -> set[str]:
    """Return how a value may be written: dlv puts quotes around a string, and adds to an unsigned number its hex."""
    plain = seen[1:-1] if seen[:1] == '"' else re.sub(r"^(\d+) = 0x[0-9a-f]+$", r"\1", seen)
    return {seen, plain}


def _causes(plan: Plan, runs: t.Sequence[Run]) -> dict[int, Cause]:
    """Return the cause for each breakpoint that was missed, or was otherwise than wanted, in some run."""
    found: dict[int, Cause] = {}
    binary = binary_of(plan)
    for run in runs:
        for number, wanted in enumerate(plan.wanted):
            what = wrong(wanted, run, number)
            if number not in found and (what or number not in run.hits):
                found[number] = cause_of(evidence_for(plan, run, number, binary, what))
    return found


def _too_few(plan: Plan, result: dict[str, t.Any], causes: t.Mapping[int, Cause]) -> DevserverError:
    rules = dict.fromkeys((cause.rule.editor, cause.rule.binary) for cause in causes.values() if cause.rule)
    result["substitute_path"] = [{"from": editor, "to": binary} for editor, binary in rules]
    for number, cause in causes.items():
        result["breakpoints"][number]["cause"] = cause.name
    different = {cause.name: cause for cause in reversed(list(causes.values()))}
    number, cause = next(iter(causes.items()))
    wanted = plan.wanted[number]
    others = f" (and {', '.join(sorted(set(different) - {cause.name}))})" if len(different) > 1 else ""
    return DevserverError(
        f"hit rate {result['hit_rate']:.3f} of breakpoint {wanted.name} in mode {plan.mode}: {cause.what}{others}",
        expected=f"a hit rate of {plan.hit_rate:.3f} in {plan.runs} runs",
        remedy=cause.remedy,
        cause=cause.name,
        remedies=list(dict.fromkeys(item.remedy for item in causes.values())),
        **result,
    )


def _begun(pid: int) -> int | None:
    """Return when a process began, in the kernel's count, which tells it from a later one of its number."""
    stat = read_stat(pid) if pid else None
    return stat.started if stat else None
